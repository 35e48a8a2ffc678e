"""The results of a study's confirmation: values over seeds, and tests on rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow

from sweeper.results.clustered_tests import compare_with_best
from sweeper.results.scored_rows import MODEL, hits
from sweeper.results.statistics import (
    Comparison,
    Summary,
    adjusted_by_holm,
    compare_pairs,
    summarize,
)
from sweeper.study.confirmation import is_untouched
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import seen_by


@dataclass(frozen=True)
class Run:
    """One training of a configuration, scored on test rows.

    Attributes:
      split: its split seed, or its cut if the data is split by time.
      rows: the rank of each test row, see `evaluation.rows.row_table`; None if they can't be read.
    """

    configuration: str
    split: int
    train_seed: int
    record: TrialRecord
    rows: pyarrow.Table | None

    def value(self, metric: str, scorer: str = MODEL) -> float:
        scores = self.record.metrics if scorer == MODEL else self.record.baselines[scorer]
        return scores["test"][metric]

    @property
    def test_to_train(self) -> float:
        """Test rows / training rows, see `sweeper.results.statistics.compare_pairs`."""
        sizes = self.record.data["rows"]
        return float(sizes["test"] / sizes["train"])


# By (split, training seed).
Rounds = Mapping[tuple[int, int], dict[str, Run]]


class ConfirmationResults:
    """The runs of a confirmation that ended for every configuration, and what they show.

    Attributes:
      directory: of the confirmation.
      names: the configurations; the first is the study's best, chosen on validation rows.
      baselines: the names of the baselines, "popularity" and "ease".
      own: by split and training seed, then by configuration, the runs on test rows that the search
        never used: those of the study's own split, and of later cuts if it is split by time.
      own_rows: like `own`, for the seeds with which the rows of all configurations are known.
      fresh: the other runs, on fresh random splits or earlier cuts.
      seen: what seen-filtered metrics leave out, see `sweeper.two_tower.config.seen_reading`.
      is_split_at_random: whether rows are split at random. Splits are samples then. Cuts are few
        and depend on each other, so values are over all cuts together, and only users and training
        seeds are samples.
    """

    def __init__(
        self, directory: Path, names: Sequence[str], runs: Sequence[Run], own_split: int | None
    ) -> None:
        self.directory, self.names = directory, list(names)
        # By (metric, fresh): the bootstrap takes a second, and several sections use the same.
        self._compared: dict[tuple[str, bool], dict[str, Comparison]] = {}
        self.is_split_at_random = all(
            run.record.config["data"]["split"] == "random" for run in runs
        )
        self.seen = seen_by(runs[0].record.config) if runs else "training"

        def is_own(run: Run) -> bool:
            if own_split is None or self.is_split_at_random:
                return run.split == own_split
            return is_untouched(run.split, own_split)

        self.own = self._complete_cuts(_complete(names, [run for run in runs if is_own(run)]))
        self.fresh = self._complete_cuts(_complete(names, [run for run in runs if not is_own(run)]))
        self.own_rows = self._complete_cuts(_with_rows(self.own))
        self.baselines = list(runs[0].record.baselines) if runs else []

    @property
    def winner(self) -> str:
        return self.names[0]

    @property
    def is_complete(self) -> bool:
        """Whether there is a seed, or a split, that all configurations have.

        Earlier cuts confirm nothing by themselves, since the search used them.
        """
        return bool(self.own or (self.fresh and self.is_split_at_random))

    def confirms(self, trial: int) -> bool:
        return self.winner == f"trial_{trial}"

    def values(self, name: str, metric: str, fresh: bool = False) -> list[float]:
        """Returns a configuration's or a baseline's value with each seed, over all cuts."""
        rounds = self.fresh if fresh else self.own
        if self.are_splits_samples(fresh):
            return [self._value(each, name, metric) for each in rounds.values()]
        return [self._of_cuts(each, name, metric) for each in _by_seed(rounds)]

    def values_at(self, cut: int, name: str, metric: str) -> list[float]:
        """Returns a configuration's or a baseline's value with each seed, at one cut."""
        rounds = {**self.own, **self.fresh}
        return [self._value(each, name, metric) for (at, _), each in rounds.items() if at == cut]

    def test_rows_at(self, cut: int) -> int:
        rounds = {**self.own, **self.fresh}
        runs = next(runs for (at, _), runs in rounds.items() if at == cut)
        return int(runs[self.winner].record.data["rows"]["test"])

    def cuts(self, fresh: bool = False) -> list[int]:
        """Returns the cuts, the latest first, or the seeds of random splits."""
        return sorted({split for split, _ in (self.fresh if fresh else self.own)})

    def seeds(self, fresh: bool = False) -> int:
        """Returns the number of training seeds."""
        return len({seed for _, seed in (self.fresh if fresh else self.own)})

    def are_splits_samples(self, fresh: bool) -> bool:
        """Returns whether values are compared between random splits, and not between seeds."""
        return fresh and self.is_split_at_random

    def _of_cuts(self, runs: Sequence[dict[str, Run]], name: str, metric: str) -> float:
        """Returns the mean over all test rows of the cuts."""
        values = [self._value(each, name, metric) for each in runs]
        if len(values) == 1:
            return values[0]
        weights = [each[self.winner].record.data["rows"]["test"] for each in runs]
        return float(np.average(values, weights=weights))

    def _complete_cuts(self, rounds: Rounds) -> Rounds:
        """Keeps the training seeds that every cut has, if the data is split by time."""
        if self.is_split_at_random:
            return rounds
        cuts = {cut for cut, _ in rounds}
        return {
            (cut, seed): runs
            for (cut, seed), runs in rounds.items()
            if all((other, seed) in rounds for other in cuts)
        }

    def _value(self, runs: dict[str, Run], name: str, metric: str) -> float:
        if name in self.baselines:
            return runs[self.winner].value(metric, name)
        return runs[name].value(metric)

    def summary(self, name: str, metric: str, fresh: bool = False) -> Summary | None:
        """Returns mean, deviation and interval over seeds; None if there is no seed."""
        values = self.values(name, metric, fresh)
        if not values:
            return None
        ratio = self._test_to_train() if self.are_splits_samples(fresh) else 0.0
        return summarize(values, test_to_train=ratio)

    def _test_to_train(self) -> float:
        """Returns test rows / training rows of the fresh splits."""
        return next(iter(self.fresh.values()))[self.winner].test_to_train

    def compared(self, metric: str, fresh: bool = False) -> dict[str, Comparison]:
        """Compares the winner (A) with all others, on its own test rows or on fresh ones."""
        if (metric, fresh) not in self._compared:
            if self.are_splits_samples(fresh):
                compared = self._on_splits(metric)
            else:
                rounds = self._complete_cuts(_with_rows(self.fresh)) if fresh else self.own_rows
                compared = self._on_rows(rounds, metric)
            self._compared[metric, fresh] = compared
        return self._compared[metric, fresh]

    def _on_rows(self, rounds: Rounds, metric: str) -> dict[str, Comparison]:
        """Compares row by row; the rows of all cuts count together, clustered by user."""
        if not rounds:
            return {}
        others = [*self.names[1:], *self.baselines]
        users = np.asarray(self._tables(rounds, self.winner)[0]["user"])
        comparisons = compare_with_best(
            self._hits(rounds, self.winner, metric),
            [self._hits(rounds, name, metric) for name in others],
            users,
        )
        return dict(zip(others, comparisons, strict=True))

    def _tables(self, rounds: Rounds, name: str) -> list[pyarrow.Table]:
        """Returns the ranks of each training seed; all have the same rows."""
        runs = {key: each[name] for key, each in rounds.items()}
        return ranks_by_seed(runs)

    def _hits(self, rounds: Rounds, name: str, metric: str) -> np.ndarray:
        """Returns the hits, [seeds, rows]; those of a baseline are the same with each seed."""
        scorer = name if name in self.baselines else MODEL
        of = self.winner if name in self.baselines else name
        return np.stack([hits(table, metric, scorer) for table in self._tables(rounds, of)])

    def _on_splits(self, metric: str) -> dict[str, Comparison]:
        if not self.fresh:
            return {}
        mine = self.values(self.winner, metric, fresh=True)
        others = [*self.names[1:], *self.baselines]
        comparisons = [
            compare_pairs(
                mine,
                self.values(name, metric, fresh=True),
                test_to_train=self._test_to_train(),
            )
            for name in others
        ]
        return dict(zip(others, adjusted_by_holm(comparisons), strict=True))

    def own_ranks(self) -> pyarrow.Table | None:
        """Returns the own test rows with one training seed's ranks; None if none are known."""
        return self._tables(self.own_rows, self.winner)[0] if self.own_rows else None

    def mean_hits(self, metric: str) -> dict[str, np.ndarray]:
        """Returns the mean hits over the seeds by name, [rows of `own_ranks`]."""
        names = [*self.names, *self.baselines]
        return {name: self._hits(self.own_rows, name, metric).mean(axis=0) for name in names}

    def coverage(self) -> dict[str, float]:
        """Returns the mean share of the catalogue in anyone's top 100, by name."""
        found = {
            name: [(runs[name].record.coverage or {}).get(MODEL) for runs in self.own.values()]
            for name in self.names
        }
        found |= {
            name: [
                (runs[self.winner].record.coverage or {}).get(name) for runs in self.own.values()
            ]
            for name in self.baselines
        }
        known = {name: [v for v in values if v is not None] for name, values in found.items()}
        return {name: float(np.mean(values)) for name, values in known.items() if values}


