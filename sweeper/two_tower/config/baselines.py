"""The names of the baselines, in YAML and for people."""

from __future__ import annotations

import re

from sweeper.common.plugins import is_path
from sweeper.common.ranges import Range
from sweeper.two_tower.config.features import MAX_SEQUENCE_LENGTH

# `ease_last_N`, with any N, is a baseline as well.
BASELINES = ("popularity", "recent_popularity", "covisitation", "ease")
# These, and `ease_last_N`, need the times of rows, whatever the split.
TIMED_BASELINES = ("recent_popularity", "covisitation")
NAMES = {"recent_popularity": "recent popularity", "covisitation": "co-visitation", "ease": "EASE"}


def ease_last(name: str) -> int | None:
    """Returns the N of `ease_last_N`, which reads the latest N rows; None for any other name."""
    found = re.fullmatch(r"ease_last_([1-9]\d{0,3})", name)
    number = int(found[1]) if found else 0
    return number if 1 <= number <= MAX_SEQUENCE_LENGTH else None


def is_baseline(name: str) -> bool:
    """Tells whether a name is that of a built-in baseline."""
    return name in BASELINES or ease_last(name) is not None


def goes_by_times(name: str) -> bool:
    """Tells whether a baseline can't be fitted to data without times."""
    return name in TIMED_BASELINES or ease_last(name) is not None


def baseline_name(name: str) -> str:
    """Returns the name that tables show: "co-visitation", "EASE last 10"; a path as it is."""
    last = ease_last(name)
    return f"EASE last {last}" if last else NAMES.get(name, name)


def no_times_problem(name: str) -> str:
    """Returns the error line for a baseline that needs times where the data has none."""
    return (
        f"evaluation.baselines: got {name!r}, which needs the times of rows, with "
        "data.columns.timestamp null; leave it out, as in evaluation.baselines=[popularity], or "
        "set data.columns.timestamp"
    )


BASELINE_LIST = Range(
    lambda names: all(is_baseline(name) or is_path(name) for name in names),
    f"from {', '.join(BASELINES)}, ease_last_N with an N from 1 to {MAX_SEQUENCE_LENGTH:,}, or "
    "Python paths of your own (package.module:name)",
)
