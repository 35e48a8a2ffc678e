"""What each of several studies and runs came to, by one metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sweeper.results.analysis.baselines import unbeaten_of
from sweeper.results.analysis.seed_groups import ratio_over_seeds, repeated, seeds_varied
from sweeper.results.analysis.significance import Sample, ratio_of_rows, scored_trial
from sweeper.results.analysis.trial_curves import USUAL_METRIC
from sweeper.results.evidence.ranks import is_accuracy
from sweeper.results.formatting import number
from sweeper.results.study_results import StudyResults
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row, baselines_of
from sweeper.two_tower.record import TrialRecord


@dataclass(frozen=True)
class StudyEntry:
    """A subject's best figure, by the metric that all are compared by.

    Attributes:
      label: the subject's name; its directory where another has the same name.
      which: the trial, or the configuration whose mean it is.
      value: None where nothing has finished.
      text: the value with its deviation over seeds.
      best: the best trial; None where nothing has finished.
      record: the best trial's; None where it can't be read.
      scored: seed by seed, or row by row.
      test_to_train: where the seeds are of splits, see `Sample` of
        `sweeper.results.analysis.significance`; else 0.
    """

    subject: StudyResults
    label: str
    which: str
    value: float | None
    text: str
    baselines: dict[str, float]
    best: Row | None
    record: TrialRecord | None
    scored: Sample = field(default_factory=Sample)
    test_to_train: float = 0.0

    @property
    def reference(self) -> str | None:
        """The name among the baselines that is the study's reference."""
        return self.best.reference if self.best else None

    @property
    def unbeaten(self) -> tuple[str, float] | None:
        """The name and the value of the best baseline, unless the figure is above it."""
        if self.value is None:
            return None
        return unbeaten_of(self.value, self.baselines, self.reference)


def compared_metric(subjects: Sequence[StudyResults]) -> str:
    """The first objective where all have the same; else top-100 accuracy."""
    metrics = {subject.metric for subject in subjects}
    return metrics.pop() if len(metrics) == 1 else USUAL_METRIC


def standings_of(
    subjects: Sequence[StudyResults], metric: str, is_maximized: bool = True
) -> list[StudyEntry]:
    """In the order given."""
    return [
        _standing(subject, label, metric, is_maximized)
        for subject, label in zip(subjects, labels_of(subjects), strict=True)
    ]


def labels_of(subjects: Sequence[StudyResults]) -> list[str]:
    names = [subject.name for subject in subjects]
    return [
        subject.name if names.count(subject.name) == 1 else str(subject.directory)
        for subject in subjects
    ]


def _standing(subject: StudyResults, label: str, metric: str, is_maximized: bool) -> StudyEntry:
    seen = by_metric(subject, metric, is_maximized)
    if not seen.rows:
        return _without_figure(subject, label)
    if seeds_varied(seen):
        return _over_seeds(subject, seen, label)
    best = seen.rows[0]
    deviation = (best.result.get("deviations") or {}).get(metric)
    spread = "" if deviation is None else f" ± {number(deviation)}"
    scored = scored_trial(subject, best, metric) if is_accuracy(metric) else Sample()
    return StudyEntry(
        subject,
        label,
        _which(subject, best),
        best.values[0],
        number(best.values[0]) + spread,
        baselines_of(best, metric),
        best,
        subject.records.get(best.number),
        scored,
        ratio_of_rows(subject, best) if scored.by_seed else 0.0,
    )


def _without_figure(subject: StudyResults, label: str) -> StudyEntry:
    best = subject.best
    if best is None:
        return StudyEntry(subject, label, "–", None, "–", {}, None, subject.record)
    record = subject.records.get(best.number)
    return StudyEntry(subject, label, _which(subject, best), None, "–", {}, best, record)


def _which(subject: StudyResults, best: Row) -> str:
    return "the run" if subject.study is None else f"trial {best.number}"


def _over_seeds(subject: StudyResults, seen: StudyResults, label: str) -> StudyEntry:
    """The best mean over seeds; the trial is the best of its trials."""
    first = repeated(seen)[0]
    best = first.rows[0]
    return StudyEntry(
        subject,
        label,
        first.label,
        first.mean,
        first.text,
        first.baselines,
        best,
        subject.records.get(best.number),
        first.scored,
        ratio_over_seeds(seen, first),
    )


def by_metric(subject: StudyResults, metric: str, is_maximized: bool) -> StudyResults:
    """The subject as if the metric were its only objective; of its ranked trials those with it."""
    turn = -1 if is_maximized else 1
    figures = [
        (figure, row)
        for row in subject.rows
        if row.rank is not None and (figure := figure_of(subject, row, metric)) is not None
    ]
    figures.sort(key=lambda pair: turn * pair[0])
    rows = [
        replace(row, rank=place, values=[figure])
        for place, (figure, row) in enumerate(figures, start=1)
    ]
    objective = ObjectiveConfig(metric, "maximize" if is_maximized else "minimize")
    return replace(subject, objectives=[objective], rows=rows)


def figure_of(subject: StudyResults, row: Row, metric: str) -> float | None:
    """A trial's metric: its objective where it is that, else what its record has."""
    for objective, value in zip(subject.objectives, row.values, strict=False):
        if objective.metric == metric:
            return value
    found: float | None = (row.result.get("metrics") or {}).get(metric)
    return found
