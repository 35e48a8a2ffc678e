"""The search space of a study.

`study.space` has, by parameter, its values and when it is active:

    model.dropout: {low: 0.0, high: 0.5, step: 0.1}
    optimizer: {choices: [adagrad, adam]}
    adam_learning_rate:
      {sets: optimizer.learning_rate, low: 1e-4, high: 1e-2, log: true, when: {optimizer: adam}}
    model.layer_sizes:
      towers: {depth: {low: 1, high: 3}, width: {choices: [32, 64]}, shape: [constant, free]}

A parameter's name is the key that it sets, unless `sets` names another. Its values
are `choices`, or go from `low` to `high`, both included, with `step` or `log`.
Numbers are whole where the key's are; a key without a type (`optimizer.options.…`)
takes whole numbers where all that are given are whole. `when` has, by parameter,
the value or the list of values under which this one is active; several all have to
hold. The parts of towers are parameters too, `model.layer_sizes.depth` and `.shape`
among them; for what the shapes are, see `TowersParameter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sweeper.common.errors import ConfigError
from sweeper.study.space.conditions import dimensions_of, holds, order_parameters, requirements_of
from sweeper.study.space.domains import Domain, Interval
from sweeper.study.space.enqueue_encoder import EnqueueEncoder
from sweeper.study.space.parameters import Parameter

if TYPE_CHECKING:
    import optuna

MAX_GRID = 100_000
# Of a larger one, no more than that it is larger.
MAX_COUNTED = MAX_GRID + 1


class SearchSpace:
    """The parameters of a study, in the order in which they are suggested.

    Attributes:
      names: every name that Optuna may see.
      keys: every key or config group that is set.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        ordered, problems = order_parameters(parameters)
        if problems:
            raise ConfigError(problems)
        self.parameters = tuple(ordered)
        self._dimensions = dimensions_of(ordered)
        self._requirements = requirements_of(ordered)
        self.names = [dimension.name for dimension in self._dimensions]
        self.keys = list(dict.fromkeys(parameter.key.name for parameter in ordered))

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Has Optuna suggest the active parameters; returns their values by name."""
        values: dict[str, Any] = {}
        for dimension in self._dimensions:
            if holds(dimension.when, values):
                values[dimension.name] = dimension.domain.suggest(trial, dimension.name)
        return values

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The Hydra overrides for suggested values, config groups first.

        Values of parameters that are not active are ignored.
        """
        active: dict[str, Any] = {}
        for dimension in self._dimensions:
            if dimension.name in values and holds(dimension.when, active):
                active[dimension.name] = dimension.domain.encode(values[dimension.name])
        return self._overrides(active)

    def _overrides(self, values: Mapping[str, Any]) -> list[str]:
        groups: list[str] = []
        others: list[str] = []
        for parameter in self.parameters:
            text = parameter.text(values)
            if text is not None:
                overrides = others if parameter.key.options is None else groups
                overrides.append(f"{parameter.key.element}={text}")
        return groups + others

    def encode(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """A user's values, by parameter or by key, as the values that Optuna has.

        Args:
          where: for errors, where they stand: "study.enqueue[2]".

        Raises:
          ConfigError: with a line for every value that the space doesn't have.
        """
        return EnqueueEncoder(self.parameters).encode(given, where)

    def points(self) -> Iterator[dict[str, Any]]:
        """The values of every configuration, each once; the first parameter's change slowest."""
        if self.continuous():
            raise ValueError(f"{', '.join(self.continuous())}: a continuous range has no points")
        points = self._points(0, {})
        # Only the parts of towers can mean the same configuration as others do.
        alone = all(len(parameter.dimensions()) == 1 for parameter in self.parameters)
        yield from points if alone else self._distinct(points)

    def _points(self, index: int, known: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if index == len(self._dimensions):
            yield known
            return
        dimension = self._dimensions[index]
        if not holds(dimension.when, known):
            yield from self._points(index + 1, known)
            return
        for value in dimension.domain.values() or ():
            yield from self._points(index + 1, {**known, dimension.name: value})

    def size(self) -> int | None:
        """How many points there are; None where a range is continuous.

        Where more than `MAX_COUNTED` groups of them have to be counted, as many as have been.
        """
        if self.continuous():
            return None
        parents = {parent for parameter in self.parameters for parent in parameter.when}
        if parents <= {parameter.name for parameter in self.parameters}:
            return sum(islice(self._sizes(parents, 0, {}, 1), MAX_COUNTED))
        # Under conditions on parts of towers, which of them mean the same shows in a list only.
        return sum(1 for _ in islice(self.points(), MAX_COUNTED))

    def _sizes(
        self, parents: set[str], index: int, known: dict[str, Any], size: int
    ) -> Iterator[int]:
        """Counts without listing: only values that conditions go by are told apart."""
        if index == len(self.parameters):
            yield size
            return
        parameter = self.parameters[index]
        if not holds(parameter.when, known):
            yield from self._sizes(parents, index + 1, known, size)
        elif parameter.name not in parents:
            yield from self._sizes(parents, index + 1, known, size * parameter.size())
        else:
            for dimension in parameter.dimensions():
                for value in dimension.domain.values() or ():
                    inner = {**known, parameter.name: value}
                    yield from self._sizes(parents, index + 1, inner, size)

    def _distinct(self, points: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The first of those that mean the same configuration."""
        seen: set[tuple[str, ...]] = set()
        for values in points:
            overrides = tuple(self._overrides(values))
            if overrides not in seen:
                seen.add(overrides)
                yield values

    def continuous(self) -> list[str]:
        """The names whose values can't be listed."""
        return [each.name for each in self._dimensions if each.domain.values() is None]

    def unconditional_ranges(self) -> list[str]:
        """The names of the ranges of numbers that every trial has."""
        return [
            each.name
            for each in self._dimensions
            if not each.when and isinstance(each.domain, Interval)
        ]

    def extremes(self) -> Iterator[dict[str, Any]]:
        """Configurations that together have each parameter's lowest, highest and every choice.

        One value at a time is changed from the first of all, and its ancestors as far
        as it needs them. Each configuration is there once.
        """
        return self._distinct([self._completed({}), *self._one_changed()])

    def _one_changed(self) -> Iterator[dict[str, Any]]:
        for dimension in self._dimensions:
            needed = self._requirements[dimension.name].items()
            ancestors = {parent: allowed[0] for parent, allowed in needed}
            for value in dimension.domain.extremes():
                yield self._completed({**ancestors, dimension.name: value})

    def _completed(self, fixed: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for dimension in self._dimensions:
            if holds(dimension.when, values):
                first = dimension.domain.extremes()[0]
                values[dimension.name] = fixed.get(dimension.name, first)
        return values

    def describe(self) -> dict[str, Any]:
        """Plain JSON, the same for the same space however it was written."""
        return {
            parameter.name: {
                "sets": parameter.key.element,
                "when": {name: list(values) for name, values in sorted(parameter.when.items())},
                **parameter.describe(),
            }
            for parameter in sorted(self.parameters, key=lambda parameter: parameter.name)
        }

    def replaced(self, others: Sequence[Parameter]) -> SearchSpace:
        """The space with these parameters of the command line.

        They take the place of all that set the same keys, and the name where there is one
        such, so that conditions on it stay. A parameter that is never active any more,
        since its parent has fewer values now, is left out.
        """
        others = [self._renamed(other) for other in others]
        keys = {other.key.name for other in others}
        domains = {dimension.name: dimension.domain for dimension in dimensions_of(others)}
        kept: list[Parameter] = []
        gone: set[str] = set()
        for parameter in self.parameters:
            if parameter.key.name in keys:
                continue
            when = {
                name: _values_in_domain(values, domains.get(name))
                for name, values in parameter.when.items()
            }
            if all(when.values()) and not gone & set(when):
                kept.append(replace(parameter, when=when))
            else:
                gone |= {dimension.name for dimension in parameter.dimensions()}
        return SearchSpace([*kept, *others])

    def _renamed(self, other: Parameter) -> Parameter:
        names = [each.name for each in self.parameters if each.key.name == other.key.name]
        return replace(other, name=names[0]) if len(names) == 1 else other


def _values_in_domain(values: tuple[Any, ...], domain: Domain | None) -> tuple[Any, ...]:
    return values if domain is None else tuple(value for value in values if domain.has(value))
