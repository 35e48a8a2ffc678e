"""What the confirmations of several studies found, on rows that guided no search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow

from sweeper.results.clustered_tests import compare_on_rows
from sweeper.results.confirmation import ConfirmationResults, Run, ranks_by_seed
from sweeper.results.formatting import number
from sweeper.results.scored_rows import hits, is_accuracy
from sweeper.results.significance import Key, Sample, Significance, compare_to_best
from sweeper.results.statistics import Comparison, Summary, adjusted_by_holm
from sweeper.results.study_results import StudyResults


@dataclass(frozen=True)
class Confirmed:
    """A study's winner on test rows.

    Attributes:
      trial: in words, "trial 7".
      is_fresh: whether the rows are those of fresh splits, or the study's own.
      summary: over the seeds.
      baselines: their means.
      runs: the winner's, by (split, training seed); a split by time goes by its cut.
    """

    trial: str
    is_fresh: bool
    summary: Summary
    baselines: dict[str, float]
    runs: Mapping[tuple[int, int], Run]

    @property
    def text(self) -> str:
        """Mean ± deviation."""
        deviation = self.summary.deviation
        spread = "" if deviation is None else f" ± {number(deviation)}"
        return f"{number(self.summary.mean)}{spread}"

    @property
    def label(self) -> str:
        where = "fresh splits" if self.is_fresh else "its own test rows"
        return f"{self.trial}, confirmed on {where}"

    @property
    def ranks(self) -> list[pyarrow.Table]:
        """The ranks of each training seed; empty where those of any run can't be read."""
        return ranks_by_seed(self.runs) if self._are_known else []

    @property
    def _are_known(self) -> bool:
        return all(run.rows is not None for run in self.runs.values())

    @property
    def test_rows(self) -> frozenset[tuple[int, bytes, bytes]]:
        """Which rows they are, split by split; empty where that isn't known."""
        return frozenset(
            (split, _column(run.rows, "user").tobytes(), _column(run.rows, "item").tobytes())
            for (split, _), run in (self.runs.items() if self._are_known else ())
        )

    def cell(self, beside: str) -> str:
        """The text of a table's cell, which says what differs from the best trial in the search."""
        marks = [self.trial] if self.trial != beside else []
        marks += ["fresh splits"] if self.is_fresh else []
        return f"{self.text} ({', '.join(marks)})" if marks else self.text


def _column(table: pyarrow.Table, name: str) -> np.ndarray:
    return np.asarray(table[name])


def confirmed_of(results: StudyResults, metric: str) -> Confirmed | None:
    """What was confirmed on a study's own test rows, else on fresh splits; None if nothing was."""
    confirmation = results.confirmation
    if confirmation is None or not is_accuracy(metric):
        return None
    is_fresh = not confirmation.own
    summary = confirmation.summary(confirmation.winner, metric, is_fresh)
    if summary is None:
        return None
    rounds = confirmation.fresh if is_fresh else confirmation.own
    return Confirmed(
        confirmation.winner.replace("_", " "),
        is_fresh,
        summary,
        _baselines(confirmation, metric, is_fresh),
        {seeds: runs[confirmation.winner] for seeds, runs in rounds.items()},
    )


def _baselines(confirmation: ConfirmationResults, metric: str, is_fresh: bool) -> dict[str, float]:
    found = {name: confirmation.summary(name, metric, is_fresh) for name in confirmation.baselines}
    return {name: summary.mean for name, summary in found.items() if summary}


def are_comparable(confirmed: Sequence[Confirmed]) -> bool:
    """Whether all are on the same test rows of the same splits."""
    rows = {each.test_rows for each in confirmed}
    return len(rows) == 1 and rows != {frozenset()} and len({e.is_fresh for e in confirmed}) == 1


def confirmed_significance(
    confirmed: Mapping[Key, Confirmed], metric: str
) -> dict[Key, Significance]:
    """How sure each value is, and the first (A) against the others, adjusted by Holm.

    Args:
      confirmed: comparable ones, the best first.
    """
    key, *others = confirmed
    first = confirmed[key]
    if first.is_fresh:
        samples = {key: _by_split(each, metric) for key, each in confirmed.items()}
        return compare_to_best(samples, next(iter(first.runs.values())).test_to_train)
    compared = adjusted_by_holm([_on_rows(first, confirmed[other], metric) for other in others])
    return {
        key: Significance(first.summary.interval),
        **{
            other: Significance(confirmed[other].summary.interval, comparison)
            for other, comparison in zip(others, compared, strict=True)
        },
    }


def _by_split(each: Confirmed, metric: str) -> Sample:
    return Sample({split: run.value(metric) for (split, _), run in each.runs.items()})


def _on_rows(first: Confirmed, other: Confirmed, metric: str) -> Comparison:
    """A comparison with users and training seeds as samples, for as many seeds as both have."""
    seeds = min(len(first.ranks), len(other.ranks))
    mine, theirs = (
        np.stack([hits(table, metric) for table in each.ranks[:seeds]]) for each in (first, other)
    )
    return compare_on_rows(mine, theirs, _column(first.ranks[0], "user"), resamples=0)
