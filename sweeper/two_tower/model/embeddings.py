"""Embedding tables, and the layers that look rows up in them.

Tables start uniform in +-0.05, as in the reference.
"""

from __future__ import annotations

import re

import tensorflow as tf

from sweeper.two_tower.model.features import PADDING, BucketFeature, ListFeature, LookupFeature

# A table of at least LARGE_TABLE rows has sparse updates, if a step looks up at most one
# CODES_SHARE-th as many. Compiled, a step of 2,048 codes takes 0.3 ms sparse and 0.7 dense at
# 10,000 rows, 0.6 and 7.4 at 160,000; one of 62,000 codes of as many rows takes 11 and 8.
LARGE_TABLE, CODES_SHARE = 10_000, 4


@tf.custom_gradient
def dense_lookup(table: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Returns rows of `table`, [n, dim]; the gradient is a dense [rows, dim] tensor.

    A sparse gradient needs a table of its distinct rows, whose shape XLA can't know. Keras's
    optimizers treat a row without gradient in the same way in both forms.
    """

    def gradient(upstream):  # type: ignore[no-untyped-def]
        return tf.math.unsorted_segment_sum(upstream, codes, tf.shape(table)[0]), None

    return tf.gather(table, codes), gradient


@tf.custom_gradient
def sparse_lookup(table: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Returns rows of `table`, [n, dim]; the gradient has only the n rows that `codes` name.

    The first of several equal codes has the sum of their gradients, the others have zeros. So XLA
    knows all shapes, and the gradient has the squares and norms of the dense one.
    """

    def gradient(upstream):  # type: ignore[no-untyped-def]
        number, shape = tf.size(codes), tf.shape(table)
        first = tf.math.unsorted_segment_min(tf.range(number), codes, shape[0])
        sums = tf.math.unsorted_segment_sum(upstream, tf.gather(first, codes), number)
        return tf.IndexedSlices(sums, codes, shape), None

    return tf.gather(table, codes), gradient


class Embedding(tf.keras.layers.Layer):
    """The embedding of one code per row, or the mean embedding of several.

    It takes [rows] codes, or [rows, longest] with 0 as padding, and returns [rows, dim]. A row
    of padding alone gets zeros.

    Args:
      sparse: whether the table's gradient has only the rows that were looked up, where these
        are few.
    """

    def __init__(
        self, table_rows: int, dim: int, multivalued: bool, name: str, sparse: bool = False
    ) -> None:
        super().__init__(name=name)
        self.table_rows, self.dim, self.multivalued = table_rows, dim, multivalued
        self.sparse = sparse

    def build(self, input_shape: tf.TensorShape) -> None:
        self.table = self.add_weight(
            name="table",
            shape=(self.table_rows, self.dim),
            initializer=tf.keras.initializers.RandomUniform(-0.05, 0.05),
        )
        super().build(input_shape)

    def call(self, codes: tf.Tensor) -> tf.Tensor:
        if not self.multivalued:
            return self._rows_of(codes)
        # XLA needs the length before training; that of a request is not known beforehand.
        longest = tf.shape(codes)[1] if codes.shape[1] is None else codes.shape[1]
        rows = tf.reshape(self._rows_of(tf.reshape(codes, [-1])), [-1, longest, self.dim])
        present = tf.cast(codes != PADDING, rows.dtype)
        number = tf.maximum(tf.reduce_sum(present, axis=1, keepdims=True), 1.0)
        return tf.reduce_sum(rows * (present / number)[:, :, None], axis=1)

    def _rows_of(self, codes: tf.Tensor) -> tf.Tensor:
        """Returns the rows of the table for [n] codes, [n, dim]."""
        number = codes.shape[0]  # None in scoring, which needs no gradient.
        few = number is not None and number * CODES_SHARE <= self.table_rows
        look_up = sparse_lookup if self.sparse and few else dense_lookup
        return look_up(tf.convert_to_tensor(self.table), codes)


def embedding_of(feature: LookupFeature | ListFeature | BucketFeature, sparse: bool) -> Embedding:
    """Makes the embedding of a feature's values.

    Args:
      sparse: whether a large table gets sparse updates.
    """
    sparse = sparse and feature.table_rows >= LARGE_TABLE
    name = layer_name(feature.name)
    return Embedding(feature.table_rows, feature.dim, feature.multivalued, name, sparse)


def layer_name(name: str) -> str:
    """Makes a name that TensorFlow accepts: a user's column may be called "User ID"."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return name if name[0].isalnum() else f"feature{name}"
