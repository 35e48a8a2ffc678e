"""Confidence intervals of a leaderboard's values, and tests against the best trial.

The interval of a single training is over users; that of a trial on several splits is Student's,
over the splits. The best trial was chosen on the same rows, and this selection bias inflates its
value: “worse” is overstated, “not distinguishable” is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow

from sweeper.results.clustered_tests import compare_on_rows, interval_over_users
from sweeper.results.formatting import interval_text
from sweeper.results.scored_rows import MODEL, hits
from sweeper.results.statistics import (
    Comparison,
    adjusted_by_holm,
    compare_pairs,
    summarize,
)

# By trial, or by a baseline's name.
Key = int | str


@dataclass(frozen=True)
class Significance:
    """The significance of one value.

    Attributes:
      interval: 95 % confidence interval; None if the scored rows are not known.
      compared: the best trial (A) against this one (B); None for the best itself, and if they
        share no rows.
      is_maximized: whether a higher value is better.
    """

    interval: tuple[float, float] | None
    compared: Comparison | None = None
    is_maximized: bool = True

    @property
    def verdict(self) -> str:
        """How this compares with the best: "worse", "better", "not distinguishable" or "–"."""
        if self.compared is None:
            return "–"
        return (
            self.compared.verdict
            if self.is_maximized
            else self.compared.verdict_where_less_is_better
        )

    @property
    def texts(self) -> tuple[str, str]:
        """The interval and the verdict: "0.4401 to 0.4512", "worse"."""
        return interval_text(self.interval), self.verdict


@dataclass(frozen=True)
class Sample:
    """The values of a trial or a baseline, by seed or by row.

    Attributes:
      by_seed: the value with each seed; empty for a single training.
      hits: [rows], for a single training; None if they are not known.
      users, items: [rows], which identify the rows.
    """

    by_seed: Mapping[Any, float] = field(default_factory=dict)
    hits: np.ndarray | None = None
    users: np.ndarray | None = None
    items: np.ndarray | None = None

    @classmethod
    def of_rows(cls, ranks: pyarrow.Table | None, metric: str, scorer: str = MODEL) -> Sample:
        """Returns what each row contributes to a metric; empty without the scorer's ranks.

        Args:
          ranks: see `sweeper.two_tower.evaluation.rows.row_table`.
          scorer: `MODEL` or a baseline.
        """
        if ranks is None or f"{scorer}_rank" not in ranks.column_names:
            return cls()
        users, items = np.asarray(ranks["user"]), np.asarray(ranks["item"])
        return cls({}, hits(ranks, metric, scorer), users, items)

    def interval(self, test_to_train: float) -> tuple[float, float] | None:
        """Returns the 95 % confidence interval; `test_to_train` as in `against`."""
        if len(self.by_seed) > 1:
            values = list(self.by_seed.values())
            return summarize(values, test_to_train=test_to_train).interval
        if self.hits is None or self.users is None:
            return None
        return interval_over_users(self.hits, self.users)

    def against(self, other: Sample, test_to_train: float) -> Comparison | None:
        """Compares this sample (A) with another (B); None if they share neither seeds nor rows.

        Args:
          test_to_train: see `compare_pairs`; 0 if the seeds are not split seeds.
        """
        seeds = [seed for seed in self.by_seed if seed in other.by_seed]
        if len(seeds) > 1:
            mine, theirs = ([each.by_seed[seed] for seed in seeds] for each in (self, other))
            return compare_pairs(mine, theirs, test_to_train=test_to_train)
        if self.hits is None or other.hits is None or self.users is None:
            return None
        if not _same(self.users, other.users) or not _same(self.items, other.items):
            return None
        return compare_on_rows(self.hits[None], other.hits[None], self.users, resamples=0)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is not None and b is not None and np.array_equal(a, b)


def compare_to_best(
    samples: Mapping[Key, Sample], test_to_train: float, *, is_maximized: bool = True
) -> dict[Key, Significance]:
    """Compares the first sample (A) with each of the others, adjusted by Holm.

    Args:
      is_maximized: whether a higher value is better.
    """
    first, *others = samples
    pairs = [(first, other) for other in others]
    compared = compare_samples(samples, pairs, test_to_train)
    return {
        key: Significance(each.interval(test_to_train), compared.get((first, key)), is_maximized)
        for key, each in samples.items()
    }


def compare_samples(
    samples: Mapping[Key, Sample], pairs: Iterable[tuple[Key, Key]], test_to_train: float
) -> dict[tuple[Key, Key], Comparison]:
    """Compares the pairs (A, B) that share seeds or rows, adjusted by Holm."""
    found = {
        (a, b): comparison
        for a, b in pairs
        if (comparison := samples[a].against(samples[b], test_to_train))
    }
    return dict(zip(found, adjusted_by_holm(list(found.values())), strict=True))
