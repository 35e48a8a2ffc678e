"""Parameter sets that a new study tries first: named ones, and an earlier study's best."""

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
    """`study.enqueue`, then the best of `study.warm_start`; and what there is to say of it.

    Of each set, the values that this study searches are kept; the sampler chooses the
    others. An earlier study's figures are not taken over, since its data, splits or epochs
    may have been others: its best configurations are trained again, under this protocol.

    Raises:
      ConfigError: no earlier study, or one that shares nothing with this.
    """
    named, remarks = enqueued_params(plan)
    if not plan.study.warm_start:
        return named, remarks
    directory = Path(plan.study.warm_start).expanduser()
    earlier = _best_params(directory, plan.study.warm_start_trials)
    shared = [_params_in_space(given, plan.space, {}) for given in earlier]
    if not any(shared):
        raise ConfigError(
            f"study.warm_start: no trial of {directory} has parameters that this study "
            f"searches ({', '.join(plan.space.names)}), with values within its ranges"
        )
    remark = f"the best {len(shared)} of {directory} first: {_coverage_note(shared, earlier)}"
    return named + shared, [*remarks, remark]


def enqueued_params(plan: Plan) -> tuple[list[dict[str, Any]], list[str]]:
    """The sets of `study.enqueue` as this study searches them, and what there is to say."""
    # The command line may have narrowed what the YAML names.
    keys = {parameter.name: parameter.key.name for parameter in plan.yaml_space.parameters}
    given = [
        plan.yaml_space.encode(values, f"study.enqueue[{index}]")
        for index, values in enumerate(plan.study.enqueue)
    ]
    named = [_params_in_space(values, plan.space, keys) for values in given]
    return named, [] if named == given else [f"study.enqueue: {_coverage_note(named, given)}"]


def _best_params(directory: Path, number: int) -> list[dict[str, Any]]:
    """The parameters of an earlier study's best trials.

    Raises:
      ConfigError: the directory holds no study, or its database is damaged or locked.
    """
    try:
        study = load_study(directory, check=True)
    except OutputError as error:
        raise ConfigError(f"study.warm_start: {error}") from error
    return [row.params for row in leaderboard_rows(study) if row.rank is not None][:number]


def _params_in_space(
    given: Mapping[str, Any], space: SearchSpace, keys: Mapping[str, str]
) -> dict[str, Any]:
    """Those of the values that a space has, under their names or the keys that they set."""
    known: dict[str, Any] = {}
    for name, value in given.items():
        for candidate in dict.fromkeys([name, keys.get(name, name)]):
            with suppress(ConfigError):
                known |= space.encode({**known, candidate: value}, "")
                break
    return known


def _coverage_note(kept: list[dict[str, Any]], given: list[dict[str, Any]]) -> str:
    numbers = f"{sum(map(len, kept))} of {sum(map(len, given))} values are in the space"
    return f"{numbers}; the sampler chooses the others"
