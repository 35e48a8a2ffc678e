"""Conditions on parameters: checks them, and orders parameters so that parents come first."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeper.common.errors import ConfigError, closest_key
from sweeper.study.space.domains import Domain
from sweeper.study.space.parameters import Conditions, Dimension, Parameter

SPACE = "study.space"

# By dimension: the values of all its ancestors under which it is active.
Requirements = Mapping[str, Conditions]


def dimensions_of(parameters: Iterable[Parameter]) -> list[Dimension]:
    """Returns all dimensions that Optuna may suggest, in order."""
    return [dimension for parameter in parameters for dimension in parameter.dimensions()]


def holds(when: Conditions, values: Mapping[str, Any]) -> bool:
    """Returns whether all conditions hold; a condition on a missing value does not."""
    return all(name in values and values[name] in allowed for name, allowed in when.items())


def order_parameters(
    parameters: Sequence[Parameter], unread: Sequence[str] = ()
) -> tuple[list[Parameter], list[str]]:
    """Orders parameters so that parents come first, and converts conditions to Optuna's values.

    Args:
      unread: the names of parameters with an error of their own; conditions on them are ignored.

    Returns:
      The parameters, and a line for each problem of their conditions.
    """
    dimensions = dimensions_of(parameters)
    names = [dimension.name for dimension in dimensions]
    problems = [
        f"{SPACE}.{name}: is the name of two parameters; must be unique"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    domains = {dimension.name: dimension.domain for dimension in dimensions}
    encoded = [
        replace(parameter, when=_encoded(parameter, domains, unread, problems))
        for parameter in parameters
    ]
    if problems:
        return [], problems
    try:
        ordered = _ordered(encoded)
    except ConfigError as error:
        return [], error.problems
    requirements = requirements_of(ordered)
    return ordered, [*_never_active(ordered, requirements), *_same_key(ordered, requirements)]


def _encoded(
    parameter: Parameter,
    domains: Mapping[str, Domain],
    unread: Sequence[str],
    problems: list[str],
) -> Conditions:
    """Returns a parameter's conditions in Optuna's values; adds problems to `problems`."""
    when = {}
    for parent, values in parameter.when.items():
        where = f"{SPACE}.{parameter.name}.when.{parent}"
        if parent in domains:
            when[parent] = _encoded_values(where, parent, values, domains[parent], problems)
        elif not any(f"{parent}.".startswith(f"{name}.") for name in unread):
            line = f"{where}: is not searched; must be a parameter of {SPACE}"
            problems.append(line + closest_key(str(parent), domains))
    return when


def _encoded_values(
    where: str, parent: str, values: Sequence[Any], domain: Domain, problems: list[str]
) -> tuple[Any, ...]:
    if domain.values() is None:
        problems.append(f"{where}: has a continuous range; must have a step or choices")
        return ()
    encoded = []
    for value in values:
        try:
            encoded.append(domain.encode(value))
        except ValueError as error:
            problems.append(f"{where}: got {value!r}, which is not a value of {parent}; {error}")
    return tuple(encoded)


def _ordered(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Returns each parameter after those that its conditions name, otherwise in the given order."""
    owners = {
        part.name: parameter.name for parameter in parameters for part in parameter.dimensions()
    }
    waiting = {parameter.name: parameter for parameter in parameters}
    ordered = []
    while waiting:
        parents = {
            name: [owners[parent] for parent in parameter.when if owners[parent] in waiting]
            for name, parameter in waiting.items()
        }
        ready = next((name for name in waiting if not parents[name]), None)
        if ready is None:
            circle = _circle(parents)
            raise ConfigError(
                f"{SPACE}.{circle[0]}.when: is circular: {' -> '.join(circle)}; "
                "must end in a parameter without conditions"
            )
        ordered.append(waiting.pop(ready))
    return ordered


def _circle(parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns a circle of names, given that each name has a parent among them."""
    path = [next(iter(parents))]
    while path[-1] not in path[:-1]:
        path.append(parents[path[-1]][0])
    return path[path.index(path[-1]) :]


def requirements_of(parameters: Iterable[Parameter]) -> Requirements:
    """Returns the requirements of parameters whose parents come first."""
    requirements: dict[str, Conditions] = {}
    for dimension in dimensions_of(parameters):
        merged: dict[str, tuple[Any, ...]] = {}
        for parent, values in dimension.when.items():
            for name, allowed in [(parent, values), *requirements[parent].items()]:
                both = merged.get(name, allowed)
                merged[name] = tuple(value for value in both if value in allowed)
        requirements[dimension.name] = merged
    return requirements


def _never_active(parameters: Sequence[Parameter], requirements: Requirements) -> Iterator[str]:
    for parameter in parameters:
        for dimension in parameter.dimensions():
            empty = [name for name, values in requirements[dimension.name].items() if not values]
            if empty:
                yield (
                    f"{SPACE}.{parameter.name}.when: never holds, because its conditions require "
                    f"different values of {empty[0]}; must allow a common value"
                )
                break


def _same_key(parameters: Sequence[Parameter], requirements: Requirements) -> Iterator[str]:
    for first, second in itertools.combinations(parameters, 2):
        if first.key.name != second.key.name:
            continue
        ours, theirs = (requirements[each.dimensions()[0].name] for each in (first, second))
        if all(set(ours[name]) & set(theirs[name]) for name in set(ours) & set(theirs)):
            yield (
                f"{SPACE}.{second.name}: sets {second.key.name}, which {first.name} also sets; "
                "must be active only where the other is not (give both a when with different "
                "values of one parameter)"
            )
