"""Ranges of the configuration's values: the test of a value, and its description for errors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sweeper.common.plugins import is_path

# Libraries keep seeds, sizes and counts in 32 bits.
LARGEST = 2**31 - 1
# No machine gains by more threads or processes than this.
MAX_WORKERS = 1_000


@dataclass(frozen=True)
class Range:
    """What a value must be.

    Attributes:
      accepts: whether a value is right.
      description: completes "must be …".
      choices: the values, if they are names.
      hint: the ending of the error line for a wrong value; if it is "", the closest choice ends it.
    """

    accepts: Callable[[Any], bool]
    description: str
    choices: tuple[str, ...] = ()
    hint: Callable[[str], str] = lambda value: ""


def one_of(*choices: str, hint: Callable[[str], str] = lambda value: "") -> Range:
    return Range(lambda value: value in choices, f"one of {', '.join(choices)}", choices, hint)


def one_of_or_path(*choices: str) -> Range:
    """Accepts a built-in name, or the Python path of a user's own class."""
    return Range(
        lambda value: value in choices or is_path(value),
        f"one of {', '.join(choices)}, or the Python path of your own (package.module:Name)",
        choices,
    )


def at_least(low: float) -> Range:
    return Range(lambda value: low <= value < math.inf, f"a finite number of at least {low:g}")


def within(low: int, high: int) -> Range:
    return Range(lambda value: low <= value <= high, f"a whole number from {low} to {high:,}")


POSITIVE = Range(lambda value: 0 < value < math.inf, "a finite number greater than 0")
PROBABILITY = Range(lambda value: 0 <= value <= 1, "at least 0 and at most 1")
SHARE = Range(lambda value: 0 <= value < 1, "at least 0 and below 1")
PORTION = Range(lambda value: 0 < value <= 1, "above 0 and at most 1")
NOT_EMPTY = Range(lambda value: bool(value), "given, not empty")
AUTO = "auto"
DELIMITER = Range(
    lambda value: bool(value) and not re.search(r'["\r\n]', value),
    "auto, or one or more characters without quotes and line ends",
)
QUOTE_CHAR = Range(
    lambda value: value == AUTO or (len(value) == 1 and value.isascii() and value.isprintable()),
    "auto, one ASCII character, or null",
)
WIDTHS = Range(
    lambda values: all(value >= 1 for value in values), "a list of widths, each at least 1"
)
PART_SIZE = Range(
    lambda value: 0 <= value < 1 or (value >= 1 and float(value).is_integer()),
    "a share below 1 (0.2) or a whole number of rows (20000)",
)


def constrained_field(
    default: Any, range_: Range | None = None, renamed_from: str | None = None
) -> Any:
    """Returns a dataclass field with a default and the range that validation checks.

    Args:
      renamed_from: the field's name in an earlier version.
    """
    given = {"range": range_, "renamed_from": renamed_from}
    metadata = {name: value for name, value in given.items() if value is not None}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def invalid_reason(value: Any) -> str:
    """Returns why no key can have a value, whatever its range: "must be …", or ""."""
    if isinstance(value, list | dict):
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        return next((reason for each in inside if (reason := invalid_reason(each))), "")
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"must be a whole number of at most {LARGEST:,}"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    # File names can't contain NUL, and records can't contain surrogates.
    if isinstance(value, str) and re.search("[\0\ud800-\udfff]", value):
        return "must be a text without NUL and surrogates"
    return ""
