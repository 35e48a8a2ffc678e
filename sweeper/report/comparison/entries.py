"""What each of several studies and runs came to, by one metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sweeper.results.baselines import best_unbeaten_baseline
from sweeper.results.formatting import number
from sweeper.results.scored_rows import is_accuracy
from sweeper.results.seed_groups import has_seed_groups, seed_group_ratio, seed_groups
from sweeper.results.significance import Sample
from sweeper.results.study_results import StudyResults
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row, baselines_of
from sweeper.two_tower.config import DEFAULT_METRIC
from sweeper.two_tower.record import TrialRecord


@dataclass(frozen=True)
class StudyEntry:
    """A study's best figure, by the metric that all are compared by.

    Attributes:
      label: the study's name; its directory where another has the same name.
      which: the trial, or the configuration whose mean it is.
      value: None where nothing has finished.
      text: the value with its deviation over seeds.
      best: the best trial; None where nothing has finished.
      record: the best trial's; None where it can't be read.
      sample: seed by seed, or row by row.
      test_to_train: where the seeds are of splits, see `Sample` of
        `sweeper.results.significance`; else 0.
    """

    results: StudyResults
    label: str
    which: str
    value: float | None
    text: str
    baselines: dict[str, float]
    best: Row | None
    record: TrialRecord | None
    sample: Sample = field(default_factory=Sample)
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
        return best_unbeaten_baseline(self.value, self.baselines, self.reference)


def compared_metric(studies: Sequence[StudyResults]) -> str:
    """The first objective where all have the same; else top-100 accuracy."""
    metrics = {results.metric for results in studies}
    return metrics.pop() if len(metrics) == 1 else DEFAULT_METRIC


def standings_of(
    studies: Sequence[StudyResults], metric: str, is_maximized: bool = True
) -> list[StudyEntry]:
    """In the order given."""
    return [
        _standing(results, label, metric, is_maximized)
        for results, label in zip(studies, labels_of(studies), strict=True)
    ]


def labels_of(studies: Sequence[StudyResults]) -> list[str]:
    names = [results.name for results in studies]
    return [
        results.name if names.count(results.name) == 1 else str(results.directory)
        for results in studies
    ]


def _standing(results: StudyResults, label: str, metric: str, is_maximized: bool) -> StudyEntry:
    seen = by_metric(results, metric, is_maximized)
    if not seen.rows:
        return _without_figure(results, label)
    if has_seed_groups(seen):
        return _over_seeds(results, seen, label)
    best = seen.rows[0]
    deviation = (best.result.get("deviations") or {}).get(metric)
    spread = "" if deviation is None else f" ± {number(deviation)}"
    sample = results.sample(best, metric) if is_accuracy(metric) else Sample()
    return StudyEntry(
        results,
        label,
        _which(results, best),
        best.values[0],
        number(best.values[0]) + spread,
        baselines_of(best, metric),
        best,
        results.records.get(best.number),
        sample,
        results.test_to_train(best) if sample.by_seed else 0.0,
    )


def _without_figure(results: StudyResults, label: str) -> StudyEntry:
    best = results.best
    if best is None:
        return StudyEntry(results, label, "–", None, "–", {}, None, results.record)
    record = results.records.get(best.number)
    return StudyEntry(results, label, _which(results, best), None, "–", {}, best, record)


def _which(results: StudyResults, best: Row) -> str:
    return "the run" if results.study is None else f"trial {best.number}"


def _over_seeds(results: StudyResults, seen: StudyResults, label: str) -> StudyEntry:
    """The best mean over seeds; the trial is the best of its trials."""
    first = seed_groups(seen)[0]
    best = first.rows[0]
    return StudyEntry(
        results,
        label,
        first.label,
        first.mean,
        first.text,
        first.baselines,
        best,
        results.records.get(best.number),
        first.sample,
        seed_group_ratio(seen, first),
    )


def by_metric(results: StudyResults, metric: str, is_maximized: bool) -> StudyResults:
    """The results as if the metric were its only objective; of its ranked trials those with it."""
    turn = -1 if is_maximized else 1
    figures = [
        (figure, row)
        for row in results.rows
        if row.rank is not None and (figure := figure_of(results, row, metric)) is not None
    ]
    figures.sort(key=lambda pair: turn * pair[0])
    rows = [
        replace(row, rank=place, values=[figure])
        for place, (figure, row) in enumerate(figures, start=1)
    ]
    objective = ObjectiveConfig(metric, "maximize" if is_maximized else "minimize")
    return replace(results, objectives=[objective], rows=rows)


def figure_of(results: StudyResults, row: Row, metric: str) -> float | None:
    """A trial's metric: its objective where it is that, else what its record has."""
    for objective, value in zip(results.objectives, row.values, strict=False):
        if objective.metric == metric:
            return value
    found: float | None = (row.result.get("metrics") or {}).get(metric)
    return found
