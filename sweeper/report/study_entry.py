"""The best that a study came to, by the metric that all studies are compared by."""

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
from sweeper.two_tower.record import TrialRecord


@dataclass(frozen=True)
class StudyEntry:
    """The best trial of a study, or its best configuration by the mean over seeds.

    Attributes:
      label: the study's name; its directory where another has the same name.
      best_label: which trial or configuration it is, "trial 7".
      value: None where no trial is complete.
      text: the value with its deviation over seeds.
      best: the best trial; None where no trial is complete.
      record: the best trial's; None where it can't be read.
      sample: seed by seed, or row by row.
      test_to_train: scored rows / training rows where the seeds are of splits, else 0; see
        `Sample` of `sweeper.results.significance`.
    """

    results: StudyResults
    label: str
    best_label: str
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
        """The name and the value of the best baseline, unless the study's value is above it."""
        if self.value is None:
            return None
        return best_unbeaten_baseline(self.value, self.baselines, self.reference)


def study_entries(
    studies: Sequence[StudyResults], metric: str, is_maximized: bool = True
) -> list[StudyEntry]:
    """An entry for each study, in the order given."""
    names = [results.name for results in studies]
    labels = [
        results.name if names.count(results.name) == 1 else str(results.directory)
        for results in studies
    ]
    return [
        _entry(results, label, metric, is_maximized)
        for results, label in zip(studies, labels, strict=True)
    ]


def _entry(results: StudyResults, label: str, metric: str, is_maximized: bool) -> StudyEntry:
    by_metric = ranked_by(results, metric, is_maximized)
    best = by_metric.rows[0] if by_metric.rows else results.best
    if best is None:
        return StudyEntry(results, label, "–", None, "–", {}, None, results.record)
    best_label = "the run" if results.study is None else f"trial {best.number}"
    if not by_metric.rows:
        record = results.records.get(best.number)
        return StudyEntry(results, label, best_label, None, "–", {}, best, record)
    if has_seed_groups(by_metric):
        group = seed_groups(by_metric)[0]
        best = group.rows[0]
        return StudyEntry(
            results,
            label,
            group.label,
            group.mean,
            group.text,
            group.baselines,
            best,
            results.records.get(best.number),
            group.sample,
            seed_group_ratio(by_metric, group),
        )
    deviation = (best.result.get("deviations") or {}).get(metric)
    spread = "" if deviation is None else f" ± {number(deviation)}"
    sample = results.sample(best, metric) if is_accuracy(metric) else Sample()
    return StudyEntry(
        results,
        label,
        best_label,
        best.values[0],
        number(best.values[0]) + spread,
        baselines_of(best, metric),
        best,
        results.records.get(best.number),
        sample,
        results.test_to_train(best) if sample.by_seed else 0.0,
    )


def ranked_by(results: StudyResults, metric: str, is_maximized: bool) -> StudyResults:
    """The results as if the metric were the only objective, with the ranked trials that have it."""
    turn = -1 if is_maximized else 1
    found = [
        (value, row)
        for row in results.ranked
        if (value := _value_of(results, row, metric)) is not None
    ]
    found.sort(key=lambda pair: turn * pair[0])
    rows = [
        replace(row, rank=place, values=[value])
        for place, (value, row) in enumerate(found, start=1)
    ]
    objective = ObjectiveConfig(metric, "maximize" if is_maximized else "minimize")
    return replace(results, objectives=[objective], rows=rows)


def _value_of(results: StudyResults, row: Row, metric: str) -> float | None:
    """A trial's metric: its objective if it is that, else what the trial's record has."""
    for objective, value in zip(results.objectives, row.values, strict=False):
        if objective.metric == metric:
            return value
    found: float | None = (row.result.get("metrics") or {}).get(metric)
    return found
