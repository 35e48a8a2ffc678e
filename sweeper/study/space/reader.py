"""Reads a search space from YAML; its syntax is in `sweeper.study.space.search_space`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.common.errors import ConfigError, closest, either
from sweeper.common.ranges import LARGEST, WIDTHS
from sweeper.study.space.conditions import SPACE, order_parameters
from sweeper.study.space.domain_reader import RANGE_OPTIONS, read_domain, too_many_choices
from sweeper.study.space.domains import Choices, Domain
from sweeper.study.space.keys import ANY_KEY, Key, SearchableKeys
from sweeper.study.space.parameters import (
    SHAPES,
    Conditions,
    Parameter,
    SingleParameter,
    TowersParameter,
)
from sweeper.study.space.search_space import SearchSpace

DOMAIN_OPTIONS = (*RANGE_OPTIONS, "choices")
OPTIONS = (*DOMAIN_OPTIONS, "towers", "sets", "when")
MAX_LAYERS = 100
TOWERS_OPTIONS = ("depth", "width", "shape")


def parse_space(space: Mapping[str, Any], keys: SearchableKeys) -> SearchSpace:
    """Reads `study.space`.

    Args:
      keys: the keys that may be searched.

    Raises:
      ConfigError: with a line for everything that is wrong.
    """
    parameters: list[Parameter] = []
    problems: list[str] = []
    unread = []
    for name, given in space.items():
        try:
            parameters.append(_read_parameter(name, given, keys))
        except ConfigError as error:
            problems += error.problems
            unread.append(name)
    if problems:
        raise ConfigError(problems + order_parameters(parameters, unread)[1])
    return SearchSpace(parameters)


def _read_parameter(name: str, given: Any, keys: SearchableKeys) -> Parameter:
    where = f"{SPACE}.{name}"
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: got {given!r}; must be a mapping, such as {{low: 0, high: 1}}")
    problems = _unknown_options(where, given, OPTIONS)
    key = _read_key(where, name, given, keys, problems)
    when = _read_when(f"{where}.when", given.get("when", {}), problems)
    parameter: Parameter | None = None
    if "towers" in given:
        problems += _towers_problems(where, key, given, keys)
        parameter = _read_towers(f"{where}.towers", name, key, when, given["towers"], problems)
    elif domain := read_domain(where, given, key.type, key.problem, problems):
        parameter = SingleParameter(name, key, domain, when=when)
    if problems or parameter is None:
        raise ConfigError(problems)
    return parameter


def _read_key(
    where: str,
    name: str,
    given: Mapping[str, Any],
    keys: SearchableKeys,
    problems: list[str],
) -> Key:
    try:
        return keys.find(str(given.get("sets", name)))
    except ConfigError as error:
        start = f"{where}.sets: got {given['sets']!r}, which" if "sets" in given else f"{where}:"
        problems += [f"{start} {problem}" for problem in error.problems]
    if problems[-1].endswith("is not a key of the configuration"):
        problems[-1] += "; must be one, or set one with sets: KEY"
    return ANY_KEY


def _read_when(where: str, given: Any, problems: list[str]) -> Conditions:
    if not isinstance(given, Mapping):
        problems.append(f"{where}: got {given!r}; must be a mapping, such as {{optimizer: adam}}")
        return {}
    when = {}
    for parent, values in given.items():
        when[parent] = tuple(values) if isinstance(values, list) else (values,)
        if not when[parent]:
            problems.append(f"{where}.{parent}: got []; must have at least one value")
    return when


def _towers_problems(
    where: str, key: Key, given: Mapping[str, Any], keys: SearchableKeys
) -> Iterator[str]:
    others = [option for option in DOMAIN_OPTIONS if option in given]
    if others:
        yield f"{where}: got towers and {', '.join(others)}; must have only towers"
    if key.range is not WIDTHS and key is not ANY_KEY:
        lists = either(keys.width_lists())
        yield f"{where}.towers: {key.name} is not a list of widths; must be {lists}"


def _read_towers(
    where: str, name: str, key: Key, when: Conditions, given: Any, problems: list[str]
) -> TowersParameter | None:
    if not isinstance(given, Mapping):
        problems.append(f"{where}: got {given!r}; must have {', '.join(TOWERS_OPTIONS)}")
        return None
    problems += _unknown_options(where, given, TOWERS_OPTIONS)
    missing = [option for option in TOWERS_OPTIONS if option not in given]
    problems += [f"{where}.{option}: is missing; must be given" for option in missing]
    if missing:
        return None
    depth = _read_sizes(f"{where}.depth", given["depth"], 0, MAX_LAYERS, problems)
    width = _read_sizes(f"{where}.width", given["width"], 1, LARGEST, problems)
    shapes = _read_shapes(f"{where}.shape", given["shape"], problems)
    if depth is None or width is None:
        return None
    return TowersParameter(name, key, depth, width, shapes, when=when)


def _read_sizes(
    where: str, given: Any, lowest: int, highest: int, problems: list[str]
) -> Domain | None:
    """Reads depths or widths: a range, choices, or a single value."""

    def check(value: Any) -> str:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole and value > highest:
            return f"must be a whole number of at most {highest:,}"
        return "" if whole and value >= lowest else f"must be a whole number of at least {lowest}"

    if isinstance(given, Mapping):
        problems += _unknown_options(where, given, DOMAIN_OPTIONS)
        domain = read_domain(where, given, int, check, problems)
        # Each of them may occur in each layer of each depth.
        problem = domain and too_many_choices(where, domain.values() or ())
        problems += [problem] if problem else []
        return None if problem else domain
    if wrong := check(given):
        problems.append(f"{where}: got {given!r}; {wrong}, or have low and high, or choices")
        return None
    return Choices.of([given])


def _read_shapes(where: str, given: Any, problems: list[str]) -> tuple[str, ...]:
    shapes = given if isinstance(given, list) else [given]
    for shape in shapes:
        if shape not in SHAPES:
            hint = closest(str(shape), SHAPES)
            problems.append(f"{where}: got {shape!r}; must be {either(SHAPES)}{hint}")
    if not shapes or len(set(map(str, shapes))) < len(shapes):
        problems.append(f"{where}: got {shapes}; must have at least one shape, each once")
    return tuple(shapes)


def _unknown_options(where: str, given: Mapping[str, Any], options: Sequence[str]) -> list[str]:
    """Returns a line for each unknown option."""
    return [
        f"{where}.{option}: is unknown; must be {either(options)}" + closest(str(option), options)
        for option in given
        if option not in options
    ]
