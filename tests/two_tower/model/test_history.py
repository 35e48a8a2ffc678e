"""The history of a user: counts by hand, the layer against a mean taken row by row."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_trials import ids_features, skewed_interactions, small_config

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import FeatureConfig, TrainConfig
from sweeper.two_tower.data.columns import CategoricalColumn
from sweeper.two_tower.model import fitting
from sweeper.two_tower.model.feature_layers import History
from sweeper.two_tower.model.fitting import fit_features
from sweeper.two_tower.model.two_tower import encode_features
from sweeper.two_tower.trial.trial import run_trial

HISTORY = FeatureConfig("user_id", "history")
# User b has candidates 2, 0 and 2 in the training rows, a has 1; c has none.
USERS = CategoricalColumn(np.array([1, 1, 0, 1, 2, 0], np.int32), ["a", "b", "c"])
ITEMS = np.array([2, 0, 1, 2, 1, 2], np.int32)
TRAINING = np.array([0, 1, 2, 3])


def fitted():
    (feature,) = fit_features([HISTORY], {"user_id": USERS}, TRAINING, 2, "features.query", ITEMS)
    return feature


def test_counts_and_own_candidates_by_hand() -> None:
    feature = fitted()
    assert feature.counts.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 2], [0, 0, 0]]
    # Rows 4 and 5 are no training rows: nothing of theirs is in the history.
    assert feature.encode(USERS).tolist() == [[2, 3], [2, 1], [1, 2], [2, 3], [3, 0], [1, 0]]


def layer_of(counts: np.ndarray, dim: int = 2) -> History:
    layer = History(counts, dim, name="history")
    layer(tf.constant([[0, 0]]))
    return layer


def test_the_mean_of_the_others_by_hand() -> None:
    layer = layer_of(fitted().counts)
    layer.set_weights([np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])])
    given = tf.constant([[2, 3], [2, 1], [1, 2], [3, 0], [1, 0], [0, 0]])
    assert layer(given).numpy().tolist() == [
        [2.5, 25.0],  # b without one of the two 2: 0 and 2
        [4.0, 40.0],  # b without 0: 2 and 2
        [0.0, 0.0],  # a without its only one
        [0.0, 0.0],  # c has none
        [2.0, 20.0],  # a, in no training row
        [0.0, 0.0],  # out of vocabulary
    ]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_it_equals_a_mean_taken_row_by_row_and_so_does_its_gradient(jit_compile: bool) -> None:
    interactions = skewed_interactions()
    config = small_config(features=dataclasses.replace(ids_features(dim=3), query=[HISTORY]))
    training = np.arange(0, 300, 2)
    encoded = encode_features(config, interactions, training)
    (feature,) = encoded.query_features
    layer = layer_of(feature.counts, dim=3)
    table = layer.get_weights()[0]
    codes = encoded.query["user_id_history"]
    weights = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)

    @tf.function(jit_compile=jit_compile)
    def run(codes, weights):
        with tf.GradientTape() as tape:
            values = layer(codes)
            loss = tf.reduce_sum(values * weights)
        return values, tape.gradient(loss, layer.table)

    values, gradient = run(tf.constant(codes), tf.constant(weights))
    expected, expected_gradient = np.zeros((300, 3)), np.zeros_like(table, np.float64)
    for row in range(300):
        others = training[(interactions.users[training] == interactions.users[row])]
        items = interactions.items[others[others != row]]
        if len(items):
            expected[row] = table[items].mean(axis=0)
            np.add.at(expected_gradient, items, weights[row] / len(items))
    np.testing.assert_allclose(values.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(tf.convert_to_tensor(gradient), expected_gradient, atol=1e-4)


def test_a_candidate_has_no_history_and_a_large_one_is_refused(monkeypatch) -> None:
    with pytest.raises(ConfigError, match=r"got 'history' for .*; must be embedding or text"):
        fit_features([HISTORY], {"user_id": USERS}, TRAINING, 2, "features.candidate")
    monkeypatch.setattr(fitting, "MAX_HISTORY", 11)
    with pytest.raises(ConfigError, match=r"3 values of 'user_id' and 3 candidates.*at most 11"):
        fitted()


@pytest.mark.parametrize("xla", [False, True])
def test_a_trial_with_histories_learns(tmp_path: Path, xla: bool) -> None:
    config = small_config(
        features=dataclasses.replace(
            ids_features(dim=8), query=[FeatureConfig("user_id", "embedding"), HISTORY]
        ),
        train=TrainConfig(epochs=4, batch_size=256, eval_every_epochs=1, xla=xla),
    )
    trial = run_trial(config, tmp_path)
    losses = [row["loss"] for row in trial.history]
    assert losses[-1] < losses[0]
