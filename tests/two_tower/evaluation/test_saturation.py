"""Metrics that can't tell models apart: known before training, and seen afterwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sweeper.two_tower.config import METRICS
from sweeper.two_tower.evaluation.ranking import RankingTask, SeenItems, rank
from sweeper.two_tower.evaluation.saturation import known_saturation, observed_saturation


def task_of(num_candidates: int, items=(0, 1), seen=((0, 2), (1, 2))) -> RankingTask:
    pairs = np.array(seen).reshape(-1, 2)
    return RankingTask(
        np.array([0, 1]),
        np.array(items),
        num_candidates,
        SeenItems.from_rows(pairs[:, 0], pairs[:, 1], 2, num_candidates),
    )


@pytest.mark.parametrize(
    ("metric", "num_candidates", "better"),
    [
        ("top_100", 101, None),
        ("top_100", 100, "use top_10, or mrr"),
        ("top_50", 40, "use top_5, or mrr"),
        ("top_10", 3, "use top_1, or mrr"),
        # Of 101 candidates each user has seen one.
        ("seen_filtered_top_100", 101, "use seen_filtered_top_10, or seen_filtered_mrr"),
        ("seen_filtered_top_100", 102, None),
        ("ndcg_100", 40, None),
        ("mrr", 2, None),
    ],
)
def test_as_many_candidates_as_k_are_known_beforehand(metric, num_candidates, better):
    found = known_saturation(metric, task_of(num_candidates))
    assert (better in found) if better else found == ""


def test_of_a_sample_the_sampled_ones_and_the_own_compete():
    task = replace(task_of(200), sample=np.arange(50, 99))
    assert known_saturation("top_100", task)
    assert known_saturation("top_50", task)
    assert known_saturation("top_10", task) == ""
    # Both rows' own candidates are of the sample, which has 50 in all.
    assert known_saturation(
        "top_50", replace(task, items=np.array([51, 52]), sample=np.arange(50, 100))
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("num_candidates", [3, 5, 10, 11, 50, 101])
def test_what_is_known_holds_for_the_best_and_the_worst_model(metric, num_candidates):
    """And no metric is called saturated that tells these two apart."""
    task = task_of(num_candidates)
    best = np.zeros((2, num_candidates), np.float32)
    best[[0, 1], task.items] = 1.0
    values = {
        rank(lambda start, stop, chosen, s=scores: s[start:stop, chosen], task).metrics()[metric]
        for scores in (best, -best)
    }
    assert bool(known_saturation(metric, task)) == (len(values) == 1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], ""),
        ([0.3], ""),
        ([0.1, 0.3, 0.3], ""),
        ([0.3, 0.3], "top-10 was 0.3000 at each of 2 evaluations: it can't tell them apart"),
        ([1.0], "top-10 was 1.0000 at the only evaluation"),
        ([0.0], "top-10 was 0.0000 at the only evaluation"),
        ([0.9, 1.0, 1.0], "top-10 was 1.0000, its highest possible, at 2 evaluations"),
        ([0.9, 1.0, 0.8], ""),
        ([0.0, 0.0, 0.0], "top-10 was 0.0000 at each of 3 evaluations: it can't tell them apart"),
    ],
)
def test_what_was_constant_is_said_afterwards(values, said):
    assert observed_saturation("top_10", values) == said
