"""What each of several studies and runs came to, by one metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweeper.record import TrialRecord
from sweeper.report.baselines import POPULARITY, baselines_of
from sweeper.report.certainty import Scored, scored_trial
from sweeper.report.over_seeds import repeated, seeds_varied
from sweeper.report.ranks import is_accuracy
from sweeper.report.subject import Subject
from sweeper.report.trial_curves import USUAL_METRIC
from sweeper.report.words import number
from sweeper.study.leaderboard import Row


@dataclass(frozen=True)
class Standing:
    """A subject's best figure.

    Attributes:
      label: the subject's name; its directory where another has the same name.
      which: the trial, or the configuration whose mean it is.
      value: None where nothing has finished.
      text: the value with its deviation over seeds.
      record: the best trial's.
      scored: seed by seed, or row by row.
    """

    subject: Subject
    label: str
    which: str
    value: float | None
    text: str
    baselines: dict[str, float]
    record: TrialRecord | None
    scored: Scored

    @property
    def is_no_better(self) -> bool:
        popular = self.baselines.get(POPULARITY)
        return self.value is not None and popular is not None and self.value <= popular


def compared_metric(subjects: Sequence[Subject]) -> str:
    """The first objective where all have the same; else top-100 accuracy."""
    metrics = {subject.metric for subject in subjects}
    return metrics.pop() if len(metrics) == 1 else USUAL_METRIC


def standings_of(subjects: Sequence[Subject], metric: str) -> list[Standing]:
    """In the order given."""
    return [
        _standing(subject, label, metric)
        for subject, label in zip(subjects, labels_of(subjects), strict=True)
    ]


def labels_of(subjects: Sequence[Subject]) -> list[str]:
    names = [subject.name for subject in subjects]
    return [
        subject.name if names.count(subject.name) == 1 else str(subject.directory)
        for subject in subjects
    ]


def _standing(subject: Subject, label: str, metric: str) -> Standing:
    best = subject.best
    if best is None:
        return Standing(subject, label, "–", None, "–", {}, subject.record, Scored())
    record = subject.records.get(best.number)
    if seeds_varied(subject) and metric == subject.metric:
        first = repeated(subject)[0]
        return Standing(
            subject,
            label,
            first.label,
            first.mean,
            first.text,
            first.baselines,
            record,
            first.scored,
        )
    value = figure_of(subject, best, metric)
    deviation = (best.result.get("deviations") or {}).get(metric)
    spread = "" if deviation is None else f" ± {number(deviation)}"
    which = "the run" if subject.study is None else f"trial {best.number}"
    return Standing(
        subject,
        label,
        which,
        value,
        number(value) + spread,
        baselines_of(best, metric),
        record,
        scored_trial(subject, best, metric) if is_accuracy(metric) else Scored(),
    )


def figure_of(subject: Subject, row: Row, metric: str) -> float | None:
    """A trial's metric: its objective where it is that, else what its record has."""
    for objective, value in zip(subject.objectives, row.values, strict=False):
        if objective.metric == metric:
            return value
    found: float | None = (row.result.get("metrics") or {}).get(metric)
    return found
