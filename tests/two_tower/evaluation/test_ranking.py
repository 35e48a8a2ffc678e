"""Ranks by counting: by hand, against TFRS, and against a loop over all pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from small_trials import skewed_interactions, small_config, tutorial_features

from sweeper.common.errors import ConfigError, TrialError
from sweeper.two_tower.config import METRICS, MRR, SEEN_FILTERED, TOP_K
from sweeper.two_tower.evaluation import ranking
from sweeper.two_tower.evaluation.metrics import NEVER_SHOWN
from sweeper.two_tower.evaluation.ranking import (
    Candidates,
    RankingTask,
    Ranks,
    SeenItems,
    draw_sample,
    rank,
    rows_a_chunk,
)
from sweeper.two_tower.evaluation.scoring import ModelScorer
from sweeper.two_tower.training.setup import set_up_training


def task_of(users, items, num_candidates, seen=()) -> RankingTask:
    """A task whose users have the (user, item) pairs `seen` in training."""
    pairs = np.array(seen, np.int64).reshape(-1, 2)
    users = np.array(users)
    num_users = max([*users, *pairs[:, 0]]) + 1
    return RankingTask(
        users,
        np.array(items),
        num_candidates,
        SeenItems.from_rows(pairs[:, 0], pairs[:, 1], num_users, num_candidates),
    )


def rank_matrix(scores, task: RankingTask) -> Ranks:
    matrix = np.asarray(scores, np.float32)
    return rank(lambda start, stop, chosen: matrix[start:stop, chosen], task)


def naive_rank(scores, own: int, left_out=()) -> int:
    """Among all but those left out; an own candidate that is left out is never found."""
    if own in left_out:
        return NEVER_SHOWN
    return sum(
        1
        for candidate, score in enumerate(scores)
        if candidate != own and candidate not in left_out and score >= scores[own]
    )


def test_ranks_by_hand() -> None:
    # Of the four candidates, two score above row 0's, none above row 1's.
    scores = [[0.5, 0.9, 0.1, 0.7], [0.2, -0.3, 0.8, 0.1]]
    ranks = rank_matrix(scores, task_of([0, 1], [0, 2], 4))
    assert ranks.unfiltered.tolist() == [2, 0]
    assert ranks.seen_filtered.tolist() == [2, 0]


def test_a_tie_counts_against_the_true_candidate() -> None:
    ranks = rank_matrix([[0.5, 0.5, 0.1, 0.5]], task_of([0], [0], 4))
    assert ranks.unfiltered.tolist() == [2]


def test_a_model_that_scores_everything_alike_gets_nothing() -> None:
    scores = np.full((30, 150), 3.25)
    metrics = rank_matrix(scores, task_of([0] * 30, range(30), 150)).metrics()
    assert tuple(metrics) == METRICS
    for name, value in metrics.items():
        # All 149 others are ahead of each; that is the least that MRR can be.
        assert value == pytest.approx(1 / 150 if name.endswith(MRR) else 0.0)


def test_seen_candidates_are_left_out_of_the_competition_by_hand() -> None:
    # Item 0 is asked for. Items 1 to 3 score above it, item 4 as high, item 5 below.
    scores = [[0.5, 0.9, 0.8, 0.7, 0.5, 0.1]] * 3
    seen = [(0, 1), (0, 4), (0, 5), (1, 0), (1, 2)]
    ranks = rank_matrix(scores, task_of([0, 1, 2], [0, 0, 0], 6, seen))
    assert ranks.unfiltered.tolist() == [4, 4, 4]
    # User 0 has seen one above and the tied one; user 1 the asked one itself, so that it is
    # never shown; user 2 nothing.
    assert ranks.seen_filtered.tolist() == [2, NEVER_SHOWN, 4]
    assert ranks.is_repeat.tolist() == [False, True, False]
    assert ranks.unfiltered.dtype == ranks.seen_filtered.dtype == np.int32


def test_a_row_of_an_item_that_its_user_has_is_a_miss_at_every_k() -> None:
    """Even if it scores best, and if k is the whole catalogue."""
    metrics = rank_matrix([[9, 1, 1], [9, 1, 1]], task_of([0, 1], [0, 0], 3, [(0, 0)])).metrics()
    for name, value in metrics.items():
        assert value == (0.5 if name.startswith(SEEN_FILTERED) else 1.0), name


def test_the_same_training_row_twice_is_filtered_once() -> None:
    seen = [(0, 1), (0, 1), (0, 1)]
    ranks = rank_matrix([[0.5, 0.9, 0.8]], task_of([0], [0], 3, seen))
    assert ranks.seen_filtered.tolist() == [1]


def test_metrics_are_shares_of_rows_below_k() -> None:
    ranks = Ranks(np.array([0, 4, 5, 99]), np.array([0, 0, 9, 100]))
    metrics = ranks.metrics()
    assert [metrics[f"top_{k}"] for k in (1, 5, 10, 50, 100)] == [0.25, 0.5, 0.75, 0.75, 1.0]
    filtered = [metrics[f"seen_filtered_top_{k}"] for k in (1, 5, 10, 50, 100)]
    assert filtered == [0.5, 0.5, 0.75, 0.75, 0.75]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_a_loop_over_all_pairs(data) -> None:
    rows, candidates = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 8))
    # Few distinct scores, so that ties are common.
    scores = data.draw(
        arrays.arrays(
            np.float32, (rows, candidates), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])
        )
    )
    users = data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    own = data.draw(st.lists(st.integers(0, candidates - 1), min_size=rows, max_size=rows))
    pair = st.tuples(st.integers(0, 3), st.integers(0, candidates - 1))
    seen = data.draw(st.lists(pair, max_size=12))
    ranks = rank_matrix(scores, task_of(users, own, candidates, [*seen, (3, 0)]))
    for row in range(rows):
        left_out = {item for user, item in [*seen, (3, 0)] if user == users[row]}
        assert ranks.unfiltered[row] == naive_rank(scores[row], own[row])
        assert ranks.seen_filtered[row] == naive_rank(scores[row], own[row], left_out)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("pairs_a_chunk", [1, 30, 49, 70, 10_000])
def test_chunks_and_threads_change_nothing(monkeypatch, pairs_a_chunk: int, threads: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(23, 10)).astype(np.float32)
    users, own = rng.integers(0, 5, 23), rng.integers(0, 10, 23)
    seen = [*zip(rng.integers(0, 5, 20), rng.integers(0, 10, 20), strict=True), (4, 0)]
    monkeypatch.setattr(ranking, "PAIRS_A_CHUNK", pairs_a_chunk)
    monkeypatch.setattr(ranking, "ROWS_A_CHUNK", 1)
    asked = []

    def scorer(start: int, stop: int, chosen: Candidates) -> np.ndarray:
        asked.extend(range(start, stop))
        return scores[start:stop, chosen]

    ranks = rank(scorer, task_of(users, own, 10, seen), threads=threads)
    assert sorted(asked) == list(range(23))
    for row in range(23):
        left_out = {item for user, item in seen if user == users[row]}
        assert ranks.unfiltered[row] == naive_rank(scores[row], own[row])
        assert ranks.seen_filtered[row] == naive_rank(scores[row], own[row], left_out)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_an_error(value: float) -> None:
    scores = np.zeros((3, 4), np.float32)
    scores[2, 1] = value
    with pytest.raises(TrialError, match="not finite"):
        rank_matrix(scores, task_of([0, 0, 0], [0, 0, 0], 4))


@pytest.fixture(scope="module")
def scored_model():
    """An untrained model, its features and rows to score."""
    interactions = skewed_interactions(num_rows=5_000, num_users=60, num_items=130)
    config = small_config(features=tutorial_features(dim=8))
    rows = np.random.default_rng(1).permutation(5_000)
    run = set_up_training(config, interactions, rows[:500], threads=1)
    task = RankingTask(
        interactions.users[rows[500:]],
        interactions.items[rows[500:]],
        interactions.num_items,
        SeenItems.from_rows(
            interactions.users[rows[:500]],
            interactions.items[rows[:500]],
            interactions.num_users,
            interactions.num_items,
        ),
    )
    return run, task, rows[500:]


def test_a_model_ranks_as_factorized_top_k_does(scored_model) -> None:
    run, task, rows = scored_model
    candidates = run.model.candidate_tower(run.encoded.candidate)
    queries = run.model.query_tower({k: v[rows] for k, v in run.encoded.query.items()})
    metric = tfrs.metrics.FactorizedTopK(
        tf.data.Dataset.from_tensor_slices(candidates).batch(50), ks=TOP_K
    )
    truth = tf.gather(candidates, task.items)
    metric.update_state(queries, truth)
    expected = dict(zip(TOP_K, (float(value) for value in metric.result()), strict=True))
    metrics = ModelScorer(run.model, run.encoded, rows).rank(task).metrics()
    # TFRS computes the true candidate's score twice, by sums of other orders, so that it
    # may come after itself: a few rows in a thousand flip.
    for k in TOP_K:
        assert metrics[f"top_{k}"] == pytest.approx(expected[k], abs=4e-3)
    assert 0.5 < expected[100] < 1.0


def test_a_model_is_scored_with_the_weights_of_the_moment(scored_model) -> None:
    run, task, rows = scored_model
    scorer = ModelScorer(run.model, run.encoded, rows)
    before = scorer.rank(task)
    weights = run.model.get_weights()
    try:
        run.model.set_weights([-0.7 * weight for weight in weights])
        changed = scorer.rank(task)
    finally:
        run.model.set_weights(weights)
    assert not np.array_equal(before.unfiltered, changed.unfiltered)
    np.testing.assert_array_equal(scorer.rank(task).unfiltered, before.unfiltered)


def test_a_collapsed_model_gets_nothing(scored_model) -> None:
    run, task, rows = scored_model
    weights = run.model.get_weights()
    try:
        run.model.set_weights([np.zeros_like(weight) for weight in weights])
        metrics = ModelScorer(run.model, run.encoded, rows).rank(task).metrics()
    finally:
        run.model.set_weights(weights)
    assert {metrics[f"top_{k}"] for k in TOP_K} == {0.0}


def test_a_diverged_model_is_an_error(scored_model) -> None:
    run, task, rows = scored_model
    weights = run.model.get_weights()
    try:
        run.model.set_weights([np.full_like(weight, np.nan) for weight in weights])
        with pytest.raises(TrialError, match="not finite"):
            ModelScorer(run.model, run.encoded, rows).rank(task)
    finally:
        run.model.set_weights(weights)


def test_a_sample_ranks_among_itself_and_the_true_candidate() -> None:
    """Of six candidates 1, 3 and 4 compete; the user has seen 3 and, out of the sample, 0."""
    scores = [[9.0, 5.0, 4.0, 6.0, 1.0, 8.0], [0.0, 7.0, 9.0, 7.0, 7.0, 9.0]]
    task = replace(
        task_of([0, 0], [2, 1], 6, [(0, 3), (0, 0)]), sample=np.array([1, 3, 4], np.int64)
    )
    ranks = rank_matrix(scores, task)
    # Row 0: candidates 1 and 3 are ahead of 2, which is not of the sample; 3 is seen.
    # Row 1: 3 and 4 tie with 1; 2 and 5, which are better, don't compete.
    assert ranks.unfiltered.tolist() == [2, 2]
    assert ranks.seen_filtered.tolist() == [1, 1]


@pytest.mark.parametrize("pairs_a_chunk", [1, 30, 10_000])
def test_a_sample_in_chunks_equals_the_plain_count(monkeypatch, pairs_a_chunk: int) -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 6, (23, 40)).astype(np.float32)
    users, own = rng.integers(0, 5, 23), rng.integers(0, 40, 23)
    seen = list(zip(rng.integers(0, 5, 60), rng.integers(0, 40, 60), strict=True))
    sample = draw_sample(12, 40)
    monkeypatch.setattr(ranking, "PAIRS_A_CHUNK", pairs_a_chunk)
    monkeypatch.setattr(ranking, "ROWS_A_CHUNK", 1)
    ranks = rank_matrix(scores, replace(task_of(users, own, 40, seen), sample=sample))
    outside = set(range(40)) - set(sample.tolist())
    for row in range(23):
        left_out = {item for user, item in seen if user == users[row]} | (outside - {own[row]})
        assert ranks.unfiltered[row] == naive_rank(scores[row], own[row], outside - {own[row]})
        assert ranks.seen_filtered[row] == naive_rank(scores[row], own[row], left_out)


def test_a_sample_is_the_same_whoever_asks_and_smaller_than_the_catalogue() -> None:
    sample = draw_sample(30, 100)
    assert len(set(sample.tolist())) == 30
    assert (sample == draw_sample(30, 100)).all()
    assert draw_sample(None, 100) is None
    with pytest.raises(ConfigError, match=r"sampled_candidates: got 100 of a catalogue of 100;"):
        draw_sample(100, 100)


def test_a_large_catalogue_is_scored_for_enough_rows_at_a_time() -> None:
    assert rows_a_chunk(1_664) == 600
    assert rows_a_chunk(62_000) == rows_a_chunk(1_000_000) == 64
