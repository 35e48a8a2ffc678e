"""The results of a study or a single run, as they are read back from its directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
import pyarrow
from optuna.trial import FrozenTrial

from sweeper.results.confirmation import ConfirmationResults
from sweeper.results.scored_rows import is_accuracy
from sweeper.results.significance import Key, Sample, Significance, compare_to_best
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row, baselines_of, seed_values, unbeaten_baseline
from sweeper.two_tower.config import DEFAULT_METRIC
from sweeper.two_tower.record import TrialRecord

# The scored rows of at most this many of the best trials are compared.
MAX_COMPARED = 20


@dataclass(frozen=True)
class StudyResults:
    """The results of a study or a single run.

    Attributes:
      directory: as the user gave it.
      rows: every trial, in the leaderboard's order; a single run has one.
      study: None for a single run.
      trials: Optuna's trials at the time of reading; empty for a single run.
      records: by trial, for all whose files can be read.
      repeats: by trial and split seed, for trials on several splits.
      ranks: the rank of each scored row (`sweeper.two_tower.evaluation.rows.row_table`), by trial
        for the best trials with a single training and the best of each depth, and by the name of
        the reference.
      confirmation: the results of the study's confirmation, if it was confirmed.
      seconds_beside: the seconds that its reference and its confirmations have taken so far, by
        "reference" and "confirmation", for those that exist.
      problems: what can't be read, a line each.
    """

    directory: Path
    name: str
    objectives: list[ObjectiveConfig]
    rows: list[Row]
    study: optuna.Study | None = None
    trials: list[FrozenTrial] = field(default_factory=list)
    records: dict[int, TrialRecord] = field(default_factory=dict)
    repeats: dict[int, dict[int, TrialRecord]] = field(default_factory=dict)
    ranks: dict[int | str, pyarrow.Table] = field(default_factory=dict)
    confirmation: ConfirmationResults | None = None
    seconds_beside: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def best(self) -> Row | None:
        """The best complete and feasible trial, by the first objective if there are several."""
        return self.rows[0] if self.rows[0].rank == 1 else None

    @property
    def front(self) -> list[Row]:
        """The Pareto set; with a single objective, the best trial."""
        return [row for row in self.rows if row.rank == 1]

    @property
    def ranked(self) -> list[Row]:
        """The complete and feasible trials, the best first."""
        return [row for row in self.rows if row.rank is not None]

    @property
    def record(self) -> TrialRecord | None:
        """The best trial's record, or the next in the leaderboard that can be read."""
        found = (self.records.get(row.number) for row in self.rows)
        return next((record for record in found if record is not None), None)

    @property
    def metric(self) -> str:
        """The first objective, which orders the leaderboard."""
        return self.objectives[0].metric

    @property
    def is_maximized(self) -> bool:
        return self.objectives[0].direction == "maximize"

    @property
    def confirmed_metric(self) -> str:
        """The study's first objective if that is an accuracy to be maximized, else top-100."""
        is_wanted = is_accuracy(self.metric) and self.is_maximized
        return self.metric if is_wanted else DEFAULT_METRIC

    @property
    def evaluation_split(self) -> str:
        """The rows that trials are compared on, "validation" or "test"."""
        return self.record.rows if self.record else "validation"

    @property
    def wall_seconds(self) -> float | None:
        """The wall-clock time of a study or a run so far; None if it is not known.

        It includes the trials, the reference, the confirmations, and the starts of their workers.
        """
        if self.study is None:
            return self.rows[0].seconds
        search: float | None = self.study.user_attrs.get(attributes.SECONDS)
        return None if search is None else search + sum(self.seconds_beside.values())

    @property
    def wall_parts(self) -> list[tuple[str, float]]:
        """The parts of `wall_seconds`; empty if the search is the only one."""
        if not self.seconds_beside or self.wall_seconds is None:
            return []
        search = self.wall_seconds - sum(self.seconds_beside.values())
        return [("search", search), *self.seconds_beside.items()]

    @property
    def reference(self) -> dict[str, Any] | None:
        """The reference model's results, see `sweeper.study.attributes.REFERENCE`."""
        return self.study.user_attrs.get(attributes.REFERENCE) if self.study else None

    def records_of(self, trial: int) -> list[tuple[int | None, TrialRecord]]:
        """Returns (split seed, record) of each training; the seed of a single one is None."""
        repeats = self.repeats.get(trial)
        if repeats:
            return list(repeats.items())
        return [(None, self.records[trial])] if trial in self.records else []

    def of_states(self, *states: str) -> list[Row]:
        return [row for row in self.rows if row.state in states]

    def unbeaten_baseline(self, row: Row) -> tuple[str, float] | None:
        """The name and the value of the best baseline, unless the trial is better than it."""
        return unbeaten_baseline(row, self.objectives)

    @cached_property
    def significance(self) -> dict[Key, Significance]:
        """By trial and baseline, how sure the values of the best trials are, and of the baselines.

        It is empty unless the study has a single objective, which is an accuracy.
        """
        ranked = self.ranked[:MAX_COMPARED]
        if len(self.objectives) != 1 or not is_accuracy(self.metric) or not ranked:
            return {}
        best = ranked[0]
        samples: dict[Key, Sample] = {row.number: self.sample(row) for row in ranked}
        for name in baselines_of(best, self.metric):
            samples[name] = self._baseline_sample(best, name)
        return compare_to_best(samples, self.test_to_train(best), is_maximized=self.is_maximized)

    def sample(self, row: Row, metric: str | None = None) -> Sample:
        """A trial's values by the first objective, or by another accuracy."""
        metric = metric or self.metric
        by_seed = {
            seed: value for seed, value in seed_values(row, metric).items() if value is not None
        }
        return Sample(by_seed) if by_seed else Sample.of_rows(self.ranks.get(row.number), metric)

    def _baseline_sample(self, best: Row, name: str) -> Sample:
        """A baseline's values on the rows, or the splits, of the best trial."""
        if self.reference and name == self.reference["name"]:
            runs = self.reference["runs"]
            if len(runs) > 1:
                return Sample({run["split_seed"]: run["metrics"][self.metric] for run in runs})
            return Sample.of_rows(self.ranks.get(name), self.metric)
        if repeats := self.repeats.get(best.number):
            return Sample(
                {
                    seed: record.baselines[name][record.rows][self.metric]
                    for seed, record in repeats.items()
                    if name in record.baselines
                }
            )
        return Sample.of_rows(self.ranks.get(best.number), self.metric, name)

    def test_to_train(self, row: Row) -> float:
        """Scored rows / training rows of a trial; 0 if they are not known."""
        record = self.records.get(row.number)
        sizes = (record.data.get("rows") if record else None) or {}
        return float(sizes[self.evaluation_split] / sizes["train"]) if sizes else 0.0
