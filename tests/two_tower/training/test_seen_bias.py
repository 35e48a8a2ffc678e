"""The bias of what a user has had before: its loss and gradient, its scores, what it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_trials import skewed_interactions, small_config

from sweeper.two_tower.config import (
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    TaskConfig,
    TrainConfig,
)
from sweeper.two_tower.data.histories import Histories
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.evaluation.ranking import EVERY, ranking_tasks
from sweeper.two_tower.evaluation.scoring import ModelScorer
from sweeper.two_tower.model.retrieval import build_task
from sweeper.two_tower.training.seen import repeat_log_odds
from sweeper.two_tower.training.setup import set_up_training
from sweeper.two_tower.trial.trial import run_trial

WITH_BIAS = ModelConfig(layer_sizes=[4], seen_bias=True)


@pytest.mark.parametrize("hits", [False, True])
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("name", ["in_batch_softmax", "corrected_softmax", "full_softmax"])
def test_loss_and_gradients_are_those_of_plain_scores(name: str, blocks: int, hits: bool) -> None:
    hits = hits and name != "full_softmax"
    task = build_task(TaskConfig(name, temperature=0.5, remove_accidental_hits=hits), blocks)
    rng = np.random.default_rng(1)
    queries = tf.constant(rng.normal(size=(4, 3)), tf.float32)
    candidates = tf.constant(rng.normal(size=(5, 3)), tf.float32)
    positions = tf.constant([0, 2, 2, 4])
    counts = tf.constant([1.0, 1.0, 2.0, 0.0, 1.0])
    probability = tf.constant([0.1, 0.2, 0.4, 0.2, 0.1])
    seen = tf.constant(rng.random((4, 5)) < 0.5)
    row_weights = tf.constant([1.0, 0.5, 2.0, 1.0])
    bias = tf.constant(-0.7)
    with tf.GradientTape() as tape:
        tape.watch([queries, candidates, bias])
        loss = task(
            queries,
            candidates,
            positions=positions,
            counts=counts,
            sample_weight=row_weights,
            candidate_sampling_probability=probability,
            seen=seen,
            seen_bias=bias,
        )
    got = tape.gradient(loss, [queries, candidates, bias])
    with tf.GradientTape() as tape:
        tape.watch([queries, candidates, bias])
        scores = (queries @ tf.transpose(candidates) + bias * tf.cast(seen, tf.float32)) / 0.5
        if name == "corrected_softmax":
            scores -= tf.math.log(probability)
        own = tf.one_hot(positions, 5)
        occurrences = tf.where(own > 0, 1.0, counts) if hits else tf.broadcast_to(counts, (4, 5))
        total = tf.reduce_sum(occurrences * tf.exp(scores), axis=1)
        plain = tf.reduce_sum(row_weights * (tf.math.log(total) - tf.reduce_sum(own * scores, 1)))
    expected = tape.gradient(plain, [queries, candidates, bias])
    np.testing.assert_allclose(loss, plain, rtol=1e-5)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_hard_negatives_are_chosen_by_scores_with_the_bias() -> None:
    task = build_task(TaskConfig("in_batch_softmax", num_hard_negatives=1))
    seen = tf.constant([[False, True, False]])
    loss = task(
        tf.constant([[1.0]]),
        tf.constant([[0.0], [3.0], [2.0]]),
        positions=tf.constant([0]),
        counts=tf.ones(3),
        seen=seen,
        seen_bias=tf.constant(-2.0),
    )
    # The second comes to 1, so that the third is the hardest.
    np.testing.assert_allclose(loss, np.log(np.exp(0.0) + np.exp(2.0)), rtol=1e-6)


def test_it_begins_at_the_log_odds_of_repeats_by_hand() -> None:
    # One user's items 0, 1, 0, 2: of the four rows the third is a repeat. By popularity the
    # histories make up 0, 1/2, 3/4 and 3/4 of the rows.
    items = np.array([0, 1, 0, 2], np.int32)
    stops = np.arange(4)
    histories = Histories(items, np.arange(4), np.zeros(4, np.int64), stops)
    expected = np.log((1 + 1) / (3 + 1)) - np.log((2 + 1) / (2 + 1))
    assert repeat_log_odds(histories, stops, items, 3) == pytest.approx(expected)


def test_scores_have_it_where_the_user_had_the_candidate_before() -> None:
    interactions = skewed_interactions()
    config = small_config(model=WITH_BIAS)
    config = replace(config, data=replace(config.data, split="temporal"))
    split = split_interactions(config.data, interactions)
    training = set_up_training(config, interactions, split.train, threads=1)
    task = ranking_tasks(config.data, EvaluationConfig(), interactions, split)["test"]
    scorer = ModelScorer(training.model, training.encoded, split.test)
    assert training.model.seen_bias.numpy() != 0
    training.model.seen_bias.assign(0.0)
    plain = scorer.scorer()(0, len(task), EVERY)
    training.model.seen_bias.assign(-1.5)
    scores = scorer.scorer()
    expected = plain.copy()
    for row, item in zip(*task.seen_by(0, len(task)), strict=True):
        expected[row, item] += np.float32(-1.5)
    np.testing.assert_array_equal(scores(0, len(task), EVERY), expected)
    chosen = np.array([4, 0, 7])
    np.testing.assert_allclose(scores(3, 9, chosen), expected[3:9, chosen], rtol=1e-6)
    assert (expected != plain).any()


@pytest.mark.parametrize("xla", [False, True])
def test_a_trial_learns_whether_people_choose_the_same_again(tmp_path: Path, xla: bool) -> None:
    config = small_config(
        model=WITH_BIAS,
        task=TaskConfig("full_softmax"),
        optimizer=OptimizerConfig("adam", 0.05),
        train=TrainConfig(epochs=4, batch_size=64, eval_every_epochs=2, xla=xla),
    )
    config = replace(config, data=replace(config.data, split="temporal"))
    first = run_trial(config, tmp_path / "a", draw=False)
    second = run_trial(config, tmp_path / "b", draw=False)
    assert first.metrics == second.metrics
    without = run_trial(
        replace(config, model=replace(WITH_BIAS, seen_bias=False)), tmp_path / "c", draw=False
    )
    assert first.num_parameters == without.num_parameters + 1
    assert first.history[-1]["loss"] < without.history[-1]["loss"]
