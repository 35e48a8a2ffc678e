"""Checks of a user's own features, towers, tasks and baselines: `package.module:Name`.

Each check takes a built-in name or a Python path, as YAML does, and its options. It raises
AssertionError, or the error of this project that a trial would raise:

  from sweeper.testing import check_feature

  def test_hour():
      check_feature("plugins:Hour", numbers(), dim=4)

The built-in parts of this project pass the same checks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sweeper.common.runtime import start_tensorflow
from sweeper.two_tower.config import (
    EvaluationConfig,
    FeatureConfig,
    ModelConfig,
    SequenceConfig,
    TaskConfig,
)
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)
from sweeper.two_tower.data.histories import find_histories
from sweeper.two_tower.data.interactions import Interactions, assemble

start_tensorflow()

import tensorflow as tf  # noqa: E402

from sweeper.two_tower.evaluation.baselines import fit_baselines  # noqa: E402
from sweeper.two_tower.evaluation.ranking import EVERY, RankingTask, SeenItems, rank  # noqa: E402
from sweeper.two_tower.model.feature_graphs import check_graph, raw_values  # noqa: E402
from sweeper.two_tower.model.feature_layers import (  # noqa: E402
    feature_layer,
    sequence_encoder,
)
from sweeper.two_tower.model.features import CustomFeature  # noqa: E402
from sweeper.two_tower.model.fitting import fit_features  # noqa: E402
from sweeper.two_tower.model.retrieval import build_task  # noqa: E402
from sweeper.two_tower.model.towers import Tower  # noqa: E402

ROWS, TRAINING_ROWS = 12, 9
USERS, ITEMS, DIM = 4, 6, 3


def words() -> CategoricalColumn:
    """Makes a column of words, some of which only the last three rows have."""
    codes = np.array([0, 1, 2, 0, 1, 2, 0, 0, 1, 3, 3, 0], np.int32)
    return CategoricalColumn(codes, ["", "amber birch", "birch", "cedar delta"])


def numbers() -> NumericColumn:
    """Makes a column of whole numbers, the last three of which lie outside the range before."""
    return NumericColumn(np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 100, -7, 3]))


def lists() -> CategoricalListColumn:
    """Makes a column of lists of words, some empty and some with words of the last rows only."""
    offsets = np.array([0, 2, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 13])
    codes = np.array([0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 2, 2, 2], np.int32)
    return CategoricalListColumn(codes, offsets, ["a", "b", "c"])


def check_feature(kind: str, column: Column, dim: int = 3, **options: Any) -> None:
    """Checks that a feature behaves as a tower expects.

    It is fitted on training rows alone, and encodes every row, unseen values too, in the same way
    each time. Its graph, if it has one, encodes the same. Its layer returns finite float32
    [rows, dim] and passes gradients on.

    Args:
      column: a column of `ROWS` rows, the first `TRAINING_ROWS` of which are for training.
    """
    feature, encoded = _fitted(kind, column, dim, options)
    assert len(encoded) == ROWS, f"encode gives {len(encoded)} rows of {ROWS}"
    assert encoded.dtype in (np.int32, np.float32), f"encode gives {encoded.dtype}"
    assert np.isfinite(encoded).all(), "encode gives values that are not finite"
    again, same = _fitted(kind, column, dim, options)
    np.testing.assert_array_equal(encoded, same, "two fits of the same rows differ")
    # Only held-out rows change, so that the encoding of training rows must stay the same.
    order = np.r_[0:TRAINING_ROWS, ROWS - 1 : TRAINING_ROWS - 1 : -1]
    _, other = _fitted(kind, column.take(order), dim, options)
    training = slice(0, TRAINING_ROWS)
    np.testing.assert_array_equal(
        encoded[training], other[training], "held-out rows change how training rows are encoded"
    )
    has_graph = isinstance(feature, CustomFeature) and feature.graph() is not None
    if has_graph and not isinstance(column, CategoricalListColumn):
        check_graph(feature, raw_values(column), encoded, "kind")
    layer = feature_layer(feature)
    with tf.GradientTape() as tape:
        values = layer(tf.constant(encoded))
        loss = tf.reduce_sum(values * values)
    assert np.isfinite(values).all(), "the layer gives values that are not finite"
    _check_layer("layer", values, feature.dim, tape.gradient(loss, layer.trainable_variables))
    assert again.name == feature.name


def _check_layer(name: str, values: tf.Tensor, width: int, gradients: list[Any]) -> None:
    """Checks the form of a layer's output, and that each of its weights gets a gradient."""
    assert values.shape == (ROWS, width), f"the {name} gives {values.shape}"
    assert values.dtype == tf.float32, f"the {name} gives {values.dtype}"
    assert all(each is not None for each in gradients), f"a weight of the {name} gets no gradient"


