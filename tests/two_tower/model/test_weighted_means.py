from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.two_tower.model import weighted_means as module
from sweeper.two_tower.model.weighted_means import means_of_rows, weighted_means

SIZE, DIM = 7, 3


def drawn(seed: int, rows: int, sets: int, length: int) -> tuple[np.ndarray, ...]:
    """A table, codes and weights, of which some rows have none and most have a zero."""
    draw = np.random.default_rng(seed)
    weights = draw.random((rows, sets, length)) * (draw.random((rows, 1, length)) < 0.7)
    weights[draw.random(rows) < 0.2] = 0.0
    table = draw.normal(size=(SIZE, DIM))
    codes = draw.integers(0, SIZE, (rows, length))
    upstream = draw.normal(size=(rows, sets, DIM))
    return (
        table.astype(np.float32),
        codes.astype(np.int32),
        weights.astype(np.float32),
        upstream.astype(np.float32),
    )


def plain(table: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One row, one set, one vector at a time."""
    rows, sets, length = weights.shape
    means = np.zeros((rows, sets, table.shape[1]))
    for row, each in np.ndindex(rows, sets):
        total = weights[row, each].sum(dtype=np.float64)
        for place in range(length):
            if total > 0:
                share = weights[row, each, place] / total
                means[row, each] += share * table[codes[row, place]]
    return means


def with_gradients(function, table, weights, upstream):  # type: ignore[no-untyped-def]
    """What the function gives, and the gradients of the table and of the weights above 0."""
    table, weights = tf.constant(table), tf.constant(weights)
    is_there = tf.cast(weights > 0, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([table, weights])
        means = function(table, weights * is_there)
        loss = tf.reduce_sum(means * upstream)
    return means, *tape.gradient(loss, [table, weights])


def in_blocks(table, codes, weights, upstream):  # type: ignore[no-untyped-def]
    return with_gradients(
        lambda table, weights: means_of_rows(table, tf.constant(codes), weights),
        table,
        weights,
        upstream,
    )


def at_once(table, codes, weights, upstream):  # type: ignore[no-untyped-def]
    return with_gradients(
        lambda table, weights: weighted_means(tf.gather(table, codes), weights),
        table,
        weights,
        upstream,
    )


def block_bytes(rows: int, length: int) -> int:
    return rows * length * DIM * 4


# TensorFlow's first operations take longer than a deadline leaves.
@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(1, 9),
    sets=st.integers(1, 3),
    length=st.integers(1, 5),
    size=st.integers(1, 10),
)
def test_blocks_of_any_size_give_what_gathering_all_at_once_gives(
    seed: int, rows: int, sets: int, length: int, size: int
) -> None:
    table, codes, weights, upstream = drawn(seed, rows, sets, length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block_bytes(size, length))
        blocks = in_blocks(table, codes, weights, upstream)
    expected = at_once(table, codes, weights, upstream)
    np.testing.assert_allclose(blocks[0], plain(table, codes, weights), rtol=1e-5, atol=1e-6)
    for block, whole in zip(blocks, expected, strict=True):
        np.testing.assert_allclose(block, tf.convert_to_tensor(whole), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_xla_compiles_it(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    table, codes, weights, upstream = drawn(1, 10, 2, 5)
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes(size, 5))

    @tf.function(jit_compile=True)
    def compiled():  # type: ignore[no-untyped-def]
        return in_blocks(table, codes, weights, upstream)

    expected = at_once(table, codes, weights, upstream)
    for block, whole in zip(compiled(), expected, strict=True):
        np.testing.assert_allclose(block, tf.convert_to_tensor(whole), rtol=1e-5, atol=1e-5)


def test_a_row_without_weights_gives_zeros_and_no_gradient() -> None:
    table, codes, weights, upstream = drawn(2, 4, 2, 5)
    weights[1] = 0.0
    codes[1], codes[[0, 2, 3]] = 6, np.minimum(codes[[0, 2, 3]], 5)
    means, of_table, _ = in_blocks(table, codes, weights, upstream)
    np.testing.assert_array_equal(means[1], np.zeros((2, DIM)))
    np.testing.assert_array_equal(of_table[6], np.zeros(DIM))
