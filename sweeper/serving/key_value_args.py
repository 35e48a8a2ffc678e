"""The words of a command line in the form KEY=VALUE, each of its type."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from sweeper.common.errors import ConfigError, closest, shortened
from sweeper.common.quoting import rejoined
from sweeper.common.ranges import Range
from sweeper.two_tower.config import invalid_reason

# From the text to the value; raises ValueError with "must be …".
Reader = Callable[[str], Any]


def read_settings(
    texts: Sequence[str],
    readers: Mapping[str, Reader],
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The values that are given, by key.

    Args:
      aliases: other names of keys.

    Raises:
      ConfigError: with a line for each that is wrong: no KEY=VALUE, one that a shell has split,
        an unknown key, a key given twice, a value of another type.
    """
    values: dict[str, Any] = {}
    texts, problems = rejoined(texts)
    known = {**(aliases or {}), **{key: key for key in readers}}
    for text in texts:
        key, equals, value = _divided(text, known)
        key = known.get(key, key)
        if not equals:
            problems.append(
                f"{shortened(text)}: is no setting; must be KEY=VALUE, of {', '.join(readers)}"
            )
        elif key not in readers:
            problems.append(
                f"{shortened(key)}: is no setting; must be one of {', '.join(readers)}"
                f"{closest(key, readers)}"
            )
        elif key in values:
            problems.append(f"{key}: is given twice; must be given once")
        else:
            try:
                values[key] = _read(value, readers[key])
            except ValueError as error:
                problems.append(f"{key}: got {shortened(value)!r}; {error}")
    if problems:
        raise ConfigError(problems)
    return values


def _divided(text: str, keys: Container[str]) -> tuple[str, str, str]:
    """As `partition` at the first "=" after a key: a key may have the sign in it."""
    places = [place for place, letter in enumerate(text) if letter == "="]
    place = next((place for place in places if text[:place] in keys), None)
    return text.partition("=") if place is None else (text[:place], "=", text[place + 1 :])


def _read(value: str, reader: Reader) -> Any:
    if words := invalid_reason(value):
        raise ValueError(words)
    return reader(value)


def text(value: str) -> str:
    """A text that isn't empty."""
    if not value:
        raise ValueError("must be given, not empty")
    return value


def whole_number(low: int, high: int | None = None) -> Reader:
    """A whole number from `low` on, or up to `high`."""
    words = f"of at least {low}" if high is None else f"from {low} to {high:,}"

    def read(value: str) -> int:
        # `int` takes "1_000", " 1 " and other digits too.
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise ValueError(f"must be a whole number {words}")
        number = int(value)
        if number < low or (high is not None and number > high):
            raise ValueError(f"must be a whole number {words}")
        return number

    return read


def share(value: str) -> float:
    """A number above 0, up to 1."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise ValueError("must be a number above 0, up to 1")
    return number


def within(range_: Range) -> Reader:
    """A text that the configuration's schema would take, too."""

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
