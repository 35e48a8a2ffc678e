"""What a study's confirmation found: figures over seeds, and row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow

from sweeper.console import seen_by
from sweeper.record import TrialRecord
from sweeper.report.evidence.ranks import MODEL, hits
from sweeper.report.evidence.row_comparison import compare_with_best
from sweeper.report.evidence.row_groups import (
    Group,
    Part,
    by_parts,
    by_repetition,
    by_training_rows,
    by_warmth,
)
from sweeper.report.evidence.statistics import (
    Comparison,
    Summary,
    adjusted_by_holm,
    compare_pairs,
    summarize,
)
from sweeper.row_parts import Parts


@dataclass(frozen=True)
class Run:
    """One training of a configuration, scored on test rows.

    Attributes:
      rows: the rank of each, see `sweeper.evaluation.rows.row_table`; None if they can't be read.
    """

    configuration: str
    split_seed: int
    train_seed: int
    record: TrialRecord
    rows: pyarrow.Table | None

    def figure(self, metric: str, scorer: str = MODEL) -> float:
        scores = self.record.metrics if scorer == MODEL else self.record.baselines[scorer]
        return scores["test"][metric]

    @property
    def test_to_train(self) -> float:
        """Test rows / training rows, see `sweeper.report.evidence.statistics.compare_pairs`."""
        sizes = self.record.data["rows"]
        return float(sizes["test"] / sizes["train"])


class Evidence:
    """The runs of a confirmation that every configuration has ended, and what they show.

    Attributes:
      directory: the confirmation's.
      names: the configurations; the first is the study's best, chosen on validation rows.
      baselines: the scorers beside the models, "popularity" and "ease".
      own: the split of the study itself, by seeds, then by configuration.
      own_rows: as `own`, the seeds with which the rows of all configurations are known.
      fresh: other splits, by their seed, then by configuration.
      seen: what seen-filtered metrics leave out, see `sweeper.config.seen_reading`.
      is_split_at_random: whether rows are of one part or another by chance.
    """

    def __init__(
        self, directory: Path, names: Sequence[str], runs: Sequence[Run], own_split: int | None
    ) -> None:
        self.directory, self.names = directory, list(names)
        # By (metric, fresh): the bootstrap takes a second, and several blocks tell of the same.
        self._compared: dict[tuple[str, bool], dict[str, Comparison]] = {}
        self.own = _complete(names, [run for run in runs if run.split_seed == own_split])
        self.fresh = _complete(names, [run for run in runs if run.split_seed != own_split])
        self.own_rows = {
            seeds: runs
            for seeds, runs in self.own.items()
            if all(run.rows is not None for run in runs.values())
        }
        self.is_split_at_random = all(
            run.record.config["data"]["split"] == "random" for run in runs
        )
        self.seen = seen_by(runs[0].record.config) if runs else "training"
        self.baselines = list(runs[0].record.baselines) if runs else []

    @property
    def winner(self) -> str:
        return self.names[0]

    @property
    def is_complete(self) -> bool:
        """Whether there is a seed, or a split, that all configurations have."""
        return bool(self.own or self.fresh)

    def confirms(self, trial: int) -> bool:
        return self.winner == f"trial_{trial}"

    def values(self, name: str, metric: str, fresh: bool = False) -> list[float]:
        """A configuration's or a baseline's figure with each seed."""
        rounds = self.fresh if fresh else self.own
        return [self._figure(each, name, metric) for each in rounds.values()]

    def _figure(self, runs: dict[str, Run], name: str, metric: str) -> float:
        if name in self.baselines:
            return runs[self.winner].figure(metric, name)
        return runs[name].figure(metric)

    def summary(self, name: str, metric: str, fresh: bool = False) -> Summary | None:
        """Mean, deviation and interval over seeds; None where there is no seed."""
        values = self.values(name, metric, fresh)
        if not values:
            return None
        return summarize(values, test_to_train=self._test_to_train() if fresh else 0.0)

    def _test_to_train(self) -> float:
        """Of the fresh splits."""
        return next(iter(self.fresh.values()))[self.winner].test_to_train

    def compared(self, metric: str, fresh: bool = False) -> dict[str, Comparison]:
        """The winner (A) against all others, on the own test rows or on fresh splits."""
        if (metric, fresh) not in self._compared:
            compare = self._on_splits if fresh else self._on_own_rows
            self._compared[metric, fresh] = compare(metric)
        return self._compared[metric, fresh]

    def _on_own_rows(self, metric: str) -> dict[str, Comparison]:
        others = [*self.names[1:], *self.baselines]
        ranks = self._ranks()
        if ranks is None:
            return {}
        hits_of_others = [self._hits(name, metric) for name in others]
        users = np.asarray(ranks["user"])
        comparisons = compare_with_best(self._hits(self.winner, metric), hits_of_others, users)
        return dict(zip(others, comparisons, strict=True))

    def _ranks(self) -> pyarrow.Table | None:
        """Of one training on the own split; all have the same rows."""
        return next((runs[self.winner].rows for runs in self.own_rows.values()), None)

    def _hits(self, name: str, metric: str) -> np.ndarray:
        """[seeds, rows]; a baseline has no training seed and is the same with each."""
        scorer = name if name in self.baselines else MODEL
        of = self.winner if name in self.baselines else name
        tables = [runs[of].rows for runs in self.own_rows.values()]
        return np.stack([hits(table, metric, scorer) for table in tables if table is not None])

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

    def by_training_rows(self, of: str, metric: str) -> list[Group]:
        """See `sweeper.report.evidence.row_groups`, on the own test rows, means over the seeds."""
        ranks = self._ranks()
        return [] if ranks is None else by_training_rows(ranks, of, self._mean_hits(metric))

    def by_warmth(self, metric: str) -> list[Part]:
        """See `sweeper.report.evidence.row_groups`, on the own test rows, means over the seeds."""
        ranks = self._ranks()
        return [] if ranks is None else by_warmth(ranks, self._mean_hits(metric))

    def by_repetition(self, metric: str) -> list[Part]:
        """See `sweeper.report.evidence.row_groups`, on the own test rows, means over the seeds."""
        ranks = self._ranks()
        return [] if ranks is None else by_repetition(ranks, self._mean_hits(metric))

    def by_parts(self, parts: Parts, metric: str) -> list[Part]:
        """See `sweeper.report.evidence.row_groups`, on the own test rows, means over the seeds."""
        ranks = self._ranks()
        return [] if ranks is None else by_parts(parts, ranks, self._mean_hits(metric))

    def _mean_hits(self, metric: str) -> dict[str, np.ndarray]:
        """By configuration and baseline, [rows]."""
        names = [*self.names, *self.baselines]
        return {name: self._hits(name, metric).mean(axis=0) for name in names}

    def coverage(self) -> dict[str, float]:
        """The mean share of the catalogue in anyone's top 100, by configuration and baseline."""
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


def _complete(names: Sequence[str], runs: Sequence[Run]) -> dict[tuple[int, int], dict[str, Run]]:
    """By (split seed, training seed), those that every configuration has."""
    rounds: dict[tuple[int, int], dict[str, Run]] = {}
    for run in runs:
        rounds.setdefault((run.split_seed, run.train_seed), {})[run.configuration] = run
    return {seeds: rounds[seeds] for seeds in sorted(rounds) if set(rounds[seeds]) == set(names)}
