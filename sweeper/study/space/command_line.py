"""Reads Hydra's sweeps on the command line as parameters of a study.

The whole grammar is supported: `a,b`, `choice()`, `range()`, `interval()` and `glob()`, with
`sort()`, `shuffle()`, `tag(log, …)` and the casts. A single value for a key that the YAML
searches narrows the search to that value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
    Sweep,
)

from sweeper.common.errors import ConfigError
from sweeper.study.space.domain_reader import choice_problems, read_domain, too_many_choices
from sweeper.study.space.domains import MAX_STEPS, Choices, Domain
from sweeper.study.space.keys import Key, SearchableKeys, to_text
from sweeper.study.space.parameters import Parameter, SingleParameter


def command_line_parameters(
    overrides: Sequence[Override], keys: SearchableKeys, searched_keys: Collection[str] = ()
) -> tuple[list[Parameter], list[str]]:
    """Returns the searched parameters of the command line, and the texts of all other overrides.

    Args:
      overrides: the overrides, parsed with a config loader that knows config groups and `glob()`.
      keys: the keys that may be searched.
      searched_keys: the keys that `study.space` searches. A single value for one of them becomes
        a parameter with one choice, since suggested values would replace a fixed override.

    Raises:
      ConfigError: with a line for everything that is wrong.
    """
    parameters: list[Parameter] = []
    fixed, problems = [], []
    for override in overrides:
        narrows = override.key_or_group in searched_keys and not override.is_delete()
        if not override.is_sweep_override() and not narrows:
            fixed.append(str(override.input_line))
            continue
        try:
            parameters.append(_parameter(override, keys))
        except ConfigError as error:
            problems += error.problems
    names = [parameter.name for parameter in parameters]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            problems.append(f"{name}: is given twice; must be given once")
    if problems:
        raise ConfigError(problems)
    return parameters, fixed


def _parameter(override: Override, keys: SearchableKeys) -> Parameter:
    name = override.key_or_group
    loader = override.config_loader
    options = loader.get_group_options(name) if loader else []
    keys = replace(keys, groups={name: options} if options else {})
    try:
        key = keys.find(name, is_command_line=True)
    except ConfigError as error:
        raise ConfigError(f"{name}: {problem}" for problem in error.problems) from error
    key = replace(key, element=override.get_key_element())
    problems: list[str] = []
    domain = _domain(override, key, problems)
    if problems or domain is None:
        raise ConfigError(problems)
    return SingleParameter(name, key, domain)


def _domain(override: Override, key: Key, problems: list[str]) -> Domain | None:
    sweep = override.value()
    tags = sweep.tags if isinstance(sweep, Sweep) else set()
    unknown = tags - ({"log"} if isinstance(sweep, IntervalSweep) else set())
    if unknown:
        problems.append(
            f"{key.name}: got tag {', '.join(sorted(unknown))}; must be log, for an interval"
        )
    if isinstance(sweep, IntervalSweep):
        return _interval(sweep, "log" in tags, key, problems)
    if isinstance(sweep, RangeSweep):
        values = _range_values(sweep, key)
        if len(values) > 1 and values[0] < values[-1] and not sweep.shuffle:
            return _stepped(values, sweep, key, problems)
        texts = [to_text(value) for value in values]
    else:
        texts = _choice_texts(override)
    if getattr(sweep, "shuffle", False):
        # The order is the same at every start, so that a resumed study has the same space.
        Random(0).shuffle(texts)
    return _choices(texts, key, problems)


def _interval(sweep: IntervalSweep, log: bool, key: Key, problems: list[str]) -> Domain | None:
    ends: dict[str, Any] = {"low": sweep.start, "high": sweep.end}
    if key.type is int:
        # Hydra converts the ends to floats; `int()` around the interval converts them back.
        ends = {name: int(end) if float(end).is_integer() else end for name, end in ends.items()}
    value_type = _value_type(list(ends.values()), key)
    return read_domain(key.name, {**ends, "log": log}, value_type, key.problem, problems)


def _stepped(values: list[Any], sweep: RangeSweep, key: Key, problems: list[str]) -> Domain | None:
    ends = {"low": values[0], "high": values[-1], "step": sweep.step}
    value_type = _value_type(list(ends.values()), key)
    return read_domain(key.name, ends, value_type, key.problem, problems)


def _value_type(numbers: Sequence[Any], key: Key) -> Any:
    """Returns int if all numbers are ints and the key's type is float, otherwise the key's type."""
    return int if key.type is float and all(type(each) is int for each in numbers) else key.type


def _range_values(sweep: RangeSweep, key: Key) -> list[Any]:
    """Returns the values of `range()` without its stop, computed in decimals as written.

    Raises:
      ConfigError: there are infinitely many values, or too many.
    """
    numbers = (
        sweep.start or 0,
        sweep.stop or 0,
        sweep.step,
    )  # Hydra always sets both, although their types don't say so.
    if not all(-math.inf < number < math.inf for number in numbers) or sweep.step == 0:
        raise ConfigError(
            f"{key.name}: got range({', '.join(map(str, numbers))}); must have finite "
            "numbers, and a step other than 0"
        )
    start, stop, step = (Decimal(repr(number)) for number in numbers)
    count = math.ceil((stop - start) / step)
    if count > MAX_STEPS:
        raise ConfigError(
            f"{key.name}: has {Decimal(count):.3g} values; must have at most {MAX_STEPS:,}, or be "
            "an interval"
        )
    number = int if all(isinstance(each, int) for each in numbers) else float
    return [number(start + index * step) for index in range(count)]


def _choice_texts(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    value = override.value()
    if isinstance(value, ChoiceSweep):
        override = replace(override, _value=replace(value, shuffle=False))
    return list(override.sweep_string_iterator())


def _choices(texts: list[str], key: Key, problems: list[str]) -> Domain | None:
    if not texts:
        problems.append(f"{key.name}: got no value; must have at least one")
        return None
    if problem := too_many_choices(key.name, texts):
        problems.append(problem)
        return None
    parser = OverridesParser.create()
    given = tuple(parser.parse_override(f"{key.name}={text}").value() for text in texts)
    choices = Choices(given, tuple(texts))
    problems += choice_problems(key.name, choices, key.problem)
    return choices
