"""Reads domains that a user wrote in YAML or on the command line, and checks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from sweeper.common.errors import ConfigError
from sweeper.study.space.domains import (
    MAX_CHOICES,
    MAX_STEPS,
    Choices,
    Domain,
    Interval,
    steps_between,
    too_many_steps,
)

RANGE_OPTIONS = ("low", "high", "step", "log")

# Returns why a value is wrong, "must be …", or "".
Check = Callable[[Any], str]


def read_domain(
    where: str, given: Mapping[str, Any], value_type: Any, check: Check, problems: list[str]
) -> Domain | None:
    """Reads choices or a range; adds problems to `problems`.

    Args:
      where: the key to name in errors: "study.space.model.dropout".
      value_type: int, float, Any for either, or another type, which can't have a range.
      check: returns why a value is wrong, or "".
    """
    range_options = [option for option in RANGE_OPTIONS if option in given]
    if "choices" in given:
        if range_options:
            problems.append(
                f"{where}: got choices and {', '.join(range_options)}; must have only one of them"
            )
        return _read_choices(f"{where}.choices", given["choices"], check, problems)
    if not range_options:
        problems.append(f"{where}: has no values; must have choices, or low and high")
        return None
    if value_type not in (int, float, Any):
        problems.append(
            f"{where}: got {', '.join(range_options)}, but is not a number; must have choices"
        )
        return None
    return _read_interval(where, given, value_type, check, problems)


def _read_choices(where: str, given: Any, check: Check, problems: list[str]) -> Choices | None:
    if not isinstance(given, list) or not given:
        problems.append(f"{where}: got {given!r}; must be a list of at least one value")
        return None
    if problem := too_many_choices(where, given):
        problems.append(problem)
        return None
    try:
        choices = Choices.of(given)
    except ConfigError as error:
        problems += [f"{where}: {line}" for line in error.problems]
        return None
    problems += choice_problems(where, choices, check)
    return choices


def too_many_choices(where: str, given: Sequence[Any]) -> str:
    """Returns the problem of a list with too many values, or ""."""
    if len(given) <= MAX_CHOICES:
        return ""
    return f"{where}: has {len(given):,} values; must have at most {MAX_CHOICES:,}, or be a range"


def choice_problems(where: str, choices: Choices, check: Check) -> list[str]:
    """Returns a line for each choice that is not allowed, or that is listed twice."""
    wrong = [
        f"{where}: got {value!r}; {reason}" for value in choices.given if (reason := check(value))
    ]
    values = choices.values()
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    return wrong + [f"{where}: got {value!r} twice; must be listed once" for value in twice]


def _read_interval(
    where: str, given: Mapping[str, Any], value_type: Any, check: Check, problems: list[str]
) -> Interval | None:
    low: Any = given.get("low")
    high: Any = given.get("high")
    step, log = given.get("step"), given.get("log", False)
    numbers = {"low": low, "high": high} | ({} if step is None else {"step": step})
    all_whole = all(type(value) is int for value in numbers.values())
    is_int = value_type is int or (value_type is Any and all_whole)
    found = []
    for option, value in numbers.items():
        if value is None:
            found.append(f"{where}.{option}: is missing; must be given for a range")
        elif type(value) is not int and (is_int or type(value) is not float or not isfinite(value)):
            kind = "a whole number" if is_int else "a finite number"
            found.append(f"{where}.{option}: got {value!r}; must be {kind}")
    if not isinstance(log, bool):
        found.append(f"{where}.log: got {log!r}; must be true or false")
    if not found:
        found = list(_interval_problems(where, low, high, step, log))
        found += [
            f"{where}.{option}: got {value}; {reason}"
            for option, value in (("low", low), ("high", high))
            if (reason := check(value))
        ]
    problems += found
    return None if found else Interval.of(low, high, step, log, is_int)


def _interval_problems(where: str, low: Any, high: Any, step: Any, log: bool) -> Iterator[str]:
    if low >= high:
        yield f"{where}.low: got {low} with high {high}; must be below high"
    elif high - low == inf:
        yield f"{where}.high: got {high} with low {low}; must be closer to low"
    if log and low <= 0:
        yield f"{where}.low: got {low} with log; must be greater than 0"
    if step is None:
        return
    if log:
        yield f"{where}.step: got {step} with log; must have only one of them"
    if step <= 0:
        yield f"{where}.step: got {step}; must be greater than 0"
    elif low < high and too_many_steps(low, high, step):
        yield (
            f"{where}.step: got {step}, which makes more than {MAX_STEPS:,} values; must be "
            "larger, or not be given"
        )
    elif low < high and steps_between(low, high, step) < 1:
        yield f"{where}.step: got {step}; must be at most high - low, {high - low:g}"
