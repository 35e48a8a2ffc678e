"""Whether deeper towers were better: the best configuration of each depth against the next."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from sweeper.results.analysis.seed_groups import ratio_over_seeds
from sweeper.results.analysis.significance import Key, Sample, compare, ratio_of_rows, scored_trial
from sweeper.results.analysis.towers import best_of_each_depth
from sweeper.results.evidence.ranks import is_accuracy
from sweeper.results.evidence.statistics import Comparison
from sweeper.results.formatting import count, metric_words, signed
from sweeper.results.study_results import StudyResults


def depth_text(subject: StudyResults) -> str | None:
    """The answer in sentences; None where the depths can't be compared on seeds or rows."""
    if len(subject.objectives) != 1 or not is_accuracy(subject.metric):
        return None
    scored, ratio = _best_of_each(subject)
    depths = sorted(scored, key=int)
    steps = list(pairwise(depths))
    compared = compare(scored, [(deeper, less) for less, deeper in steps], ratio)
    if not compared:
        return None
    texts = [_step_text(*pair, each) for pair, each in compared.items()]
    seeds = {
        len(scored[deeper].by_seed.keys() & scored[less].by_seed.keys())
        for deeper, less in compared
    }
    if max(seeds) > 1:
        same = str(max(seeds)) if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
        how = f"the best configuration of each, on the same {same} seeds"
    else:
        how = "the best trial of each, on the same rows; of single trainings, the best of many"
    return f"Did depth help the {metric_words(subject.metric)}? {'; '.join(texts)} ({how})."


def _best_of_each(subject: StudyResults) -> tuple[Mapping[Key, Sample], float]:
    """The best configuration of each depth, and what `compare` needs."""
    best = best_of_each_depth(subject)
    scored: dict[Key, Sample] = {
        depth: each.repeated.scored if each.repeated else scored_trial(subject, each.row)
        for depth, each in best.items()
    }
    if not best:
        return scored, 0.0
    first = next(iter(best.values()))
    if first.repeated:
        return scored, ratio_over_seeds(subject, first.repeated)
    return scored, ratio_of_rows(subject, first.row)


def _step_text(deeper: Key, less: Key, comparison: Comparison) -> str:
    """ "2 layers against 1: +0.0250, better"; A is the deeper one."""
    # It is A, the deeper one, that is spoken of.
    verdict = comparison.verdict_where_less
    layers = count(int(deeper), "layer")
    interval = ""
    if comparison.low is not None and comparison.high is not None:
        interval = f", 95 % interval {signed(comparison.low)} to {signed(comparison.high)}"
    return f"{layers} against {less}: {signed(comparison.difference)}{interval}, {verdict}"
