"""Reads command-line arguments of the form KEY=VALUE."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from sweeper.common.errors import ConfigError, closest, shortened
from sweeper.common.quoting import rejoined
from sweeper.common.ranges import Range
from sweeper.two_tower.config import invalid_reason

# Converts the text to a value; raises ValueError with "must be …".
Reader = Callable[[str], Any]


def read_settings(
    texts: Sequence[str],
    readers: Mapping[str, Reader],
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Returns the given values by key.

    Args:
      readers: by key, converts the value.
      aliases: other names of keys.

    Raises:
      ConfigError: with a line for each wrong argument: it is not KEY=VALUE, a shell has split it,
        its key is unknown or given twice, or its value is invalid.
    """
    values: dict[str, Any] = {}
    texts, problems = rejoined(texts)
    known = {**(aliases or {}), **{key: key for key in readers}}
    for text in texts:
        key, equals, value = _partition(text, known)
        key = known.get(key, key)
        if not equals:
            problems.append(
                f"{shortened(text)}: is not a setting; must be KEY=VALUE, of {', '.join(readers)}"
            )
        elif key not in readers:
            problems.append(
                f"{shortened(key)}: is not a setting; must be one of {', '.join(readers)}"
                f"{closest(key, readers)}"
            )
        elif key in values:
            problems.append(f"{key}: is given twice; must be given once")
        else:
            try:
                if problem := invalid_reason(value):
                    raise ValueError(problem)
                values[key] = readers[key](value)
            except ValueError as error:
                problems.append(f"{key}: got {shortened(value)!r}; {error}")
    if problems:
        raise ConfigError(problems)
    return values


def _partition(text: str, keys: Container[str]) -> tuple[str, str, str]:
    """Partitions at the first "=" after a known key, since a key may contain the sign."""
    places = [place for place, letter in enumerate(text) if letter == "="]
    place = next((place for place in places if text[:place] in keys), None)
    return text.partition("=") if place is None else (text[:place], "=", text[place + 1 :])


def text(value: str) -> str:
    """Reads a text that isn't empty."""
    if not value:
        raise ValueError("must be given, not empty")
    return value


def whole_number(low: int, high: int | None = None) -> Reader:
    """Returns a reader of whole numbers of at least `low`, and at most `high`."""
    limits = f"of at least {low}" if high is None else f"from {low} to {high:,}"

    def read(value: str) -> int:
        # `int` would accept "1_000", " 1 " and digits of other scripts.
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise ValueError(f"must be a whole number {limits}")
        number = int(value)
        if number < low or (high is not None and number > high):
            raise ValueError(f"must be a whole number {limits}")
        return number

    return read


def share(value: str) -> float:
    """Reads a number above 0 and up to 1."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise ValueError("must be a number above 0, up to 1")
    return number


def within(range_: Range) -> Reader:
    """Returns a reader of texts that the configuration's schema accepts."""

    def read(value: str) -> str:
        if not range_.accepts(value):
            raise ValueError(f"must be {range_.description}")
        return value

    return read


def one_of(*choices: str) -> Reader:
    def read(value: str) -> str:
        if value not in choices:
            hint = closest(value, choices)
            raise ValueError(f"must be {' or '.join(choices)}{hint}")
        return value

    return read
