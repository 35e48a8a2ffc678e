"""What a report goes by: one study or several, and what each came to by one metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sweeper.report.comparability import comparability_problems
from sweeper.report.confirmed import (
    Confirmed,
    are_comparable,
    confirmed_of,
    confirmed_significance,
)
from sweeper.report.study_entry import StudyEntry, study_entries
from sweeper.results.seed_groups import (
    SeedGroup,
    has_seed_groups,
    seed_group_significance,
    seed_groups,
)
from sweeper.results.significance import Key, Significance, compare_to_best
from sweeper.results.study_results import StudyResults
from sweeper.two_tower.config import DEFAULT_METRIC


@dataclass(frozen=True)
class StudyComparison:
    """Studies and single runs by one metric; the report on one of them compares one.

    What takes time is computed once, for all sections.

    Attributes:
      studies: one or more, in the order given.
    """

    studies: Sequence[StudyResults]

    @property
    def single(self) -> StudyResults | None:
        """The study or the run where there is only one; None where several are compared."""
        return self.studies[0] if len(self.studies) == 1 else None

    @cached_property
    def metric(self) -> str:
        """The first objective where all studies have the same; else top-100 accuracy."""
        metrics = {results.metric for results in self.studies}
        return metrics.pop() if len(metrics) == 1 else DEFAULT_METRIC

    @cached_property
    def is_maximized(self) -> bool:
        first = self.studies[0]
        return first.is_maximized if first.metric == self.metric else True

    @cached_property
    def entries(self) -> list[StudyEntry]:
        """The best of each study by its search, in the order given."""
        return study_entries(self.studies, self.metric, self.is_maximized)

    @cached_property
    def problems(self) -> list[str]:
        """Why the studies must not be ranked against each other; empty where they may be."""
        return comparability_problems(self.entries, self.metric) if not self.single else []

    @cached_property
    def confirmed(self) -> dict[Key, Confirmed]:
        """What was confirmed, by label."""
        found = {
            entry.label: confirmed_of(entry.results, self.metric)
            for entry in self.entries
            if entry.value is not None
        }
        return {label: each for label, each in found.items() if each is not None}

    @cached_property
    def uses_confirmation(self) -> bool:
        """Whether all that have a value were confirmed, on the same rows."""
        valued = {entry.label for entry in self.entries if entry.value is not None}
        return (
            not self.problems
            and self.is_maximized
            and bool(valued)
            and valued == set(self.confirmed)
            and are_comparable(list(self.confirmed.values()))
        )

    @cached_property
    def confirmed_entries(self) -> list[StudyEntry]:
        """What the answer goes by: the confirmed values where they can be compared."""
        if not self.uses_confirmation:
            return self.entries
        return [self._with_confirmed_value(entry) for entry in self.entries]

    def _with_confirmed_value(self, entry: StudyEntry) -> StudyEntry:
        confirmed = self.confirmed.get(entry.label)
        if confirmed is None:
            return entry
        return replace(
            entry,
            best_label=confirmed.label,
            value=confirmed.summary.mean,
            text=confirmed.text,
            baselines=confirmed.baselines,
        )

    @cached_property
    def ranked(self) -> list[StudyEntry]:
        """Those of `confirmed_entries` that have a value, the best first."""
        turn = -1 if self.is_maximized else 1
        known = [(turn * e.value, e) for e in self.confirmed_entries if e.value is not None]
        return [entry for _, entry in sorted(known, key=lambda pair: pair[0])]

    @cached_property
    def seed_groups(self) -> list[SeedGroup]:
        """The configurations of a single study that repeats them over seeds; else empty."""
        study = self.single
        return seed_groups(study) if study and has_seed_groups(study) else []

    @cached_property
    def significance(self) -> dict[Key, Significance]:
        """How sure the values are of what is ranked, and whether the best one is better.

        Of several studies by label; of a single one by trial or baseline, or by the label of a
        configuration that is repeated over seeds. Empty where nothing may be ranked.
        """
        if study := self.single:
            if has_seed_groups(study):
                groups = self.seed_groups
                return seed_group_significance(study, groups) if groups else {}
            return study.significance
        if self.problems or not self.ranked:
            return {}
        if self.uses_confirmation:
            confirmed: dict[Key, Confirmed] = {
                entry.label: self.confirmed[entry.label] for entry in self.ranked
            }
            return confirmed_significance(confirmed, self.metric)
        return compare_to_best(
            {entry.label: entry.sample for entry in self.ranked},
            max(entry.test_to_train for entry in self.ranked),
            is_maximized=self.is_maximized,
        )
