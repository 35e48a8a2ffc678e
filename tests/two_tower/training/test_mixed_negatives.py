"""Uniform negatives beside the batch's own: drawn fairly, with TFRS's loss and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_recommenders as tfrs

from sweeper.two_tower.config import TaskConfig
from sweeper.two_tower.model.retrieval import DistinctRetrieval
from sweeper.two_tower.training.batches import BatchBlock, BatchPlanner
from sweeper.two_tower.training.setup import sampling_probability

BATCH, UNIFORM, CATALOGUE, DIM = 32, 20, 30, 5
ITEMS = np.minimum(np.random.default_rng(0).geometric(0.15, 100), CATALOGUE).astype(np.int32) - 1


def planner(
    seed: int = 0, uniform: int = UNIFORM, rows: int = 100, steps_per_block: int = 64
) -> BatchPlanner:
    return BatchPlanner(
        np.arange(rows), ITEMS, CATALOGUE, BATCH, whole_catalogue=False, seed=seed,
        uniform_negatives=uniform, steps_per_block=steps_per_block,
    )  # fmt: skip


def drawn(plan: BatchBlock, step: int) -> np.ndarray:
    """The candidates of a step, as often as they count, without those of its rows."""
    counts = np.zeros(CATALOGUE, int)
    np.add.at(counts, plan.candidates[step], plan.counts[step].astype(int))
    own = ITEMS[plan.rows[step][plan.sample_weight[step] > 0]]
    return np.repeat(np.arange(CATALOGUE), counts - np.bincount(own, minlength=CATALOGUE))


def test_a_batch_has_its_own_candidates_and_the_drawn_ones() -> None:
    (plan,) = planner().epoch(1)
    assert plan.steps == 4  # of 32, 32, 32 and 4 rows
    for step in range(plan.steps):
        assert len(drawn(plan, step)) == UNIFORM
        used = plan.candidates[step][plan.counts[step] > 0]
        assert len(set(used)) == len(used)
        own = plan.candidates[step][plan.positions[step]]
        real = plan.sample_weight[step] > 0
        assert (own[real] == ITEMS[plan.rows[step]][real]).all()


def test_the_draw_is_uniform_and_follows_from_seed_and_epoch() -> None:
    draws = [
        drawn(plan, step)
        for epoch in range(1, 151)
        for plan in planner().epoch(epoch)
        for step in range(plan.steps)
    ]
    counts = np.bincount(np.concatenate(draws), minlength=CATALOGUE)
    assert counts.sum() == 150 * 4 * UNIFORM
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    again = [drawn(plan, 0) for plan in planner().epoch(1)]
    assert (again[0] == draws[0]).all()
    assert (draws[4] != draws[0]).any()
    assert any((drawn(plan, 0) != draws[0]).any() for plan in planner(seed=1).epoch(1))


@pytest.mark.parametrize("steps_per_block", [1, 3])
def test_the_draw_does_not_depend_on_how_an_epoch_is_cut(steps_per_block: int) -> None:
    (whole,) = planner().epoch(2)
    cut = [
        drawn(plan, step)
        for plan in planner(steps_per_block=steps_per_block).epoch(2)
        for step in range(plan.steps)
    ]
    assert [part.tolist() for part in cut] == [drawn(whole, step).tolist() for step in range(4)]


def test_without_them_plans_are_what_they_were() -> None:
    plain = BatchPlanner(np.arange(100), ITEMS, CATALOGUE, BATCH, whole_catalogue=False, seed=0)
    for one, other in zip(plain.epoch(1), planner(uniform=0).epoch(1), strict=True):
        for name in vars(one):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_probability_is_that_of_the_mixture() -> None:
    """Two rows of items 0, 0, 0, 1 and one of three items drawn uniformly."""
    counts = np.array([3, 1, 0])
    mixed = sampling_probability(counts, 2, 1)
    np.testing.assert_allclose(mixed, [(1.5 + 1 / 3) / 3, (0.5 + 1 / 3) / 3, 1 / 9])
    np.testing.assert_allclose(sampling_probability(counts, 2, None), [0.75, 0.25, 0])


@pytest.mark.parametrize("hard", [None, 7])
@pytest.mark.parametrize("accidental", [False, True])
@pytest.mark.parametrize("name", ["in_batch_softmax", "corrected_softmax"])
def test_loss_and_gradients_are_those_of_tfrs(name: str, accidental: bool, hard) -> None:
    """TFRS takes more candidates than queries: the rows' own, then the drawn ones."""
    rng = np.random.default_rng(3)
    plan = next(iter(planner(rows=BATCH).epoch(1)))
    own = ITEMS[plan.rows[0]]
    every = np.concatenate([own, drawn(plan, 0)]).astype(np.int32)
    queries = tf.Variable(rng.normal(size=(BATCH, DIM)), dtype=tf.float32)
    table = tf.Variable(rng.normal(size=(CATALOGUE, DIM)), dtype=tf.float32)
    weights = rng.uniform(0, 2, BATCH).astype(np.float32)
    probability = sampling_probability(np.bincount(ITEMS, minlength=CATALOGUE), BATCH, UNIFORM)
    probability = probability.astype(np.float32)
    config = TaskConfig(
        name, temperature=0.7, remove_accidental_hits=accidental, num_hard_negatives=hard
    )
    reference = tfrs.tasks.Retrieval(
        temperature=0.7, remove_accidental_hits=accidental, num_hard_negatives=hard
    )
    with tf.GradientTape(persistent=True) as tape:
        expected = reference(
            queries,
            tf.gather(table, every),
            sample_weight=weights,
            candidate_ids=every,
            candidate_sampling_probability=(
                probability[every] if name == "corrected_softmax" else None
            ),
            compute_metrics=False,
        )
        loss = DistinctRetrieval(config)(
            queries,
            tf.gather(table, plan.candidates[0]),
            positions=plan.positions[0],
            counts=plan.counts[0],
            sample_weight=weights,
            candidate_sampling_probability=probability[plan.candidates[0]],
        )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    for variable in (queries, table):
        gradients = [
            tf.convert_to_tensor(tape.gradient(value, variable)) for value in (loss, expected)
        ]
        scale = np.abs(gradients[1]).max()
        np.testing.assert_allclose(gradients[0] / scale, gradients[1] / scale, atol=1e-5)


def test_the_loss_is_the_plain_sum_over_all_candidates() -> None:
    """By NumPy: -s(i, t_i) + log of the sum of exp over the own and the drawn ones."""
    rng = np.random.default_rng(4)
    plan = next(iter(planner(rows=BATCH).epoch(1)))
    own = ITEMS[plan.rows[0]]
    every = np.concatenate([own, drawn(plan, 0)])
    queries, table = rng.normal(size=(BATCH, DIM)), rng.normal(size=(CATALOGUE, DIM))
    scores = queries @ table[every].T
    expected = np.sum(
        np.log(np.exp(scores).sum(axis=1)) - np.einsum("id,id->i", queries, table[own])
    )
    loss = DistinctRetrieval(TaskConfig("in_batch_softmax"))(
        tf.constant(queries, tf.float32),
        tf.constant(table[plan.candidates[0]], tf.float32),
        positions=plan.positions[0],
        counts=plan.counts[0],
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
