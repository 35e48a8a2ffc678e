"""The best candidates of each query, found in the SavedModel's own graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# What a candidate that is left out scores: JSON has no infinity.
LOWEST = tf.float32.min


class ExactSearch(tf.Module):
    """Scores every candidate: the product of its embedding with the query's.

    Args:
      candidates: [candidates, dim] float32.
    """

    def __init__(self, candidates: np.ndarray) -> None:
        super().__init__()
        self.candidates = tf.Variable(candidates, trainable=False, name="candidates")

    def __call__(
        self,
        queries: tf.Tensor,
        k: tf.Tensor,
        left_out: tf.Tensor | None = None,
        biased: tuple[tf.Tensor, tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The k best of each query, best first; of equal ones the first in the catalogue first.

        Args:
          queries: [rows, dim].
          left_out: [n, 2] int32, pairs of (row, candidate) that are to score `LOWEST`.
          biased: a scalar, and the pairs of (row, candidate), [n, 2] int32, to whose scores it is
            added; a pair that is there twice counts once.

        Returns:
          Scores [rows, k] float32 and candidates [rows, k] int32.
        """
        scores = tf.matmul(queries, self.candidates, transpose_b=True)
        if biased is not None:
            bias, pairs = biased
            biases = tf.fill([tf.shape(pairs)[0]], bias)
            scores += tf.tensor_scatter_nd_update(tf.zeros_like(scores), pairs, biases)
        if left_out is not None:
            lowest = tf.fill([tf.shape(left_out)[0]], LOWEST)
            scores = tf.tensor_scatter_nd_update(scores, left_out, lowest)
        return tf.math.top_k(scores, k)
