"""What a study's confirmation found, read from its directory: figures over seeds, and the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pyarrow
from optuna.trial import FrozenTrial, TrialState

from sweeper import record as records
from sweeper.errors import OutputError
from sweeper.record import TrialRecord
from sweeper.report.ranks import MODEL, hits, read_ranks
from sweeper.report.statistics import (
    Comparison,
    Summary,
    adjusted_by_holm,
    compare_pairs,
    compare_with_best,
    summarize,
)
from sweeper.study import attributes
from sweeper.study.confirmation import DIRECTORY
from sweeper.study.retraining import CONFIGURATION, SPLIT_SEED, TRAIN_SEED, values_of
from sweeper.study.storage import DATABASE, check_database, load_study

METRICS = ("top_100", "seen_filtered_top_100")
GROUPS = 10


@dataclass(frozen=True)
class Run:
    """One training of a configuration, scored on test rows."""

    configuration: str
    split_seed: int
    train_seed: int
    record: TrialRecord
    rows: pyarrow.Table

    def figure(self, metric: str, scorer: str = MODEL) -> float:
        return float(self.hits(metric, scorer).mean())

    def hits(self, metric: str, scorer: str = MODEL) -> np.ndarray:
        """Whether each row's true candidate is among the first 100, [rows]."""
        return hits(self.rows, metric, scorer)


@dataclass(frozen=True)
class Group:
    """Rows whose user, or candidate, has between `low` and `high` training rows."""

    low: int
    high: int
    rows: int
    accuracies: dict[str, float]


class Evidence:
    """The runs of a confirmation that every configuration has ended, and what they show.

    Attributes:
      directory: the confirmation's.
      names: the configurations; the first is the study's best, chosen on validation rows.
      baselines: the scorers beside the models, "popularity" and "ease".
      own: the split of the study itself, by training seed, then by configuration.
      fresh: other splits, by their seed, then by configuration.
    """

    def __init__(
        self, directory: Path, names: Sequence[str], runs: Sequence[Run], own_split: int | None
    ) -> None:
        self.directory, self.names = directory, list(names)
        # By (metric, fresh): the bootstrap takes a second, and several blocks tell of the same.
        self._compared: dict[tuple[str, bool], dict[str, Comparison]] = {}
        self.own = _complete(names, [run for run in runs if run.split_seed == own_split])
        self.fresh = _complete(names, [run for run in runs if run.split_seed != own_split])
        self.baselines = list(runs[0].record.baselines) if runs else []

    @property
    def winner(self) -> str:
        return self.names[0]

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
        return summarize(values) if values else None

    def compared(self, metric: str, fresh: bool = False) -> dict[str, Comparison]:
        """The winner (A) against all others, on the own test rows or on fresh splits."""
        if (metric, fresh) not in self._compared:
            compare = self._on_splits if fresh else self._on_own_rows
            self._compared[metric, fresh] = compare(metric)
        return self._compared[metric, fresh]

    def _on_own_rows(self, metric: str) -> dict[str, Comparison]:
        others = [*self.names[1:], *self.baselines]
        if not self.own:
            return {}
        hits = [self._hits(name, metric) for name in others]
        users = np.asarray(next(iter(self.own.values()))[self.winner].rows["user"])
        comparisons = compare_with_best(self._hits(self.winner, metric), hits, users)
        return dict(zip(others, comparisons, strict=True))

    def _hits(self, name: str, metric: str) -> np.ndarray:
        """[seeds, rows]; a baseline has no training seed and is the same with each."""
        if name in self.baselines:
            return np.stack([runs[self.winner].hits(metric, name) for runs in self.own.values()])
        return np.stack([runs[name].hits(metric) for runs in self.own.values()])

    def _on_splits(self, metric: str) -> dict[str, Comparison]:
        if not self.fresh:
            return {}
        sizes = next(iter(self.fresh.values()))[self.winner].record.data["rows"]
        mine = self.values(self.winner, metric, fresh=True)
        others = [*self.names[1:], *self.baselines]
        comparisons = [
            compare_pairs(
                mine,
                self.values(name, metric, fresh=True),
                test_to_train=sizes["test"] / sizes["train"],
            )
            for name in others
        ]
        return dict(zip(others, adjusted_by_holm(comparisons), strict=True))

    def by_training_rows(self, of: str, metric: str) -> list[Group]:
        """Accuracies on tenths of the own test rows, fewest training rows first.

        Args:
          of: "user" for how active the user is, "item" for how popular the candidate is.
        """
        if not self.own:
            return []
        table = next(iter(self.own.values()))[self.winner].rows
        counts = np.asarray(table[f"{of}_rows"])
        hits = {
            name: self._hits(name, metric).mean(axis=0) for name in [*self.names, *self.baselines]
        }
        return [
            Group(
                int(counts[rows].min()),
                int(counts[rows].max()),
                len(rows),
                {name: float(values[rows].mean()) for name, values in hits.items()},
            )
            for rows in _tenths(counts)
        ]

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


def load_evidence(study: Path) -> tuple[Evidence | None, list[str]]:
    """The latest confirmation below a study's directory; and what is wrong with it."""
    places = [place for place in study.glob(f"{DIRECTORY}*") if (place / DATABASE).exists()]
    if not places:
        return None, []
    directory = max(places, key=_number)
    try:
        check_database(directory)
        confirmation = load_study(directory, DIRECTORY)
    except OutputError as error:
        return None, [f"{error}; left out: the evidence"]
    runs, problems = [], []
    for trial in confirmation.get_trials(deepcopy=False):
        if trial.state == TrialState.COMPLETE:
            try:
                runs.append(_run(directory, trial))
            except OutputError as error:
                problems.append(str(error))
    names = confirmation.user_attrs[attributes.CONFIGS]
    return Evidence(directory, list(names), runs, _own_split(confirmation)), problems


def _number(place: Path) -> int:
    found = re.search(r"_(\d+)$", place.name)
    return int(found[1]) if found else 1


def _own_split(confirmation: optuna.Study) -> int | None:
    """The study's own split; None where fresh ones alone confirm it."""
    user_attrs = confirmation.user_attrs
    points = user_attrs[attributes.POINTS]
    own = user_attrs[attributes.PROTOCOL]["data.split_seed"]
    return own if any(point[SPLIT_SEED] == own for point in points) else None


def _run(directory: Path, trial: FrozenTrial) -> Run:
    place = directory / trial.user_attrs[attributes.DIRECTORY]
    values = values_of(trial.user_attrs[attributes.OVERRIDES])
    return Run(
        values[CONFIGURATION],
        int(values[SPLIT_SEED]),
        int(values[TRAIN_SEED]),
        records.read(place),
        read_ranks(place / records.ROWS["test"]),
    )


def _complete(names: Sequence[str], runs: Sequence[Run]) -> dict[tuple[int, int], dict[str, Run]]:
    """By (split seed, training seed), those that every configuration has."""
    rounds: dict[tuple[int, int], dict[str, Run]] = {}
    for run in runs:
        rounds.setdefault((run.split_seed, run.train_seed), {})[run.configuration] = run
    return {seeds: rounds[seeds] for seeds in sorted(rounds) if set(rounds[seeds]) == set(names)}


def _tenths(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Positions in ten parts of about equal size; equal counts stay together."""
    order = np.argsort(counts, kind="stable")
    edges = [counts[order[len(order) * part // GROUPS]] for part in range(1, GROUPS)]
    group = np.searchsorted(np.unique(edges), counts, side="right")
    for part in np.unique(group):
        yield np.flatnonzero(group == part)
