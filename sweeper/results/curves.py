"""The curves of a study's trials, and the groups of trials that are drawn as one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeper.results.importance import importances, is_seed, study_with_pruned
from sweeper.results.study_results import StudyResults
from sweeper.results.towers import layers_text
from sweeper.study.fixed_grid import CONFIGURATION
from sweeper.study.outputs.leaderboard import Row
from sweeper.study.outputs.number_formats import parameter_text, short_names
from sweeper.two_tower.config import DEFAULT_METRIC

FINISHED_STATES = ("complete", "infeasible")
LAYER_SIZES = "layer sizes"
# A parameter with more values than this makes too many groups.
MAX_VALUES = 8
CONFIG_GROUPS = ("data", "features", "model", "task", "optimizer", "train", "experiment")


@dataclass(frozen=True)
class Curve:
    """A metric against the epoch, of one trial on one split.

    Attributes:
      split_seed: None if the trial was trained on a single split.
      has_ended: whether the training finished: it was not pruned, and did not fail.
      best: the highest value, or the lowest where less is better.
    """

    trial: int
    split_seed: int | None
    has_ended: bool
    epochs: list[int]
    values: list[float]
    best: float


@dataclass(frozen=True)
class MeanCurve:
    """The mean of several curves at each epoch, the sample standard deviation and the number."""

    epochs: list[int]
    values: np.ndarray
    deviations: np.ndarray
    numbers: list[int]


@dataclass(frozen=True)
class CurveGroup:
    """The curves of trials that have something in common, such as their layer sizes."""

    label: str
    ended: list[Curve]
    others: list[Curve]

    def mean(self) -> MeanCurve:
        """Averages the curves that have ended, up to the last epoch that at least half reach.

        Some stop early, and the mean of the few that are left would jump.
        """
        by_epoch: dict[int, list[float]] = {}
        for curve in self.ended:
            for epoch, value in zip(curve.epochs, curve.values, strict=True):
                by_epoch.setdefault(epoch, []).append(value)
        kept = sorted(e for e, values in by_epoch.items() if 2 * len(values) >= len(self.ended))
        columns = [by_epoch[epoch] for epoch in kept]
        return MeanCurve(
            kept,
            np.array([np.mean(values) for values in columns]),
            np.array([np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in columns]),
            [len(values) for values in columns],
        )


def curve_metric(results: StudyResults) -> str | None:
    """Returns the first objective if the histories have it, else top-100; None without a curve."""
    names = {name for record in results.records.values() for row in record.history for name in row}
    return next((name for name in (results.metric, DEFAULT_METRIC) if name in names), None)


def more_is_better(results: StudyResults, metric: str) -> bool:
    return results.is_maximized if metric == results.metric else True


def curves_of(results: StudyResults, metric: str) -> list[Curve]:
    """Returns every curve, in the leaderboard's order; a trial has one for each of its splits."""
    return [curve for row in results.rows for curve in _curves(results, row, metric)]


def _curves(results: StudyResults, row: Row, metric: str) -> Iterator[Curve]:
    best = max if more_is_better(results, metric) else min
    for split_seed, record in results.records_of(row.number):
        points = [(int(at["epoch"]), at[metric]) for at in record.history if metric in at]
        if points:
            epochs, values = [epoch for epoch, _ in points], [value for _, value in points]
            # A single run is drawn as it is, however it ended.
            has_ended = row.state in FINISHED_STATES or results.study is None
            yield Curve(row.number, split_seed, has_ended, epochs, values, best(values))


def group_curves(
    curves: Sequence[Curve], labels: Mapping[int, str], more_is_better: bool
) -> list[CurveGroup]:
    """Groups curves: the group with the best curve first, groups in which none ended last.

    Args:
      labels: the group of each trial.
    """
    members: dict[str, list[Curve]] = {}
    for curve in curves:
        members.setdefault(labels[curve.trial], []).append(curve)
    groups = [
        CurveGroup(label, [c for c in own if c.has_ended], [c for c in own if not c.has_ended])
        for label, own in members.items()
    ]

    def order(group: CurveGroup) -> float:
        turn = -1 if more_is_better else 1
        return min((turn * curve.best for curve in group.ended), default=float("inf"))

    return sorted(groups, key=order)


def group_labels(results: StudyResults) -> tuple[str, dict[int, str]]:
    """Returns what distinguishes the groups, and the group of each trial that has a record."""
    if any(CONFIGURATION in row.params for row in results.rows):
        return "configuration", _labels(results, CONFIGURATION)
    layers = {number: layers_text(record.config) for number, record in results.records.items()}
    if len(set(layers.values())) > 1:
        return LAYER_SIZES, layers
    name = _most_important_choice(results)
    if name is None:
        return LAYER_SIZES, layers
    labels = _labels(results, name)
    if name in CONFIG_GROUPS:
        return name, labels
    short = short_names([name])[name]
    return short, {number: f"{short} {label}" for number, label in labels.items()}


def _labels(results: StudyResults, name: str) -> dict[int, str]:
    rows = [row for row in results.rows if row.number in results.records]
    return {row.number: parameter_text(row.params.get(name, "–")) for row in rows}


def _most_important_choice(results: StudyResults) -> str | None:
    """Returns the most important parameter that has few values; config groups come first.

    It is the first such parameter if there are too few trials to estimate importances.
    """
    choices = [name for name in _choices(results) if 1 < _num_values(results, name) <= MAX_VALUES]
    choices = [name for name in choices if name in CONFIG_GROUPS] or choices
    weights = importances(study_with_pruned(results))
    return max(choices, key=lambda name: weights.get(name, 0.0)) if choices else None


def _num_values(results: StudyResults, name: str) -> int:
    return len({str(row.params[name]) for row in results.rows if name in row.params})


def _choices(results: StudyResults) -> list[str]:
    """Returns the parameters that are neither ranges of floats nor seeds."""
    values = [item for row in results.rows for item in row.params.items()]
    ranges = {name for name, value in values if isinstance(value, float)}
    names = dict.fromkeys(name for name, _ in values)
    return [name for name in names if name not in ranges and not is_seed(name)]
