"""Configurations that a study repeats over seeds: their means, and how significant they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from sweeper.results.baselines import best_unbeaten_baseline
from sweeper.results.formatting import number
from sweeper.results.importance import is_seed
from sweeper.results.significance import (
    Key,
    Sample,
    Significance,
    compare_to_best,
)
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row, baselines_of, parameter_names
from sweeper.study.outputs.number_formats import parameters_text, short_names

# The seeds of a trial, of its split and of its training.
Seeds = tuple[Any, ...]


@dataclass(frozen=True)
class SeedGroup:
    """A configuration, and its value with each seed.

    Attributes:
      rows: its trials.
      baselines: their means over the same trials.
    """

    label: str
    rows: list[Row]
    baselines: dict[str, float]

    @property
    def values(self) -> list[float]:
        return [row.values[0] for row in self.rows]

    @property
    def sample(self) -> Sample:
        """The values by seed."""
        return Sample({_seeds(row): row.values[0] for row in self.rows})

    @property
    def mean(self) -> float:
        return fmean(self.values)

    def mean_over(self, seeds: Collection[Seeds]) -> float:
        """Returns the mean over some of its seeds."""
        return fmean(row.values[0] for row in self.rows if _seeds(row) in seeds)

    @property
    def text(self) -> str:
        return mean_text(self.values)

    @property
    def reference(self) -> str | None:
        """The name among the baselines that is the study's reference."""
        return self.rows[0].reference

    @property
    def unbeaten(self) -> tuple[str, float] | None:
        """The name and the value of the best baseline, unless the mean is above it."""
        return best_unbeaten_baseline(self.mean, self.baselines, self.reference)


def has_seed_groups(results: StudyResults) -> bool:
    """Returns whether the trials of a study repeat configurations over seeds."""
    return len(results.objectives) == 1 and any(map(is_seed, parameter_names(results.rows)))


def seed_groups(results: StudyResults) -> list[SeedGroup]:
    """Groups the complete trials by configuration, the best first.

    The order is by the means over the seeds that all groups share, so that none is first because
    of an easy split. If they share none, the groups with the most seeds come first.
    """
    groups: dict[str, list[Row]] = {}
    for row in results.of_states("complete"):
        groups.setdefault(repr(sorted(_searched(row).items())), []).append(row)
    found = [
        SeedGroup(label, rows, _mean_baselines(rows, results.metric))
        for label, rows in zip(_labels(results, groups.values()), groups.values(), strict=True)
    ]
    turn, shared = -1 if results.is_maximized else 1, shared_seeds(found)

    def order(each: SeedGroup) -> tuple[float, float]:
        if shared:
            return 0, turn * each.mean_over(shared)
        return -len(each.rows), turn * each.mean

    return sorted(found, key=order)


def shared_seeds(configurations: Sequence[SeedGroup]) -> set[Seeds]:
    """Returns the seeds with which every configuration has a complete trial."""
    own = [{_seeds(row) for row in each.rows} for each in configurations]
    return set.intersection(*own) if own else set()


def _labels(results: StudyResults, groups: Iterable[Sequence[Row]]) -> list[str]:
    """Names each configuration; with all digits if two would have the same name."""
    short = short_names(parameter_names(results.rows))
    params = [_searched(rows[0]) for rows in groups]
    labels = [parameters_text(own, short) or "all trials" for own in params]
    return [
        label
        if labels.count(label) == 1
        else "  ".join(f"{short[name]} {value!r}" for name, value in own.items())
        for label, own in zip(labels, params, strict=True)
    ]


def seed_group_significance(
    results: StudyResults, configurations: Sequence[SeedGroup]
) -> dict[Key, Significance]:
    """Compares the mean of the first group with the other groups, by label, and the baselines."""
    samples: dict[Key, Sample] = {each.label: each.sample for each in configurations}
    samples |= {
        name: baseline_over_seeds(results, name) for name in baselines_over_seeds(configurations)
    }
    ratio = seed_group_ratio(results, configurations[0])
    return compare_to_best(samples, ratio, is_maximized=results.is_maximized)


def seed_group_ratio(results: StudyResults, first: SeedGroup) -> float:
    """Returns scored rows / training rows if the seeds are split seeds, 0 if they are not."""
    of_splits = any(name.endswith("split_seed") for name in first.rows[0].params)
    return results.test_to_train(first.rows[0]) if of_splits else 0.0


def baselines_over_seeds(configurations: Sequence[SeedGroup]) -> list[str]:
    return list(dict.fromkeys(name for each in configurations for name in each.baselines))


def baseline_over_seeds(results: StudyResults, name: str) -> Sample:
    """Returns a baseline by seed; all configurations of a split share it."""
    found = {
        _seeds(row): baselines_of(row, results.metric) for row in results.of_states("complete")
    }
    return Sample({seeds: each[name] for seeds, each in found.items() if name in each})


def _searched(row: Row) -> dict[str, Any]:
    """Returns a trial's parameters without its seeds."""
    return {name: value for name, value in row.params.items() if not is_seed(name)}


def _seeds(row: Row) -> Seeds:
    return tuple(value for name, value in row.params.items() if is_seed(name))


def _mean_baselines(rows: list[Row], metric: str) -> dict[str, float]:
    each = [baselines_of(row, metric) for row in rows]
    shared = [name for name in each[0] if all(name in one for one in each)]
    return {name: fmean(one[name] for one in each) for name in shared}


def mean_text(values: Sequence[float]) -> str:
    spread = f" ± {number(stdev(values))}" if len(values) > 1 else ""
    return f"{number(fmean(values))}{spread}"
