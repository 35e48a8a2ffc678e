"""The latency of one query: its embedding, the scores of all candidates, the best of them."""

from __future__ import annotations

import time

import numpy as np
import tensorflow as tf

from sweeper.two_tower.model.two_tower import EncodedFeatures, TwoTowerModel

WARM_UP_QUERIES, TIMED_QUERIES = 10, 50
BEST = 100


def milliseconds_per_query(
    model: TwoTowerModel, encoded: EncodedFeatures, rows: np.ndarray
) -> float:
    """Measures the median wall time of an exact answer to one query, in milliseconds.

    Each query is one row, embedded by itself. The candidates' embeddings are computed beforehand,
    and so is what its user had before, if the model has a bias for it. The answer is the `BEST`
    candidates with their scores.

    Args:
      model: trained.
      encoded: every row's and every candidate's features.
      rows: rows of the data, [n]; up to `TIMED_QUERIES` of them, evenly spaced, are queried.
    """
    candidates = model.candidate_tower(
        {name: tf.constant(value) for name, value in encoded.candidate.items()}, training=False
    )
    best = min(BEST, len(candidates))

    @tf.function(reduce_retracing=True)
    def answer(query: dict[str, tf.Tensor], seen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        embedding = model.query_tower(query, training=False)
        scores = tf.matmul(embedding, candidates, transpose_b=True)
        if model.seen_bias is not None:
            places = tf.stack([tf.zeros_like(seen), seen], axis=1)
            biases = tf.fill([tf.shape(seen)[0]], model.seen_bias)
            scores = tf.tensor_scatter_nd_add(scores, places, biases)
        return tf.math.top_k(scores, best)

    asked = rows[np.linspace(0, len(rows) - 1, min(TIMED_QUERIES, len(rows))).astype(np.int64)]
    queries = [
        (
            {name: tf.constant(value[row : row + 1]) for name, value in encoded.query.items()},
            tf.constant(_seen(model, encoded, row)),
        )
        for row in asked
    ]
    for index in range(WARM_UP_QUERIES):
        answer(*queries[index % len(queries)])
    return 1_000 * float(np.median([_seconds(answer, *query) for query in queries]))


def _seen(model: TwoTowerModel, encoded: EncodedFeatures, row: int) -> np.ndarray:
    """Finds the distinct candidates that the row's user had before it, int32 [n].

    It finds none where the model has no bias for them.
    """
    if model.seen_bias is None:
        return np.zeros(0, np.int32)
    assert encoded.histories is not None
    _, items = encoded.histories.pairs(np.array([row]))
    return np.unique(items)


def _seconds(
    answer: tf.types.experimental.GenericFunction, query: dict[str, tf.Tensor], seen: tf.Tensor
) -> float:
    started = time.perf_counter()
    scores, items = answer(query, seen)
    # Reading the answer waits for it.
    scores.numpy(), items.numpy()
    return time.perf_counter() - started
