"""Encodes parameter sets that a user enqueues as the values that Optuna stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.common.errors import ConfigError, closest_key, either
from sweeper.study.space.conditions import dimensions_of, requirements_of
from sweeper.study.space.parameters import Parameter, SingleParameter


class EnqueueEncoder:
    """Encodes values that a user names by parameter, by key or by part of the towers.

    Args:
      parameters: the parameters of a search space, parents first.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._names = [dimension.name for dimension in dimensions_of(parameters)]
        self._requirements = requirements_of(parameters)
        self._targets = _targets(parameters)

    def encode(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Returns the encoded values; see `SearchSpace.encode`."""
        known: dict[str, Any] = {}
        problems = []
        for name in sorted(given, key=self._order):
            try:
                known |= self._encode_one(name, given[name], known)
            except ConfigError as error:
                problems += [f"{where}.{name}: {problem}" for problem in error.problems]
        if problems:
            raise ConfigError(problems)
        return known

    def _order(self, name: str) -> int:
        """Returns a sort key by which parents come first, so that the active names are known."""
        return max(
            (self._names.index(_first_name(target)) for target in self._targets.get(name, ())),
            default=len(self._names),
        )

    def _encode_one(self, name: str, value: Any, known: Mapping[str, Any]) -> dict[str, Any]:
        targets = self._targets.get(name)
        if not targets:
            raise ConfigError(f"is not searched{closest_key(name, self._targets)}")
        reasons = [self._reason_against(target, known) for target in targets]
        possible = [target for target, reason in zip(targets, reasons, strict=True) if not reason]
        if not possible:
            raise ConfigError(f"got {value!r}, which has no effect where {reasons[0]}")
        named = [target for target in possible if target.name == name]
        if len(possible) > 1 and not named:
            names = either([target.name for target in possible])
            raise ConfigError(
                f"got {value!r}; must be given as {names}, since each of them sets it"
            )
        target = [*named, *possible][0]
        try:
            return target.encode(value)
        except ValueError as error:
            raise ConfigError(f"got {value!r}; {error}") from None

    def _reason_against(self, parameter: Parameter, known: Mapping[str, Any]) -> str:
        """Returns the known value that makes a parameter inactive, "optimizer is 'sgd'", or ""."""
        for parent, allowed in self._requirements[_first_name(parameter)].items():
            if parent in known and known[parent] not in allowed:
                return f"{parent} is {known[parent]!r}"
        return ""


def _first_name(parameter: Parameter) -> str:
    return parameter.dimensions()[0].name


def _targets(parameters: Sequence[Parameter]) -> dict[str, list[Parameter]]:
    """Returns the parameters that a name may mean: of its name, key, or part of the towers."""
    targets: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        for name in dict.fromkeys((parameter.name, parameter.key.name)):
            targets.setdefault(name, []).append(parameter)
        for part in parameter.dimensions():
            if part.name != parameter.name:
                alone = SingleParameter(part.name, parameter.key, part.domain, when=part.when)
                targets.setdefault(part.name, []).append(alone)
    return targets
