from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from sweeper.two_tower.model.sequence_encoders import ENCODERS, Mean, Recency, SequenceEncoder

DIM, LENGTH, ROWS = 4, 5, 3
# Items of each row, counted from the end: all, two, none.
LENGTHS = (5, 2, 0)


def vectors(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, LENGTH, DIM)).astype(np.float32)


def is_there() -> np.ndarray:
    return np.arange(LENGTH)[None, :] >= LENGTH - np.array(LENGTHS)[:, None]


def built(name: str, **options: Any) -> SequenceEncoder:
    """An encoder whose weights are all drawn at random, zeros of biases included."""
    tf.keras.utils.set_random_seed(3)
    encoder = ENCODERS[name](DIM, LENGTH, seed=7, **options)
    encoder(tf.constant(vectors()), tf.constant(is_there()))
    draw = np.random.default_rng(5)
    for weight in encoder.trainable_weights:
        weight.assign(draw.normal(scale=0.5, size=weight.shape))
    return encoder


def encode(encoder: SequenceEncoder, values: np.ndarray) -> np.ndarray:
    result: np.ndarray = encoder(tf.constant(values), tf.constant(is_there())).numpy()
    return result


def named(encoder: SequenceEncoder) -> dict[str, np.ndarray]:
    """By name, without the name of the encoder itself."""
    return {
        re.sub(r"^(self_attention/)?sequence_encoder/|:0$", "", weight.name): weight.numpy()
        for weight in encoder.weights
    }


def plain_mean(encoder: SequenceEncoder, items: np.ndarray) -> np.ndarray:
    return items.mean(axis=0)


def plain_recency(encoder: SequenceEncoder, items: np.ndarray) -> np.ndarray:
    parts = []
    for log_rate in named(encoder)["log_rates"]:
        weights = [np.exp(-np.exp(log_rate) * age) for age in range(len(items))][::-1]
        parts.append(sum(w * item for w, item in zip(weights, items, strict=True)) / sum(weights))
    return np.concatenate([*parts, items[-1]])


def plain_gru(encoder: SequenceEncoder, items: np.ndarray) -> np.ndarray:
    """Keras's own cell, with the encoder's weights."""
    cell = tf.keras.layers.GRUCell(DIM)
    cell.build((None, DIM))
    cell.set_weights(encoder.get_weights())
    state = tf.zeros([1, DIM])
    for item in items:
        _, (state,) = cell(tf.constant(item[None, :]), [state])
    return state.numpy()[0]


def normalized(values: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    return gamma * centred / np.sqrt(np.mean(centred**2) + 1e-3) + beta


def plain_self_attention(encoder: SequenceEncoder, items: np.ndarray) -> np.ndarray:
    """One position, one head, one score at a time, for the items that are there alone."""
    weight = named(encoder)
    number = len(items)
    values = [
        np.sqrt(DIM) * item + position
        for item, position in zip(items, weight["positions"][-number:], strict=True)
    ]
    for block in ("block_1", "block_2"):

        def dense(name: str, value: np.ndarray, block: str = block) -> np.ndarray:
            return value @ weight[f"{block}/{name}/kernel"] + weight[f"{block}/{name}/bias"]

        def norm(name: str, value: np.ndarray, block: str = block) -> np.ndarray:
            prefix = f"{block}/{name}_normalization"
            return normalized(value, weight[f"{prefix}/gamma"], weight[f"{prefix}/beta"])

        after = []
        for place in range(number):
            asking = norm("query", values[place])
            query, attended = dense("query", asking), []
            for head in (slice(0, 2), slice(2, 4)):
                earlier = values[: place + 1]
                scores = [query[head] @ dense("key", each)[head] / np.sqrt(2) for each in earlier]
                shares = np.exp(scores) / np.sum(np.exp(scores))
                attended.append(
                    sum(
                        s * dense("value", each)[head]
                        for s, each in zip(shares, earlier, strict=True)
                    )
                )
            between = asking + dense("output", np.concatenate(attended))
            hidden = np.maximum(dense("hidden", norm("network", between)), 0)
            after.append(between + dense("outer", hidden))
        values = after
    return normalized(values[-1], weight["normalization/gamma"], weight["normalization/beta"])


PLAIN: dict[str, Callable[[SequenceEncoder, np.ndarray], np.ndarray]] = {
    "mean": plain_mean,
    "recency": plain_recency,
    "gru": plain_gru,
    "self_attention": plain_self_attention,
}


@pytest.mark.parametrize("name", ENCODERS)
def test_it_gives_what_a_plain_computation_gives_of_the_items_alone(name: str) -> None:
    encoder, values = built(name), vectors()
    encoded = encode(encoder, values)
    assert encoded.shape == (ROWS, encoder.width)
    for row, number in enumerate(LENGTHS):
        expected = (
            PLAIN[name](encoder, values[row, LENGTH - number :])
            if number
            else np.zeros(encoder.width)
        )
        np.testing.assert_allclose(encoded[row], expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ENCODERS)
def test_padding_changes_no_bit(name: str) -> None:
    encoder, values = built(name), vectors()
    other = np.where(is_there()[:, :, None], values, vectors(seed=1) * -100)
    np.testing.assert_array_equal(encode(encoder, values), encode(encoder, other))


@pytest.mark.parametrize("name", ENCODERS)
def test_every_weight_and_item_has_a_gradient_and_padding_none_under_xla(name: str) -> None:
    encoder = built(name)

    @tf.function(jit_compile=True)
    def gradients(values: tf.Tensor, there: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(values)
            # Its square would have no gradient behind a normalization.
            loss = tf.reduce_sum(encoder(values, there, training=True) ** 3)
        found = tape.gradient(loss, [values, *encoder.trainable_weights])
        return found[1:], found[0]

    of_weights, of_items = gradients(tf.constant(vectors()), tf.constant(is_there()))
    for weight, gradient in zip(encoder.trainable_weights, of_weights, strict=True):
        assert np.abs(gradient).max() > 0, f"{weight.name} has no gradient"
    assert (np.abs(of_items).max(axis=2) > 0).tolist() == is_there().tolist()


def test_dropout_repeats_with_the_seed_and_scores_do_without() -> None:
    values, there = tf.constant(vectors()), tf.constant(is_there())
    first, second = (
        [built("self_attention", dropout=0.5)(values, there, training=True).numpy()] for _ in "ab"
    )
    np.testing.assert_array_equal(first, second)
    encoder = built("self_attention", dropout=0.5)
    assert (encoder(values, there, training=True) != encoder(values, there)).numpy().any()


def test_a_subclass_with_a_call_of_its_own_is_no_mere_average() -> None:
    """Else training would go past its `call`, which scoring takes."""

    class Doubled(Mean):
        def call(self, vectors, is_there, training=False):
            return 2.0 * super().call(vectors, is_there, training)

    class Renamed(Recency):
        pass

    assert Mean(DIM, LENGTH, 0).is_pure_average
    assert Renamed(DIM, LENGTH, 0).is_pure_average
    assert not Doubled(DIM, LENGTH, 0).is_pure_average
