"""Candidates that a row's user has chosen before: no negatives, by the plainest loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_trials import skewed_interactions, small_config

from sweeper.two_tower.config import DataConfig, TaskConfig, TrainConfig
from sweeper.two_tower.data.histories import histories_of
from sweeper.two_tower.model.retrieval import build_task
from sweeper.two_tower.training.seen import SeenCandidates
from sweeper.two_tower.trial.trial import run_trial

TRAINING = np.arange(300)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("length", [1, 4, 100])
def test_it_marks_what_the_history_holds_and_no_padding(length: int, jit_compile: bool) -> None:
    interactions = skewed_interactions()
    config = DataConfig(name="synthetic", split="temporal")
    histories = histories_of(config, interactions, TRAINING)
    seen = SeenCandidates(histories, interactions.num_items, length)
    rows = np.array([5, 290, 120, 299], np.int32)
    distinct = np.unique(interactions.items[250:])
    candidates = np.append(distinct, [distinct[0]] * 3).astype(np.int32)
    counts = np.append(np.ones(len(distinct)), [0.0] * 3).astype(np.float32)
    mark = tf.function(seen, jit_compile=jit_compile)
    marks = mark(tf.constant(rows), tf.constant(candidates), tf.constant(counts)).numpy()
    expected = np.zeros((4, len(candidates)), bool)
    for place, row in enumerate(rows):
        latest = set(histories.latest(np.array([row]), length)[0].tolist())
        for column, candidate in enumerate(distinct.tolist()):
            expected[place, column] = candidate in latest
    np.testing.assert_array_equal(marks, expected)
    assert expected.any()


@pytest.mark.parametrize("negatives", [None, 2])
@pytest.mark.parametrize("name", ["in_batch_softmax", "corrected_softmax", "full_softmax"])
def test_the_loss_is_that_over_the_other_candidates(name: str, negatives: int | None) -> None:
    task = build_task(TaskConfig(name, temperature=0.5, num_hard_negatives=negatives))
    rng = np.random.default_rng(1)
    queries, candidates = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    positions, counts = np.array([0, 2, 2]), np.array([1.0, 1.0, 2.0, 1.0, 1.0])
    probability = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    excluded = np.zeros((3, 5), bool)
    excluded[0, 1] = excluded[1, 2] = excluded[2, [0, 4]] = True
    inputs = {
        "query_embeddings": queries,
        "candidate_embeddings": candidates,
        "counts": counts,
        "candidate_sampling_probability": probability,
    }
    tensors = {key: tf.constant(value, tf.float32) for key, value in inputs.items()}
    loss = task(**tensors, positions=tf.constant(positions), excluded=tf.constant(excluded))
    expected = 0.0
    for row, own in enumerate(positions):
        scores = queries[row] @ candidates.T / 0.5
        if name == "corrected_softmax":
            scores = scores - np.log(probability)
        # Each occurrence that is left, by itself; the row's own candidate always is.
        others = [
            scores[column]
            for column in range(5)
            for occurrence in range(int(counts[column]) - (column == own))
            if column == own or not excluded[row, column]
        ]
        if negatives is not None:
            others = sorted(others, reverse=True)[:negatives]
        expected += np.log(np.exp([scores[own], *others]).sum()) - scores[own]
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-5)


def test_a_trial_without_seen_negatives_differs_and_learns(tmp_path: Path) -> None:
    train = TrainConfig(epochs=2, batch_size=256, eval_every_epochs=1, xla=True)
    with_seen, without = (
        run_trial(
            small_config(train=train, task=TaskConfig("full_softmax", exclude_seen=seen)),
            tmp_path / str(seen),
            draw=False,
        )
        for seen in (None, 50)
    )
    losses = [row["loss"] for row in without.history]
    assert losses[-1] < losses[0] < with_seen.history[0]["loss"]