def _fitted(kind: str, column: Column, dim: int, options: dict[str, Any]) -> tuple[Any, np.ndarray]:
    own = {"options": options} if ":" in kind else options
    config = FeatureConfig("column", kind, **own)
    rows = np.arange(TRAINING_ROWS)
    items = np.arange(ROWS) % ITEMS
    (feature,) = fit_features([config], {"column": column}, rows, dim, "features.query", items)
    return feature, feature.encode(column)


def check_tower(name: str, layer_sizes: tuple[int, ...] = (5, DIM), **options: Any) -> None:
    """Checks that a tower has its width and gradients, and scores in the same way each time.

    Args:
      name: "dense" or a path.
      options: `model.tower_options`; for "dense", values of `model`.
    """
    own = {"tower": name, "tower_options": options} if ":" in name else options
    config, column = ModelConfig(**own), words()
    feature, encoded = _fitted("embedding", column, 4, {})
    inputs = {feature.name: tf.constant(encoded)}

    def build() -> Tower:
        tf.keras.utils.set_random_seed(1)
        return Tower([feature], list(layer_sizes), False, config, 7, "query")

    tower = build()
    with tf.GradientTape() as tape:
        values = tower(inputs, training=True)
        loss = tf.reduce_sum(values * values)
    _check_layer("tower", values, layer_sizes[-1], tape.gradient(loss, tower.trainable_variables))
    scored = tower(inputs, training=False)
    assert np.isfinite(scored).all(), "the tower gives values that are not finite"
    np.testing.assert_array_equal(
        scored, tower(inputs, training=False), "the same rows are scored differently"
    )
    again = build()
    np.testing.assert_array_equal(
        again(inputs, training=False), scored, "the same seed starts with other weights"
    )
    part = {key: value[2:5] for key, value in inputs.items()}
    np.testing.assert_allclose(
        tower(part, training=False), scored[2:5], atol=1e-6,
        err_msg="a row's embedding depends on the other rows when it is scored",
    )  # fmt: skip


def check_sequence_encoder(name: str, dim: int = 4, **options: Any) -> None:
    """Checks that an encoder of sequences has its width and gradients, and reads the items alone.

    The values of padding must not change the result, rows must not depend on each other, and the
    same rows must be encoded in the same way each time.

    Args:
      name: a built-in name or a path.
      dim: the width of the items' vectors.
      options: `features.sequence.options`; for a built-in one, values of `features.sequence`.
    """
    own = {"options": options} if ":" in name else options
    settings = SequenceConfig(max_length=ITEMS, encoder=name, **own)

    def build() -> Any:
        tf.keras.utils.set_random_seed(1)
        return sequence_encoder(settings, dim, seed=7)

    rng, encoder = np.random.default_rng(0), build()
    vectors = rng.normal(size=(ROWS, ITEMS, dim)).astype(np.float32)
    # Row by row, sequences get shorter, down to none.
    is_there = np.arange(ITEMS)[None, :] >= (np.arange(ROWS) % (ITEMS + 1))[:, None]
    there = tf.constant(is_there)
    with tf.GradientTape() as tape:
        encoded = encoder(tf.constant(vectors), there, training=True)
        loss = tf.reduce_sum(encoded**3)
    gradients = tape.gradient(loss, encoder.trainable_variables)
    _check_layer("encoder", encoded, encoder.width, gradients)
    scored = encoder(tf.constant(vectors), there, training=False)
    assert np.isfinite(scored).all(), "the encoder gives values that are not finite"
    other = np.where(is_there[:, :, None], vectors, 100.0).astype(np.float32)
    np.testing.assert_array_equal(
        encoder(tf.constant(other), there, training=False), scored,
        "padding changes how a sequence is encoded",
    )  # fmt: skip
    np.testing.assert_array_equal(
        build()(tf.constant(vectors), there, training=False), scored,
        "the same seed starts with other weights",
    )  # fmt: skip
    np.testing.assert_allclose(
        encoder(tf.constant(vectors[2:5]), there[2:5], training=False), scored[2:5], atol=1e-6,
        err_msg="a row's encoding depends on the other rows when it is scored",
    )  # fmt: skip