def ranks_by_seed(runs: Mapping[tuple[int, int], Run]) -> list[pyarrow.Table]:
    """Concatenates, for each training seed, the ranks of all its splits.

    They have the columns that all splits have: `seconds_since_training` is one only if all test
    rows come after training, see `sweeper.two_tower.evaluation.rows.row_table`.

    Args:
      runs: of one configuration, by (split, training seed), all with their rows.
    """
    found: dict[int, list[pyarrow.Table]] = {}
    for (_, seed), run in runs.items():
        found.setdefault(seed, []).append(run.rows)
    every = [table for tables in found.values() for table in tables]
    common = [
        column
        for column in (every[0].column_names if every else [])
        if all(column in table.column_names for table in every)
    ]
    return [
        pyarrow.concat_tables([table.select(common) for table in tables])
        for tables in found.values()
    ]


def _complete(names: Sequence[str], runs: Sequence[Run]) -> Rounds:
    """Groups runs by (split, training seed); keeps those that every configuration has."""
    rounds: dict[tuple[int, int], dict[str, Run]] = {}
    for run in runs:
        rounds.setdefault((run.split, run.train_seed), {})[run.configuration] = run
    return {seeds: rounds[seeds] for seeds in sorted(rounds) if set(rounds[seeds]) == set(names)}


def _with_rows(rounds: Rounds) -> Rounds:
    return {
        seeds: runs
        for seeds, runs in rounds.items()
        if all(run.rows is not None for run in runs.values())
    }


def _by_seed(rounds: Rounds) -> list[list[dict[str, Run]]]:
    """Returns the cuts of each training seed, in the same order."""
    found: dict[int, list[dict[str, Run]]] = {}
    for (_, seed), runs in rounds.items():
        found.setdefault(seed, []).append(runs)
    return list(found.values())
