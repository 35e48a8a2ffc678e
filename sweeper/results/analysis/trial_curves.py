"""The curves of a study's trials, and the groups that are drawn as one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row

ENDED = ("complete", "infeasible")
USUAL_METRIC = "top_100"


@dataclass(frozen=True)
class Curve:
    """A metric against the epoch, of one trial on one split.

    Attributes:
      split_seed: None where the trial was trained on a single split.
      has_ended: it went as far as it was to go: not pruned, failed, interrupted or running.
      best: the highest value; the lowest where less is better.
    """

    trial: int
    split_seed: int | None
    has_ended: bool
    epochs: list[int]
    values: list[float]
    best: float


@dataclass(frozen=True)
class Mean:
    """Of several curves, by epoch: the mean, the sample standard deviation, how many."""

    epochs: list[int]
    values: np.ndarray
    deviations: np.ndarray
    numbers: list[int]


@dataclass(frozen=True)
class Group:
    """Trials that have something in common, such as their layer sizes."""

    label: str
    ended: list[Curve]
    others: list[Curve]

    def mean(self) -> Mean:
        """Over the curves that have ended, as far as at least half of them go.

        Some stop early, and the mean of the few that are left would jump.
        """
        by_epoch: dict[int, list[float]] = {}
        for curve in self.ended:
            for epoch, value in zip(curve.epochs, curve.values, strict=True):
                by_epoch.setdefault(epoch, []).append(value)
        kept = sorted(e for e, values in by_epoch.items() if 2 * len(values) >= len(self.ended))
        columns = [by_epoch[epoch] for epoch in kept]
        return Mean(
            kept,
            np.array([np.mean(values) for values in columns]),
            np.array([np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in columns]),
            [len(values) for values in columns],
        )


def curve_metric(subject: StudyResults) -> str | None:
    """The first objective, if every evaluation has it; else top-100; None without any curve."""
    names = {name for record in subject.records.values() for row in record.history for name in row}
    return next((name for name in (subject.metric, USUAL_METRIC) if name in names), None)


def more_is_better(subject: StudyResults, metric: str) -> bool:
    return subject.is_maximized if metric == subject.metric else True


def curves_of(subject: StudyResults, metric: str) -> list[Curve]:
    """Every curve, in the leaderboard's order; of a trial on several splits, one a split."""
    return [curve for row in subject.rows for curve in _curves(subject, row, metric)]


def _curves(subject: StudyResults, row: Row, metric: str) -> Iterator[Curve]:
    best = max if more_is_better(subject, metric) else min
    for split_seed, record in subject.records_of(row.number):
        points = [(int(at["epoch"]), at[metric]) for at in record.history if metric in at]
        if points:
            epochs, values = [epoch for epoch, _ in points], [value for _, value in points]
            # A run has no other to be compared with, however it ended.
            has_ended = row.state in ENDED or subject.study is None
            yield Curve(row.number, split_seed, has_ended, epochs, values, best(values))


def grouped(
    curves: Sequence[Curve], labels: Mapping[int, str], more_is_better: bool
) -> list[Group]:
    """The groups, the one with the best curve first; those where none has ended last.

    Args:
      labels: the group of each trial.
    """
    members: dict[str, list[Curve]] = {}
    for curve in curves:
        members.setdefault(labels[curve.trial], []).append(curve)
    groups = [
        Group(label, [c for c in own if c.has_ended], [c for c in own if not c.has_ended])
        for label, own in members.items()
    ]

    def order(group: Group) -> float:
        turn = -1 if more_is_better else 1
        return min((turn * curve.best for curve in group.ended), default=float("inf"))

    return sorted(groups, key=order)
