"""Ranks the trials of a study and writes `leaderboard.csv`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from sweeper.common.output_files import atomic_write
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.number_formats import number_text
from sweeper.study.outputs.trial_states import (
    STATES,
    losses,
    objectives_of,
    result_of,
    state_of,
    values_of,
)

LEADERBOARD = "leaderboard.csv"


@dataclass
class Row:
    """One trial of the leaderboard.

    Attributes:
      number: the number of the trial.
      state: one of `sweeper.study.outputs.trial_states.STATES`.
      rank: 1 is the best; with several objectives the number of the trial's front, where 1 is
        the Pareto set. None unless the trial is complete and feasible.
      directory: the trial's directory, relative to the study's directory.
      params: the searched parameters.
      values: the values by objective. Other trials than complete ones have their last reported
        value; the list is empty if they reported none.
      result: see `sweeper.study.attributes.RESULT`; may be empty.
      reference: the name of the study's reference, a model trained beside the trials, among the
        baselines of `result`; None if there is none.
      overrides: the overrides that were searched.
      seconds: the wall time; None until the trial has ended.
      retry_of: the number of the trial that this trial runs again, if any.
      reason: why the trial failed or was interrupted.
    """

    number: int
    state: str
    rank: int | None = None
    directory: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None
    overrides: list[str] = field(default_factory=list)
    seconds: float | None = None
    retry_of: int | None = None
    reason: str | None = None


def leaderboard_rows(study: optuna.Study) -> list[Row]:
    """Returns all trials, by state in the order of `STATES`, so that complete ones come first.

    Complete, infeasible and pruned trials are sorted from best to worst. With several
    objectives, complete trials are sorted by front, then by the first objective. The study's
    reference is among the baselines of each trial.
    """
    objectives = objectives_of(study)
    reference = study.user_attrs.get(attributes.REFERENCE)
    rows = [_row(trial, reference) for trial in study.get_trials(deepcopy=False)]
    complete = [row for row in rows if row.state == "complete"]
    if len(objectives) > 1:
        minimized = np.array([losses(row.values, objectives) for row in complete])
        for row, front in zip(complete, _fronts(minimized), strict=True):
            row.rank = int(front)

    def sort_key(row: Row) -> tuple[float, ...]:
        own = losses(row.values[:1], objectives) or (math.inf,)
        valued = row.state in ("complete", "infeasible", "pruned")
        return STATES.index(row.state), row.rank or 0, *(own if valued else ()), row.number

    rows.sort(key=sort_key)
    if len(objectives) == 1:
        for rank, row in enumerate(rows[: len(complete)], start=1):
            row.rank = rank
    return rows


def _row(trial: FrozenTrial, reference: dict[str, Any] | None) -> Row:
    result = result_of(trial)
    if reference and not result.get("baselines"):
        reference = None
    if reference:
        baselines = {**result["baselines"], reference["name"]: reference["metrics"]}
        result = {**result, "baselines": baselines}
    duration = trial.user_attrs.get(attributes.DURATION)
    if duration is None and trial.state.is_finished() and trial.duration is not None:
        duration = trial.duration.total_seconds()
        # The clock may have been changed while the trial ran.
        duration = None if duration < 0 else round(duration, 1)
    return Row(
        number=trial.number,
        state=state_of(trial),
        directory=trial.user_attrs.get(attributes.DIRECTORY),
        params=trial.params or trial.system_attrs.get("fixed_params", {}),
        values=values_of(trial),
        result=result,
        reference=reference["name"] if reference else None,
        overrides=trial.user_attrs.get(attributes.OVERRIDES, []),
        seconds=result.get("seconds", duration),
        retry_of=trial.user_attrs.get(attributes.RETRY_OF),
        reason=trial.user_attrs.get(attributes.REASON),
    )


def _fronts(minimized: np.ndarray) -> np.ndarray:
    """Returns the front of each row of values by non-dominated sorting, from 1; less is better."""
    fronts = np.zeros(len(minimized), int)
    # In this order, a row can only be dominated by an earlier one.
    left = np.lexsort(minimized.T[::-1]) if len(minimized) else np.array([], int)
    front = 0
    while len(left):
        front += 1
        candidates = left
        while len(candidates):
            values, best = minimized[candidates], minimized[candidates[0]]
            same = (values == best).all(axis=1)
            fronts[candidates[same]] = front
            candidates = candidates[(values < best).any(axis=1)]
        left = left[fronts[left] == 0]
    return fronts


def write_leaderboard(study: optuna.Study, directory: Path) -> Path:
    """Writes `leaderboard.csv` into the study's directory.

    Raises:
      OutputError: the file can't be written.
    """
    objectives = objectives_of(study)
    rows = leaderboard_rows(study)
    columns = list(leaderboard_columns(rows, objectives))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    writer.writerows([[value(row) for _, value in columns] for row in rows])
    atomic_write(directory / LEADERBOARD, text.getvalue().encode())
    return directory / LEADERBOARD


# The header of a column, and a function from a row to its value; None is an empty cell.
Column = tuple[str, Callable[[Row], Any]]


def leaderboard_columns(
    rows: Sequence[Row], objectives: Sequence[ObjectiveConfig]
) -> Iterator[Column]:
    """Yields the columns of `leaderboard.csv` in order."""

    def of_row(name: str) -> Column:
        return name, lambda row: getattr(row, name)

    def of_parameters(name: str) -> Column:
        return name, lambda row: row.params.get(name)

    def of_metrics(name: str) -> Column:
        return name, lambda row: (row.result.get("metrics") or {}).get(name)

    def of_result(name: str) -> Column:
        return name, lambda row: row.result.get(name)

    yield from map(of_row, ("rank", "number", "state", "directory"))
    yield from map(of_parameters, parameter_names(rows))
    for index, objective in enumerate(objectives):
        yield from _objective_columns(rows, index, objective.metric)
    # An objective already has its column.
    chosen = {objective.metric for objective in objectives}
    metrics = dict.fromkeys(name for row in rows for name in row.result.get("metrics") or {})
    yield from map(of_metrics, (name for name in metrics if name not in chosen))
    others = ("best_epoch", "epochs", "num_parameters", "milliseconds_per_query")
    yield from map(of_result, (name for name in others if name not in chosen))
    yield "beats_best_baseline", lambda row: beats_best_baseline(row, objectives)
    yield from map(of_row, ("seconds", "retry_of", "reason"))


def _objective_columns(rows: Sequence[Row], index: int, metric: str) -> Iterator[Column]:
    """Yields the columns of an objective, its deviation over seeds and its value with each seed."""

    def of_seed(seed: int) -> Column:
        return f"{metric}_seed_{seed}", lambda row: seed_values(row, metric).get(seed)

    yield metric, lambda row: row.values[index] if index < len(row.values) else None
    if any(metric in (row.result.get("deviations") or {}) for row in rows):
        yield f"{metric}_std", lambda row: (row.result.get("deviations") or {}).get(metric)
    seeds = dict.fromkeys(
        seed
        for row in rows
        for seed, value in seed_values(row, metric).items()
        if value is not None
    )
    yield from map(of_seed, seeds)


def baselines_of(row: Row, metric: str) -> dict[str, float]:
    """Returns the metric of each baseline, on the rows that this trial was evaluated on."""
    scores: dict[str, dict[str, float]] = row.result.get("baselines") or {}
    return {name: metrics[metric] for name, metrics in scores.items() if metric in metrics}


def best_of(baselines: Mapping[str, float], reference: str | None = None) -> str | None:
    """Returns the name of the baseline with the highest value; None if there is no baseline.

    Args:
      baselines: the value of each baseline by name.
      reference: the name of the study's reference, see `Row`, which does not count as a baseline.
    """
    names = [name for name in baselines if name != reference]
    return max(names, key=baselines.__getitem__, default=None)


def unbeaten_baseline(row: Row, objectives: Sequence[ObjectiveConfig]) -> tuple[str, float] | None:
    """Returns name and value of the best baseline if the trial is not better than it.

    Returns None if the trial beats all its baselines, or if there is nothing to compare.
    """
    value, name, theirs = _beside_best_baseline(row, objectives) or (0.0, "", None)
    return None if theirs is None or value > theirs else (name, theirs)


def beats_best_baseline(row: Row, objectives: Sequence[ObjectiveConfig]) -> bool | None:
    """Returns whether a trial beats all its baselines; None if there is nothing to compare."""
    if _beside_best_baseline(row, objectives) is None:
        return None
    return unbeaten_baseline(row, objectives) is None


def _beside_best_baseline(
    row: Row, objectives: Sequence[ObjectiveConfig]
) -> tuple[float, str, float] | None:
    """Returns a trial's value, and name and value of the best baseline on the same rows.

    The first objective that the trial and any baseline have is compared. Returns None if there
    is none.
    """
    for objective, value in zip(objectives, row.values, strict=False):
        found = baselines_of(row, objective.metric)
        if name := best_of(found, row.reference):
            return value, name, found[name]
    return None


def no_better_text(
    unbeaten: Iterable[tuple[str, float]], baseline_label: Callable[[str], str]
) -> str:
    """Explains the mark of trials that do not beat a baseline: "no better than EASE (0.4618)".

    Args:
      unbeaten: the baseline of each marked trial, see `unbeaten_baseline`.
      baseline_label: returns a baseline's display name.
    """
    different = set(unbeaten)
    if len(different) > 1:
        return "no better than the best baseline on the same rows"
    ((name, value),) = different
    return f"no better than {baseline_label(name)} ({number_text(value)})"


def seed_values(row: Row, metric: str) -> dict[int, float | None]:
    """Returns the metric by split seed; empty if the trial has no seeds."""
    return {
        seed["split_seed"]: seed["metrics"].get(metric) for seed in row.result.get("seeds") or []
    }


def parameter_names(rows: Iterable[Row]) -> list[str]:
    """Returns all searched parameters, in the order in which the trials introduce them."""
    by_number = sorted(rows, key=lambda row: row.number)
    return list(dict.fromkeys(name for row in by_number for name in row.params))
