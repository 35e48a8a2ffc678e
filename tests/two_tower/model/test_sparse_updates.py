"""Large tables are updated by the rows that a batch looks up, with the dense update's result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from small_trials import ids_features, skewed_interactions, small_config, tutorial_features

from sweeper.two_tower.config import OptimizerConfig, TrainConfig, supports_sparse_updates
from sweeper.two_tower.model import embeddings
from sweeper.two_tower.model.embeddings import dense_lookup, sparse_lookup
from sweeper.two_tower.training.optimizer import build_optimizer, prepare_for_sparse_gradients
from sweeper.two_tower.training.setup import set_up_training, whole_updates

CODES = tf.constant([3, 0, 3, 1, 3, 0], tf.int32)


def gradient_of(look_up) -> tf.Tensor | tf.IndexedSlices:
    table = tf.Variable(tf.reshape(tf.range(10.0), [5, 2]))
    with tf.GradientTape() as tape:
        rows = look_up(tf.convert_to_tensor(table), CODES)
        loss = tf.reduce_sum(rows * tf.reshape(tf.range(12.0), [6, 2]))
    return tape.gradient(loss, table)


def every_table_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "LARGE_TABLE", 1)
    monkeypatch.setattr(embeddings, "CODES_SHARE", 0)


def test_the_sparse_gradient_has_the_sum_of_equal_codes_at_the_first_of_them() -> None:
    sparse = gradient_of(sparse_lookup)
    assert isinstance(sparse, tf.IndexedSlices)
    # Of 0 to 11 in pairs: code 3 has rows 0, 2 and 4, code 0 rows 1 and 5, code 1 row 3.
    assert sparse.indices.numpy().tolist() == CODES.numpy().tolist()
    assert sparse.values.numpy().tolist() == [[12, 15], [12, 14], [0, 0], [6, 7], [0, 0], [0, 0]]
    np.testing.assert_array_equal(tf.convert_to_tensor(sparse), gradient_of(dense_lookup))


def trained(
    optimizer: OptimizerConfig, xla: bool, id_dropout: float = 0.0
) -> tuple[list[np.ndarray], np.ndarray]:
    """The weights and losses after three epochs; tables of words among them."""
    config = small_config(
        features=replace(tutorial_features(dim=4), id_dropout=id_dropout),
        optimizer=optimizer,
        train=TrainConfig(epochs=3, batch_size=64, xla=xla),
    )
    interactions = skewed_interactions()
    training = set_up_training(config, interactions, np.arange(250), threads=1)
    losses = [
        training.runner(plan) for epoch in (1, 2, 3) for plan in training.planner.epoch(epoch)
    ]
    return training.model.get_weights(), np.concatenate(losses)


def counted_sparse_look_ups(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """One entry for each time that a sparse look-up is traced, from now on."""
    look_ups: list[tuple] = []
    monkeypatch.setattr(
        embeddings, "sparse_lookup", lambda *given: look_ups.append(given) or sparse_lookup(*given)
    )
    return look_ups


def test_a_table_is_updated_whole_where_a_step_looks_up_much_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look_ups = counted_sparse_look_ups(monkeypatch)
    lookup = embeddings.Embedding(8, 2, multivalued=False, name="table", sparse=True)
    lookup(tf.constant([0, 1, 2]))
    assert not look_ups
    lookup(tf.constant([0, 1]))
    assert len(look_ups) == 1


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize(
    "optimizer",
    [
        OptimizerConfig("adagrad", 0.1),
        OptimizerConfig("sgd", 0.01),
        OptimizerConfig("adagrad", 0.1, schedule="cosine", clip_value=0.01),
        OptimizerConfig("adagrad", 0.1, clip_norm=0.05),
        OptimizerConfig("sgd", 0.1, global_clip_norm=0.5),
    ],
    ids=lambda optimizer: f"{optimizer.name}-{optimizer.schedule}",
)
def test_sparse_updates_equal_dense_ones(
    optimizer: OptimizerConfig, xla: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense_weights, dense_losses = trained(optimizer, xla)
    every_table_sparse(monkeypatch)
    look_ups = counted_sparse_look_ups(monkeypatch)
    weights, losses = trained(optimizer, xla)
    assert len(look_ups) >= 4
    np.testing.assert_allclose(losses, dense_losses, rtol=1e-6)
    for sparse, dense in zip(weights, dense_weights, strict=True):
        np.testing.assert_allclose(sparse, dense, rtol=0, atol=1e-6)


def test_sparse_updates_equal_dense_ones_where_many_ids_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optimizer = OptimizerConfig("adagrad", 0.1)
    dense_weights, dense_losses = trained(optimizer, xla=True, id_dropout=0.5)
    every_table_sparse(monkeypatch)
    weights, losses = trained(optimizer, xla=True, id_dropout=0.5)
    np.testing.assert_allclose(losses, dense_losses, rtol=1e-6)
    for sparse, dense in zip(weights, dense_weights, strict=True):
        np.testing.assert_allclose(sparse, dense, rtol=0, atol=1e-6)


def test_sparse_updates_give_the_same_bits_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    every_table_sparse(monkeypatch)
    first, second = (trained(OptimizerConfig("adagrad", 0.1), xla=True) for _ in range(2))
    for one, other in zip(first[0], second[0], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("optimizer", "alone"),
    [
        (OptimizerConfig("adagrad"), True),
        (OptimizerConfig("sgd"), True),
        (OptimizerConfig("sgd", options={"momentum": 0.9}), False),
        (OptimizerConfig("adagrad", weight_decay=0.01), False),
        (OptimizerConfig("adagrad", options={"use_ema": True}), False),
        (OptimizerConfig("adam"), False),
        (OptimizerConfig("adamw"), False),
        (OptimizerConfig("rmsprop"), False),
    ],
    ids=str,
)
def test_an_optimizer_that_changes_rows_without_gradient_is_known(
    optimizer: OptimizerConfig, alone: bool
) -> None:
    """Held to Keras: a row that has had a gradient once, and none in a second step."""
    assert supports_sparse_updates(optimizer) is alone
    if optimizer.weight_decay or optimizer.options.get("use_ema"):
        return  # Applied by Keras outside of the step that is looked at here.
    table = tf.Variable([[1.0], [1.0]])
    keras = type(tf.keras.optimizers.get(optimizer.name))(0.1, **optimizer.options)
    keras.apply_gradients([(tf.constant([[1.0], [1.0]]), table)])
    before = table.numpy()
    keras.apply_gradients([(tf.constant([[1.0], [0.0]]), table)])
    assert (table.numpy()[1] == before[1]).all() == (alone or optimizer.name == "rmsprop")


def test_a_large_table_of_another_optimizer_is_updated_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dense_weights, _ = trained(OptimizerConfig("adam", 0.01), xla=False)
    every_table_sparse(monkeypatch)
    weights, _ = trained(OptimizerConfig("adam", 0.01), xla=False)
    for one, other in zip(weights, dense_weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("nesterov", [False, True])
def test_plain_sgd_needs_no_momentum_to_give_the_same_bits(nesterov: bool) -> None:
    config = OptimizerConfig("sgd", 0.3, options={"nesterov": nesterov})
    tables = []
    for prepare in (False, True):
        table = tf.Variable(tf.reshape(tf.range(10.0), [5, 2]))
        optimizer = build_optimizer(config, 3)
        optimizer.build([table])
        if prepare:
            prepare_for_sparse_gradients(optimizer, config, [table])
        for step in range(3):
            optimizer.apply_gradients([(tf.fill([5, 2], 0.7 * step + 0.1), table)])
        tables.append(table.numpy())
    np.testing.assert_array_equal(*tables)


@pytest.mark.parametrize("name", ["adam", "adagrad"])
def test_a_trial_says_what_updates_large_tables_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 25 users and one unknown; 40 titles, of which the training rows have fewer.
    monkeypatch.setattr("sweeper.two_tower.training.setup.LARGE_TABLE", 26)
    config = small_config(optimizer=OptimizerConfig(name), features=ids_features(dim=4))
    training = set_up_training(config, skewed_interactions(), np.arange(250), threads=1)
    lines = list(whole_updates(config.optimizer, training.model))
    if name == "adagrad":
        assert lines == []
    else:
        assert lines[0].startswith("each step updates all 26 rows of user_id_embedding (0.0 MB)")


@pytest.mark.parametrize("name", ["adagrad", "sgd", "adam"])
def test_a_sparse_gradient_of_anothers_table_is_updated_as_a_dense_one(name: str) -> None:
    """A user's own layer may look a row up twice; the squares of its gradients are of their sum."""
    config = OptimizerConfig(name, 0.1)
    updated = []
    for dense in (False, True):
        table = tf.Variable([[1.0], [2.0], [3.0]])
        optimizer = build_optimizer(config, 10)
        optimizer.build([table])
        prepare_for_sparse_gradients(optimizer, config, tables=[])
        gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), [0, 0, 2], [3, 1])
        optimizer.apply_gradients([(tf.convert_to_tensor(gradient) if dense else gradient, table)])
        updated.append(table.numpy())
    np.testing.assert_array_equal(updated[0], updated[1])
    assert (updated[0][0] != 1.0).all()
