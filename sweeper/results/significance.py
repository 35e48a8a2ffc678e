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

from sweeper.results.clustered_tests import compare_on_rows, interval_over_users
from sweeper.results.formatting import number
from sweeper.results.scored_rows import MODEL, hits, is_accuracy
from sweeper.results.statistics import (
    Comparison,
    adjusted_by_holm,
    compare_pairs,
    summarize,
)
from sweeper.results.study_results import MAX_COMPARED, StudyResults
from sweeper.study.outputs.leaderboard import Row, baselines_of, seed_values

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


def trial_significance(results: StudyResults) -> dict[Key, Significance]:
    """Of the best of the ranked trials, and of the baselines beside the best one.

    Empty where the study goes by something else than one accuracy.
    """
    ranked = results.ranked[:MAX_COMPARED]
    if len(results.objectives) != 1 or not is_accuracy(results.metric) or not ranked:
        return {}
    samples: dict[Key, Sample] = {row.number: trial_sample(results, row) for row in ranked}
    best = ranked[0]
    samples |= {name: _baseline(results, best, name) for name in baselines_of(best, results.metric)}
    ratio = test_to_train_ratio(results, best)
    return compare_to_best(samples, ratio, is_maximized=results.is_maximized)


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


def test_to_train_ratio(results: StudyResults, row: Row) -> float:
    """Scored rows / training rows of a trial; 0 where they are not known."""
    record = results.records.get(row.number)
    sizes = (record.data.get("rows") if record else None) or {}
    return float(sizes[results.evaluation_split] / sizes["train"]) if sizes else 0.0


def trial_sample(results: StudyResults, row: Row, metric: str | None = None) -> Sample:
    """One trial, by the study's first objective or another accuracy."""
    metric = metric or results.metric
    values = seed_values(row, metric)
    by_seed = {seed: value for seed, value in values.items() if value is not None}
    return Sample(by_seed) if by_seed else _on_rows(results, row.number, MODEL, metric)


def _baseline(results: StudyResults, best: Row, name: str) -> Sample:
    """A baseline on the rows, or the splits, of the best trial."""
    reference = results.reference
    repeats = results.repeats.get(best.number)
    if reference and name == reference["name"]:
        runs = reference["runs"]
        if len(runs) > 1:
            return Sample({run["split_seed"]: run["metrics"][results.metric] for run in runs})
        return _on_rows(results, name, MODEL, results.metric)
    if repeats:
        return Sample(
            {
                seed: record.baselines[name][record.rows][results.metric]
                for seed, record in repeats.items()
                if name in record.baselines
            }
        )
    return _on_rows(results, best.number, name, results.metric)


def _on_rows(results: StudyResults, key: Key, scorer: str, metric: str) -> Sample:
    ranks = results.ranks.get(key)
    if ranks is None or f"{scorer}_rank" not in ranks.column_names:
        return Sample()
    return Sample(
        {},
        hits(ranks, metric, scorer),
        np.asarray(ranks["user"]),
        np.asarray(ranks["item"]),
    )
