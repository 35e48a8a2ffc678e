from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sweeper.two_tower.model.dropout import Dropout, traced_for_xla

SHAPE = 300, 100


def masks(layer: Dropout, calls: int, xla: bool) -> list[np.ndarray]:
    """What the layer makes of ones, call after call."""

    @tf.function(jit_compile=xla)
    def call() -> tf.Tensor:
        with traced_for_xla(xla):
            return layer(tf.ones(SHAPE), training=True)

    return [call().numpy() for _ in range(calls)]


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("rate", [0.25, 0.5, 0.9])
def test_its_share_is_0_and_the_mean_stays(rate: float, xla: bool) -> None:
    (values,) = masks(Dropout(rate, 1, "dropout"), 1, xla)
    kept = np.float32(1 / (1 - rate))
    np.testing.assert_allclose(np.unique(values), [0, kept], rtol=1e-6)
    # Five deviations of 30,000 draws; rows and columns are alike, too.
    deviation = np.sqrt(rate * (1 - rate) / values.size)
    assert abs((values == 0).mean() - rate) < 5 * deviation
    for axis in (0, 1):
        shares = (values == 0).mean(axis=axis)
        expected = np.sqrt(rate * (1 - rate) / values.shape[axis])
        assert 0.7 < shares.std() / expected < 1.3


@pytest.mark.parametrize("xla", [False, True])
def test_masks_repeat_with_the_seed_and_differ_by_seed_and_by_call(xla: bool) -> None:
    first, second = masks(Dropout(0.5, 1, "dropout"), 2, xla)
    again = masks(Dropout(0.5, 1, "dropout"), 2, xla)
    np.testing.assert_array_equal([first, second], again)
    (other,) = masks(Dropout(0.5, 2, "dropout"), 1, xla)
    for different in (second, other):
        # Independent: half of them agree.
        assert abs((first == different).mean() - 0.5) < 0.02


def test_nothing_is_dropped_outside_training_or_at_rate_0() -> None:
    values = tf.constant(np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))
    np.testing.assert_array_equal(Dropout(0.5, 1, "dropout")(values), values)
    np.testing.assert_array_equal(Dropout(0.0, 1, "dropout")(values, training=True), values)


def test_it_has_no_weight_and_keeps_the_precision() -> None:
    layer = Dropout(0.5, 1, "dropout", "mixed_float16")
    assert layer(tf.ones(SHAPE), training=True).dtype == tf.float16
    assert layer.weights == []


def test_what_is_traced_for_xla_ends_with_the_block() -> None:
    """Threefry is nothing that TensorFlow has outside XLA, so that this call would fail."""
    layer = Dropout(0.5, 1, "dropout")
    with pytest.raises(RuntimeError, match="on purpose"), traced_for_xla(True):
        raise RuntimeError("on purpose")
    layer(tf.ones(SHAPE), training=True)
