"""What all sections of a comparison go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sweeper.report.comparison.confirmations import (
    Confirmed,
    are_comparable,
    confirmed_of,
    confirmed_significance,
)
from sweeper.report.comparison.entries import StudyEntry, compared_metric, standings_of
from sweeper.report.comparison.protocols import protocol_problems
from sweeper.results.significance import Key, Significance, compare_to_best
from sweeper.results.study_results import StudyResults


@dataclass(frozen=True)
class Compared:
    """Several studies and runs, by one metric."""

    studies: Sequence[StudyResults]

    @cached_property
    def metric(self) -> str:
        return compared_metric(self.studies)

    @cached_property
    def is_maximized(self) -> bool:
        first = self.studies[0]
        return first.is_maximized if first.metric == self.metric else True

    @cached_property
    def standings(self) -> list[StudyEntry]:
        """As the searches have it."""
        return standings_of(self.studies, self.metric, self.is_maximized)

    @cached_property
    def problems(self) -> list[str]:
        """Why they must not be ranked against each other."""
        return protocol_problems(self.standings, self.metric)

    @cached_property
    def confirmed(self) -> dict[Key, Confirmed]:
        """By label, those with a figure that were confirmed."""
        found = {
            standing.label: confirmed_of(standing.results, self.metric)
            for standing in self.standings
            if standing.value is not None
        }
        return {label: each for label, each in found.items() if each is not None}

    @cached_property
    def goes_by_confirmation(self) -> bool:
        """Whether all with a figure were confirmed, on the same rows."""
        valued = {standing.label for standing in self.standings if standing.value is not None}
        return (
            not self.problems
            and self.is_maximized
            and bool(valued)
            and valued == set(self.confirmed)
            and are_comparable(list(self.confirmed.values()))
        )

    @cached_property
    def told(self) -> list[StudyEntry]:
        """What the answer goes by: the confirmed figures where they can be compared."""
        if not self.goes_by_confirmation:
            return self.standings
        return [self._as_confirmed(standing) for standing in self.standings]

    def _as_confirmed(self, standing: StudyEntry) -> StudyEntry:
        confirmed = self.confirmed.get(standing.label)
        if confirmed is None:
            return standing
        return replace(
            standing,
            which=confirmed.which,
            value=confirmed.summary.mean,
            text=confirmed.text,
            baselines=confirmed.baselines,
        )

    @cached_property
    def ranked(self) -> list[StudyEntry]:
        """Of `told` those with a figure, best first."""
        turn = -1 if self.is_maximized else 1
        known = [(turn * s.value, s) for s in self.told if s.value is not None]
        return [standing for _, standing in sorted(known, key=lambda pair: pair[0])]

    @cached_property
    def significance(self) -> dict[Key, Significance]:
        """How sure the figures are, by label; empty where they must not be ranked."""
        if self.problems or not self.ranked:
            return {}
        if self.goes_by_confirmation:
            confirmed: dict[Key, Confirmed] = {
                s.label: self.confirmed[s.label] for s in self.ranked
            }
            return confirmed_significance(confirmed, self.metric)
        return compare_to_best(
            {standing.label: standing.sample for standing in self.ranked},
            max(standing.test_to_train for standing in self.ranked),
            is_maximized=self.is_maximized,
        )