def check_task(name: str, **options: Any) -> None:
    """Checks that a task's loss is finite, that padding doesn't change it, and that steps lower it.

    Args:
      options: `task.options` for a path, else values of `task`.
    """
    own = {"options": options} if ":" in name else options
    task = build_task(TaskConfig(name, **own))
    rng = np.random.default_rng(0)
    batch = {
        "query_embeddings": rng.normal(size=(5, DIM)),
        "candidate_embeddings": rng.normal(size=(4, DIM)),
        "counts": np.array([2.0, 1.0, 1.0, 1.0]),
        "sample_weight": np.array([1.0, 0.5, 2.0, 1.0, 1.0]),
        "candidate_sampling_probability": np.array([0.4, 0.3, 0.2, 0.1]),
    }
    positions = np.array([0, 0, 1, 2, 3], np.int32)
    loss, gradients = _loss(task, batch, positions)
    assert loss.shape == (), f"the loss has the shape {loss.shape}"
    assert np.isfinite(loss), "the loss is not finite"
    of_queries, of_candidates = gradients
    assert of_queries is not None, "the query embeddings get no gradient"
    assert of_candidates is not None, "the candidate embeddings get no gradient"
    assert np.isfinite(of_queries).all(), "a gradient is not finite"
    assert np.isfinite(of_candidates).all(), "a gradient is not finite"
    padded = {
        key: np.concatenate([value, value[:2]])
        for key, value in batch.items()
        if key not in ("counts", "sample_weight")
    }
    padded |= {key: np.append(batch[key], [0.0, 0.0]) for key in ("counts", "sample_weight")}
    same, _ = _loss(task, padded, np.append(positions, [0, 0]).astype(np.int32))
    np.testing.assert_allclose(same, loss, rtol=1e-5, err_msg="padding changes the loss")
    # A step against the gradient must lower the loss.
    better = {
        **batch,
        "query_embeddings": batch["query_embeddings"] - 1e-3 * of_queries,
        "candidate_embeddings": batch["candidate_embeddings"] - 1e-3 * of_candidates,
    }
    lower, _ = _loss(task, better, positions)
    assert lower < loss, "a step against the gradient does not lower the loss"


def _loss(
    task: Any, batch: dict[str, np.ndarray], positions: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Computes the loss and the gradients of both embeddings."""
    inputs = {key: tf.constant(value, tf.float32) for key, value in batch.items()}
    embeddings = [inputs["query_embeddings"], inputs["candidate_embeddings"]]
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = task(**inputs, positions=positions)
    gradients = tape.gradient(loss, embeddings)
    return loss.numpy(), [None if each is None else np.asarray(each) for each in gradients]


def check_baseline(name: str, **evaluation: Any) -> None:
    """Checks that a baseline's scores are finite, and the same for chosen candidates and rows.

    It scores rows whose histories have all earlier rows, as under a split by time, and rows whose
    histories have training rows alone, as under the random split.

    Args:
      evaluation: values of `evaluation`.
    """
    interactions = small_interactions()
    rows, asked = np.arange(TRAINING_ROWS), np.arange(TRAINING_ROWS, ROWS)
    config = EvaluationConfig(baselines=[name], **evaluation)
    users, items = interactions.users, interactions.items
    seen = SeenItems.from_rows(users[rows], items[rows], USERS, ITEMS)
    fitted, again = (fit_baselines(config, interactions, rows)[name] for _ in range(2))
    for known in (None, rows):
        histories = find_histories(interactions, known)
        task = RankingTask(users[asked], items[asked], ITEMS, seen, rows=asked, histories=histories)
        scorer = fitted(task)
        scores = np.array(scorer(0, 3, EVERY))
        assert scores.shape == (3, ITEMS), f"the scores have the shape {scores.shape}"
        assert np.isfinite(scores).all(), "a score is not finite"
        np.testing.assert_array_equal(scores, again(task)(0, 3, EVERY), "two fits differ")
        chosen = np.array([1, 4])
        np.testing.assert_allclose(
            scorer(1, 3, chosen), scores[1:3][:, chosen], rtol=1e-5,
            err_msg="scores of chosen candidates are not those among all",
        )  # fmt: skip
        assert (rank(scorer, task).unfiltered < ITEMS).all()


def small_interactions() -> Interactions:
    """Makes `ROWS` rows of four users and six items."""
    users = np.array([0, 1, 2, 3, 0, 1, 2, 0, 1, 0, 2, 3], np.int32)
    items = np.array([0, 1, 0, 2, 1, 0, 3, 4, 2, 2, 1, 0], np.int32)
    names = [f"item {index}" for index in range(ITEMS)]
    return assemble(
        {
            "user": CategoricalColumn(users, [f"user {index}" for index in range(USERS)]),
            "when": numbers(),
        },
        items,
        {"item": CategoricalColumn(np.arange(ITEMS, dtype=np.int32), names)},
        "made for a check",
        user_column="user",
        item_column="item",
        timestamp_column="when",
    )
