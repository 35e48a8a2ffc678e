"""Formats numbers, parameters and times for tables and status lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sweeper.study.config import ObjectiveConfig

# `optimizer.name` must not become just "name".
GENERIC_NAMES = ("name", "seed", "options")


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Shortens each dotted name to as few of its last parts as keep it unique and specific."""
    parts = {name: name.split(".") for name in names}
    short = {}
    for name, own in parts.items():
        others = [other for other in parts.values() if other is not own]
        for count in range(1, len(own) + 1):
            short[name] = ".".join(own[-count:])
            unique = all(other[-count:] != own[-count:] for other in others)
            if unique and short[name] not in GENERIC_NAMES:
                break
    return short


def number_text(value: float) -> str:
    """Formats a number for a table: 0.3123, -12.5000, 81,234, 1.2e-06."""
    if math.isfinite(value) and abs(value) >= 100 and value == round(value):
        return f"{value:,.0f}"
    if math.isfinite(value) and abs(value) >= 1_000:
        return f"{value:,.1f}"
    if value == 0 or 1e-3 <= abs(value) < 1_000:
        return f"{value:.4f}"
    return f"{value:.3g}"


def values_text(
    values: Sequence[float], result: dict[str, Any], objectives: Sequence[ObjectiveConfig]
) -> list[str]:
    """Formats each objective's value, with its deviation over seeds if there is one."""
    deviations = result.get("deviations") or {}
    texts = []
    for value, objective in zip(values, objectives, strict=False):
        deviation = deviations.get(objective.metric)
        spread = "" if deviation is None else f" ± {number_text(deviation)}"
        texts.append(number_text(value) + spread)
    return texts


def parameter_text(value: Any) -> str:
    """Formats a searched value; a float has four significant digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "null" if value is None else str(value)


def parameters_text(parameters: Mapping[str, Any], short: Mapping[str, str]) -> str:
    """Formats all parameters on one line, as in "learning_rate 0.01, layer_sizes [64, 32]"."""
    return ", ".join(f"{short[name]} {parameter_text(value)}" for name, value in parameters.items())


def clock(seconds: float) -> str:
    """Formats a time as "5:40" or "1:05:40"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
