"""Reads Optuna's trials in the words of this package: states, values, reports, results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig

# The order of a leaderboard; only complete trials are ranked.
STATES = ("complete", "infeasible", "pruned", "running", "failed", "interrupted", "waiting")

# Keys of a trial's summary that version 0.2.0 renamed.
RENAMED = {"kept_epoch": "best_epoch"}


def objectives_of(study: optuna.Study) -> list[ObjectiveConfig]:
    """Returns the objectives of a study from its storage."""
    directions = [direction.name.lower() for direction in study.directions]
    names = study.metric_names or [f"value_{index}" for index in range(len(directions))]
    return [ObjectiveConfig(*pair) for pair in zip(names, directions, strict=True)]


def state_of(trial: FrozenTrial) -> str:
    """Returns the state of a trial, one of `STATES`."""
    if trial.state == TrialState.COMPLETE:
        # As in Optuna, a trial is feasible if no constraint is above zero.
        return "infeasible" if any(c > 0 for c in trial.constraints.values()) else "complete"
    if trial.state == TrialState.FAIL:
        return "interrupted" if trial.user_attrs.get(attributes.INTERRUPTED) else "failed"
    return trial.state.name.lower()


def last_report(trial: FrozenTrial) -> tuple[int, float] | None:
    """Returns step and value of the last report, or None; the step is the epoch or the seed."""
    if attributes.PROGRESS in trial.user_attrs:
        step, value, *_ = trial.user_attrs[attributes.PROGRESS]
        report = int(step), value
    elif trial.intermediate_values:
        step = max(trial.intermediate_values)
        report = step, trial.intermediate_values[step]
    else:
        return None
    # NaN can't be shown or sorted.
    return None if report[1] is None or math.isnan(report[1]) else report


def best_report(trial: FrozenTrial, direction: str) -> float | None:
    """Returns the best value that the trial has reported so far, or None."""
    reported = list(trial.intermediate_values.values())
    if attributes.PROGRESS in trial.user_attrs:
        reported = [trial.user_attrs[attributes.PROGRESS][-1]]
    numbers = [value for value in reported if value is not None and not math.isnan(value)]
    best = max if direction == "maximize" else min
    return best(numbers, default=None)


def values_of(trial: FrozenTrial) -> list[float]:
    """Returns the objective values of a complete trial, or the last report of another one."""
    if trial.values and not any(math.isnan(value) for value in trial.values):
        return list(trial.values)
    report = last_report(trial)
    return [report[1]] if report else []


def result_of(trial: FrozenTrial) -> dict[str, Any]:
    """Returns the summary of the trial's record; empty if the trial ended before it had one."""
    result = with_new_names(trial.user_attrs.get(attributes.RESULT) or {})
    if result.get("seeds"):
        result["seeds"] = [with_new_names(seed) for seed in result["seeds"]]
    return result


def with_new_names(result: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a summary that version 0.1.0 stored, with the present names of its keys."""
    return {RENAMED.get(key, key): value for key, value in result.items()}


def losses(values: Iterable[float], objectives: Sequence[ObjectiveConfig]) -> tuple[float, ...]:
    """Negates maximized values, so that less is better; values may be fewer than objectives."""
    return tuple(
        -value if objective.direction == "maximize" else value
        for value, objective in zip(values, objectives, strict=False)
    )
