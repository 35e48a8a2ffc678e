"""The search space of a study.

`study.space` maps each parameter to its values and to the conditions under which it is active:

    model.dropout: {low: 0.0, high: 0.5, step: 0.1}
    optimizer: {choices: [adagrad, adam]}
    adam_learning_rate:
      {sets: optimizer.learning_rate, low: 1e-4, high: 1e-2, log: true, when: {optimizer: adam}}
    model.layer_sizes:
      towers: {depth: {low: 1, high: 3}, width: {choices: [32, 64]}, shape: [constant, free]}

A parameter's name is the key that it sets, unless `sets` names another. Its values are `choices`,
or a range from `low` to `high`, both included, with `step` or `log`. Numbers are whole if the
key's type is int; a key without a type (`optimizer.options.…`) has whole numbers if all given
numbers are whole. `when` maps other parameters to the value or the list of values under which
this one is active; all of these conditions have to hold. The parts of towers, such as
`model.layer_sizes.depth` and `.shape`, are parameters too; `TowersParameter` describes the
shapes.
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
# Counting stops here, since a larger grid is refused.
MAX_COUNTED = MAX_GRID + 1


class SearchSpace:
    """The parameters of a study, in the order in which they are suggested.

    Attributes:
      names: the names of all dimensions that Optuna may suggest.
      keys: the keys and config groups that the parameters set.
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
        """Lets Optuna suggest the active parameters, and returns their values by name."""
        values: dict[str, Any] = {}
        for dimension in self._dimensions:
            if holds(dimension.when, values):
                values[dimension.name] = dimension.domain.suggest(trial, dimension.name)
        return values

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """Returns the Hydra overrides for suggested values, config groups first.

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
        """Returns a user's values, by parameter or by key, as Optuna stores them.

        Args:
          where: the key to name in errors: "study.enqueue[2]".

        Raises:
          ConfigError: with a line for each value that the space doesn't have.
        """
        return EnqueueEncoder(self.parameters).encode(given, where)

    def points(self) -> Iterator[dict[str, Any]]:
        """Yields the values of each configuration once; the first parameter changes slowest."""
        if self.continuous():
            raise ValueError(f"{', '.join(self.continuous())}: a continuous range has no points")
        points = self._points(0, {})
        # Only with parts of towers can several points mean the same configuration.
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
        """Returns the number of points, or None if a range is continuous.

        Counting stops after `MAX_COUNTED` groups of points.
        """
        if self.continuous():
            return None
        parents = {parent for parameter in self.parameters for parent in parameter.when}
        if parents <= {parameter.name for parameter in self.parameters}:
            return sum(islice(self._sizes(parents, 0, {}, 1), MAX_COUNTED))
        # With conditions on parts of towers, only a list shows which points mean the same.
        return sum(1 for _ in islice(self.points(), MAX_COUNTED))

    def _sizes(
        self, parents: set[str], index: int, known: dict[str, Any], size: int
    ) -> Iterator[int]:
        """Yields the sizes of groups of points that differ only in values without conditions."""
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
        """Yields the first of the points that mean the same configuration."""
        seen: set[tuple[str, ...]] = set()
        for values in points:
            overrides = tuple(self._overrides(values))
            if overrides not in seen:
                seen.add(overrides)
                yield values

    def continuous(self) -> list[str]:
        """Returns the names of dimensions whose values can't be listed."""
        return [each.name for each in self._dimensions if each.domain.values() is None]

    def unconditional_ranges(self) -> list[str]:
        """Returns the names of the ranges of numbers that every trial has."""
        return [
            each.name
            for each in self._dimensions
            if not each.when and isinstance(each.domain, Interval)
        ]

    def extremes(self) -> Iterator[dict[str, Any]]:
        """Yields configurations that cover both ends of each range and each choice.

        Each differs from the first in one value, and in the values of its ancestors if it
        requires them. Each configuration is yielded once.
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
        """Returns plain JSON that is the same for the same space, however it was written."""
        return {
            parameter.name: {
                "sets": parameter.key.element,
                "when": {name: list(values) for name, values in sorted(parameter.when.items())},
                **parameter.describe(),
            }
            for parameter in sorted(self.parameters, key=lambda parameter: parameter.name)
        }

    def replaced(self, others: Sequence[Parameter]) -> SearchSpace:
        """Returns the space with these parameters of the command line.

        They replace all parameters that set the same keys. If they replace a single one, they
        take its name, so that conditions on it remain valid. A parameter that is never active any
        more, because its parent has fewer values now, is removed.
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
