"""Axes for metrics, trial numbers and logarithmic values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sweeper.two_tower.config import SEEN_FILTERED, UNFILTERED_METRICS

MAX_TICKS = 6
FEW_TRIALS = 12
LONG_NAME = 9


def metric_axis(metric: str, values: Sequence[float]) -> dict[str, Any]:
    """The axis of a metric that has these values: its range, and as many digits as it needs."""
    low, high = padded_range(values)
    return {"range": [low, high], "tickformat": _format(metric, high - low)}


def _format(metric: str, width: float) -> str:
    if metric == "num_parameters":
        return "~s"
    if metric.removeprefix(SEEN_FILTERED) not in UNFILTERED_METRICS:
        return ""
    return ".2f" if width > 0.06 else ".3f"


def trial_axis(last: int) -> dict[str, Any]:
    """The axis of the trials from 0 to the last."""
    return {"range": padded_range([0, last], 0.02), **({"dtick": 1} if last <= FEW_TRIALS else {})}


def wrap_label(name: str) -> str:
    """A long name on several lines."""
    return name.replace("_", "_<br>").replace(" ", "<br>") if len(name) > LONG_NAME else name


def log_axis(values: Sequence[float], most_ticks: int = MAX_TICKS) -> dict[str, Any]:
    """A logarithmic axis for these values, with few round ticks that are written out."""
    low, high = math.log10(min(values)), math.log10(max(values))
    margin = 0.06 * (high - low) or 0.1
    ticks = round_ticks(min(values), max(values), most_ticks)
    return {
        "type": "log",
        "range": [low - margin, high + margin],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def round_ticks(low: float, high: float, most: int = MAX_TICKS) -> list[float]:
    """Round numbers from `low` to `high`, about as far from each other on a logarithmic scale."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) <= most:
            break
    return found if len(found) > 1 else [float(f"{end:.2g}") for end in (low, high)]


def padded_range(values: Sequence[float], share: float = 0.06) -> list[float]:
    """The range of an axis that holds all values, with room at both ends."""
    low, high = min(values), max(values)
    margin = share * (high - low) or 0.05 * abs(high) or 1.0
    return [low - margin, high + margin]
