"""Whether deeper towers were better: the best configuration of each depth against the next."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from sweeper.results.formatting import count, metric_label, signed
from sweeper.results.scored_rows import is_accuracy
from sweeper.results.seed_groups import seed_group_ratio
from sweeper.results.significance import (
    Key,
    Sample,
    compare_samples,
)
from sweeper.results.statistics import Comparison
from sweeper.results.study_results import StudyResults
from sweeper.results.towers import best_of_each_depth


def depth_text(results: StudyResults) -> str | None:
    """The answer in sentences; None where the depths can't be compared on seeds or rows."""
    if len(results.objectives) != 1 or not is_accuracy(results.metric):
        return None
    samples, ratio = _best_of_each(results)
    depths = sorted(samples, key=int)
    steps = list(pairwise(depths))
    compared = compare_samples(samples, [(deeper, less) for less, deeper in steps], ratio)
    if not compared:
        return None
    texts = [_step_text(*pair, each) for pair, each in compared.items()]
    seeds = {
        len(samples[deeper].by_seed.keys() & samples[less].by_seed.keys())
        for deeper, less in compared
    }
    if max(seeds) > 1:
        same = str(max(seeds)) if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
        how = f"the best configuration of each, on the same {same} seeds"
    else:
        how = "the best trial of each, on the same rows; of single trainings, the best of many"
    return f"Did depth help the {metric_label(results.metric)}? {'; '.join(texts)} ({how})."


def _best_of_each(results: StudyResults) -> tuple[Mapping[Key, Sample], float]:
    """The best configuration of each depth, and what `compare_samples` needs."""
    best = best_of_each_depth(results)
    samples: dict[Key, Sample] = {
        depth: each.seed_group.sample if each.seed_group else results.sample(each.row)
        for depth, each in best.items()
    }
    if not best:
        return samples, 0.0
    first = next(iter(best.values()))
    if first.seed_group:
        return samples, seed_group_ratio(results, first.seed_group)
    return samples, results.test_to_train(first.row)


def _step_text(deeper: Key, less: Key, comparison: Comparison) -> str:
    """ "2 layers against 1: +0.0250, better"; A is the deeper one."""
    # It is A, the deeper one, that is spoken of.
    verdict = comparison.verdict_where_less_is_better
    layers = count(int(deeper), "layer")
    interval = ""
    if comparison.low is not None and comparison.high is not None:
        interval = f", 95 % interval {signed(comparison.low)} to {signed(comparison.high)}"
    return f"{layers} against {less}: {signed(comparison.difference)}{interval}, {verdict}"
