"""How long one query takes: its embedding, the scores of all candidates, the best of them."""

from __future__ import annotations

import time

import numpy as np
import tensorflow as tf

from sweeper.model.two_tower import EncodedFeatures, TwoTowerModel

WARM_UP_QUERIES, TIMED_QUERIES = 10, 50
BEST = 100


def milliseconds_per_query(
    model: TwoTowerModel, encoded: EncodedFeatures, rows: np.ndarray
) -> float:
    """The median wall time of an exact answer to one query, in milliseconds.

    Each query is one row, embedded by itself; the candidates' embeddings are
    there beforehand. The answer is the `BEST` candidates with their scores.

    Args:
      model: trained.
      encoded: every row's and every candidate's features.
      rows: the rows of the data to ask for, [n]; up to `TIMED_QUERIES` of them, evenly spaced.
    """
    candidates = model.candidate_tower(
        {name: tf.constant(value) for name, value in encoded.candidate.items()}, training=False
    )
    best = min(BEST, len(candidates))

    @tf.function
    def answer(query: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        embedding = model.query_tower(query, training=False)
        return tf.math.top_k(tf.matmul(embedding, candidates, transpose_b=True), best)

    asked = rows[np.linspace(0, len(rows) - 1, min(TIMED_QUERIES, len(rows))).astype(np.int64)]
    queries = [
        {name: tf.constant(value[row : row + 1]) for name, value in encoded.query.items()}
        for row in asked
    ]
    for index in range(WARM_UP_QUERIES):
        answer(queries[index % len(queries)])
    return 1_000 * float(np.median([_seconds(answer, query) for query in queries]))


def _seconds(answer: tf.types.experimental.GenericFunction, query: dict[str, tf.Tensor]) -> float:
    started = time.perf_counter()
    scores, items = answer(query)
    # The answer is there only once it is read.
    scores.numpy(), items.numpy()
    return time.perf_counter() - started
