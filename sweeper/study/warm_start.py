"""Parameter sets that a study tries first: enqueued sets, and the best of an earlier study."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeper.common.errors import ConfigError, OutputError
from sweeper.study.outputs.leaderboard import leaderboard_rows
from sweeper.study.plan import Plan
from sweeper.study.space.search_space import SearchSpace
from sweeper.study.storage.factory import load_study


def initial_params(plan: Plan) -> tuple[list[dict[str, Any]], list[str]]:
    """Returns the sets of `study.enqueue`, then the best of `study.warm_start`, and lines to print.

    Each set keeps the values that are in this study's space; the sampler chooses the others. The
    results of an earlier study are not reused, since its data, splits or epochs may differ: its
    best configurations are trained again under the protocol of this study.

    Raises:
      ConfigError: there is no earlier study, or none of its values is in this study's space.
    """
    enqueued, remarks = enqueued_params(plan)
    if not plan.study.warm_start:
        return enqueued, remarks
    directory = Path(plan.study.warm_start).expanduser()
    earlier = _best_params(directory, plan.study.warm_start_trials)
    shared = [_params_in_space(given, plan.space, {}) for given in earlier]
    if not any(shared):
        raise ConfigError(
            f"study.warm_start: no trial of {directory} has a value of a parameter that this study "
            f"searches ({', '.join(plan.space.names)}) within its range"
        )
    note = _coverage_note(shared, earlier)
    remark = f"the best {len(shared)} trials of {directory} are tried first: {note}"
    return enqueued + shared, [*remarks, remark]


def enqueued_params(plan: Plan) -> tuple[list[dict[str, Any]], list[str]]:
    """Returns the sets of `study.enqueue` in this study's space, and lines to print."""
    # The command line may have changed the parameters that the YAML names.
    keys = {parameter.name: parameter.key.name for parameter in plan.yaml_space.parameters}
    given = [
        plan.yaml_space.encode(values, f"study.enqueue[{index}]")
        for index, values in enumerate(plan.study.enqueue)
    ]
    enqueued = [_params_in_space(values, plan.space, keys) for values in given]
    return enqueued, [] if enqueued == given else [
        f"study.enqueue: {_coverage_note(enqueued, given)}"
    ]


def _best_params(directory: Path, number: int) -> list[dict[str, Any]]:
    """Returns the parameters of the best trials of an earlier study.

    Raises:
      ConfigError: the directory holds no study, or its database is damaged or locked.
    """
    try:
        study = load_study(directory, check=True)
    except OutputError as error:
        raise ConfigError(f"study.warm_start: {error}") from error
    return [entry.params for entry in leaderboard_rows(study) if entry.rank is not None][:number]


def _params_in_space(
    given: Mapping[str, Any], space: SearchSpace, keys: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the values that a space has, under their names or under the keys that they set."""
    known: dict[str, Any] = {}
    for name, value in given.items():
        for candidate in dict.fromkeys([name, keys.get(name, name)]):
            with suppress(ConfigError):
                known |= space.encode({**known, candidate: value}, "")
                break
    return known


def _coverage_note(kept: list[dict[str, Any]], given: list[dict[str, Any]]) -> str:
    """Describes how many of the given values are in the space."""
    numbers = f"{sum(map(len, kept))} of {sum(map(len, given))} values are in the space"
    return f"{numbers}; the sampler chooses the others"
