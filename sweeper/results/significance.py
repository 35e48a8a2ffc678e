"""How sure the figures of a leaderboard are, by the rows or the splits that they were scored on.

A trial of one training has an interval over users; one that was repeated over splits has
Student's over these. The best was chosen on these very rows, so that the tests are too quick
to call another trial worse, and not to call it alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow

from sweeper.results.clustered_tests import compare_on_rows, interval_over_users
from sweeper.results.formatting import number
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
    """Of one figure.

    Attributes:
      interval: of 95 %; None where its rows are not known.
      compared: the best trial (A) against this one (B); None of the best itself, and where
        they share no rows.
      is_maximized: whether more is better, or less.
    """

    interval: tuple[float, float] | None
    compared: Comparison | None = None
    is_maximized: bool = True

    @property
    def verdict(self) -> str:
        """What this is beside the best: "worse", "better", "not distinguishable", "–"."""
        if self.compared is None:
            return "–"
        return (
            self.compared.verdict
            if self.is_maximized
            else self.compared.verdict_where_less_is_better
        )

    @property
    def texts(self) -> tuple[str, str]:
        """The interval, and what this is beside the best: "0.4401 to 0.4512", "worse"."""
        interval = " to ".join(map(number, self.interval)) if self.interval else "–"
        return interval, self.verdict


@dataclass(frozen=True)
class Sample:
    """What a trial or a baseline came to, seed by seed or row by row.

    Attributes:
      by_seed: the figure with each seed; empty of a single training.
      hits: [rows], of a single training; None where they are not known.
      users, items: [rows], which rows they are.
    """

    by_seed: Mapping[Any, float] = field(default_factory=dict)
    hits: np.ndarray | None = None
    users: np.ndarray | None = None
    items: np.ndarray | None = None

    @classmethod
    def of_rows(cls, ranks: pyarrow.Table | None, metric: str, scorer: str = MODEL) -> Sample:
        """What each row contributes to a metric; nothing where the scorer's ranks are not known.

        Args:
          ranks: see `sweeper.two_tower.evaluation.rows.row_table`.
          scorer: `MODEL` or a baseline.
        """
        if ranks is None or f"{scorer}_rank" not in ranks.column_names:
            return cls()
        users, items = np.asarray(ranks["user"]), np.asarray(ranks["item"])
        return cls({}, hits(ranks, metric, scorer), users, items)

    def interval(self, test_to_train: float) -> tuple[float, float] | None:
        """Of 95 %; `test_to_train` as in `against`."""
        if len(self.by_seed) > 1:
            values = list(self.by_seed.values())
            return summarize(values, test_to_train=test_to_train).interval
        if self.hits is None or self.users is None:
            return None
        return interval_over_users(self.hits, self.users)

    def against(self, other: Sample, test_to_train: float) -> Comparison | None:
        """This one (A) against another (B); None where they share neither seeds nor rows.

        Args:
          test_to_train: of splits, see `compare_pairs`; 0 where seeds are of trainings.
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
    """How sure each is; the first (A) against each that shares its seeds or rows, by Holm.

    Args:
      is_maximized: whether more is better, or less.
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
    """The pairs that share seeds or rows, A against B, adjusted by Holm."""
    found = {
        (a, b): comparison
        for a, b in pairs
        if (comparison := samples[a].against(samples[b], test_to_train))
    }
    return dict(zip(found, adjusted_by_holm(list(found.values())), strict=True))
