"""The loss over distinct candidates against `tfrs.tasks.Retrieval` and by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from sweeper.two_tower.config import TaskConfig
from sweeper.two_tower.model.retrieval import DistinctRetrieval
from sweeper.two_tower.model.softmax import weighted_log_sum_exp

BATCH, DIM, CATALOGUE, PADDING = 48, 6, 40, 5


def make_batch(seed: int, scale: float = 1.0) -> dict[str, np.ndarray]:
    """A batch whose candidates repeat, with its distinct form, padded."""
    rng = np.random.default_rng(seed)
    items = np.minimum(rng.geometric(0.15, BATCH), CATALOGUE) - 1
    distinct, positions, counts = np.unique(items, return_inverse=True, return_counts=True)
    padded = np.concatenate([distinct, np.repeat(distinct[:1], PADDING)])
    return {
        "queries": (scale * rng.normal(size=(BATCH, DIM))).astype(np.float32),
        "table": rng.normal(size=(CATALOGUE, DIM)).astype(np.float32),
        "items": items.astype(np.int32),
        "distinct": padded.astype(np.int32),
        "positions": positions.astype(np.int32),
        "counts": np.concatenate([counts, np.zeros(PADDING)]).astype(np.float32),
        "sample_weight": rng.uniform(0.2, 2.0, BATCH).astype(np.float32),
        "probability": rng.uniform(1e-4, 0.2, CATALOGUE).astype(np.float32),
    }


def reference_loss_and_gradients(batch, config, weighted, corrected):
    task = tfrs.tasks.Retrieval(
        temperature=config.temperature,
        num_hard_negatives=config.num_hard_negatives,
        remove_accidental_hits=config.remove_accidental_hits,
    )
    queries, table = tf.Variable(batch["queries"]), tf.Variable(batch["table"])
    with tf.GradientTape() as tape:
        loss = task(
            queries,
            tf.gather(table, batch["items"]),
            sample_weight=batch["sample_weight"] if weighted else None,
            candidate_ids=batch["items"],
            candidate_sampling_probability=(
                tf.gather(batch["probability"], batch["items"]) if corrected else None
            ),
            compute_metrics=False,
        )
    return loss, *map(tf.convert_to_tensor, tape.gradient(loss, [queries, table]))


def distinct_loss_and_gradients(batch, config, weighted, row_blocks=1, jit_compile=False):
    task = DistinctRetrieval(config, row_blocks=row_blocks)
    queries, table = tf.Variable(batch["queries"]), tf.Variable(batch["table"])

    @tf.function(jit_compile=jit_compile)
    def compute():
        with tf.GradientTape() as tape:
            loss = task(
                queries,
                tf.gather(table, batch["distinct"]),
                positions=batch["positions"],
                counts=batch["counts"],
                sample_weight=batch["sample_weight"] if weighted else None,
                candidate_sampling_probability=tf.gather(batch["probability"], batch["distinct"]),
            )
        return loss, *map(tf.convert_to_tensor, tape.gradient(loss, [queries, table]))

    return compute()


def assert_relatively_close(actual, expected, tolerance=1e-5):
    """|actual - expected| <= tolerance, relative to the largest expected value."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


OPTIONS = list(
    itertools.product(
        ["in_batch_softmax", "corrected_softmax"],
        [1.0, 0.3],
        [False, True],
        [None, 1, 4, 1000],
        [False, True],
    )
)


@pytest.mark.parametrize(("name", "temperature", "remove", "hard", "weighted"), OPTIONS)
def test_equals_tfrs_in_value_and_every_gradient(name, temperature, remove, hard, weighted):
    config = TaskConfig(
        name=name,
        temperature=temperature,
        remove_accidental_hits=remove,
        num_hard_negatives=hard,
    )
    batch = make_batch(seed=11)
    expected = reference_loss_and_gradients(batch, config, weighted, name == "corrected_softmax")
    actual = distinct_loss_and_gradients(batch, config, weighted)
    for actual_part, expected_part in zip(actual, expected, strict=True):
        assert_relatively_close(actual_part, expected_part)


@pytest.mark.parametrize("row_blocks", [1, 2, 4])
@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("hard", [None, 5])
def test_xla_and_row_blocks_change_nothing(row_blocks, remove, hard):
    config = TaskConfig(
        name="corrected_softmax", remove_accidental_hits=remove, num_hard_negatives=hard
    )
    batch = make_batch(seed=3)
    expected = reference_loss_and_gradients(batch, config, True, True)
    actual = distinct_loss_and_gradients(batch, config, True, row_blocks, jit_compile=True)
    for actual_part, expected_part in zip(actual, expected, strict=True):
        assert_relatively_close(actual_part, expected_part)


def test_large_scores_stay_finite_and_exact():
    config = TaskConfig(temperature=0.05)
    batch = make_batch(seed=5, scale=30.0)
    expected = reference_loss_and_gradients(batch, config, False, False)
    actual = distinct_loss_and_gradients(batch, config, False)
    for actual_part, expected_part in zip(actual, expected, strict=True):
        assert np.isfinite(np.asarray(actual_part)).all()
        assert_relatively_close(actual_part, expected_part)


def test_loss_by_hand():
    # Scores ln 2 and ln 3 for titles 0 and 1; title 0 occurs twice in the batch
    # of three. Row of title 0: -ln 2 + ln(2 + 2 + 3); row of title 1: -ln 3 + ln 7.
    task = DistinctRetrieval(TaskConfig())
    candidates = tf.math.log(tf.constant([[2.0], [3.0]]))
    loss = task(tf.ones([3, 1]), candidates, tf.constant([0, 0, 1]), tf.constant([2.0, 1.0]))
    assert loss.numpy() == pytest.approx(2 * np.log(7 / 2) + np.log(7 / 3), rel=1e-6)


def test_full_softmax_is_the_softmax_over_the_catalogue():
    batch = make_batch(seed=7)
    task = DistinctRetrieval(TaskConfig(name="full_softmax"))
    loss = task(
        tf.constant(batch["queries"]),
        tf.constant(batch["table"]),
        tf.constant(batch["items"]),
        tf.ones([CATALOGUE]),
    )
    expected = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")(
        batch["items"], batch["queries"] @ batch["table"].T
    )
    assert loss.numpy() == pytest.approx(expected.numpy(), rel=1e-5)


def test_padding_counts_for_nothing_whatever_its_embedding():
    # Under dropout each copy of a repeated candidate is another embedding.
    log_sum = weighted_log_sum_exp(
        tf.constant([[1.0, 0.0]]),
        tf.constant([[1.0, 0.0], [200.0, 0.0]]),
        tf.constant([1.0, 0.0]),
        tf.constant([0]),
    )
    assert log_sum.numpy() == pytest.approx([1.0])
