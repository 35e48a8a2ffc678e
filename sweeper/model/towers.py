"""The two towers: features, then a stack of dense layers.

Initial values as in the reference: embeddings uniform in +-0.05, dense kernels
Glorot uniform, biases zero.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sweeper.config import ModelConfig
from sweeper.model.features import PADDING, Feature, HistoryFeature, ScaledFeature


@tf.custom_gradient
def dense_lookup(table: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Rows of `table`; [n, dim]. The gradient is a dense [rows, dim] tensor.

    A sparse gradient needs a table of its distinct rows, whose shape XLA can't
    know. Keras's optimizers treat a row without gradient alike in both forms.
    """

    def gradient(upstream):  # type: ignore[no-untyped-def]
        return tf.math.unsorted_segment_sum(upstream, codes, tf.shape(table)[0]), None

    return tf.gather(table, codes), gradient


class Lookup(tf.keras.layers.Layer):
    """An embedding of one code a row, or the mean of several.

    Takes [rows] codes, or [rows, longest] with 0 as padding; gives [rows, dim].
    A row with nothing but padding gives zeros.
    """

    def __init__(self, table_rows: int, dim: int, multivalued: bool, name: str) -> None:
        super().__init__(name=name)
        self.table_rows, self.dim, self.multivalued = table_rows, dim, multivalued

    def build(self, input_shape: tf.TensorShape) -> None:
        self.table = self.add_weight(
            name="table",
            shape=(self.table_rows, self.dim),
            initializer=tf.keras.initializers.RandomUniform(-0.05, 0.05),
        )
        super().build(input_shape)

    def call(self, codes: tf.Tensor) -> tf.Tensor:
        table = tf.convert_to_tensor(self.table)
        if not self.multivalued:
            return dense_lookup(table, codes)
        # In training it is known beforehand, as XLA must have it; in a request it is not.
        longest = tf.shape(codes)[1] if codes.shape[1] is None else codes.shape[1]
        rows = tf.reshape(dense_lookup(table, tf.reshape(codes, [-1])), [-1, longest, self.dim])
        present = tf.cast(codes != PADDING, rows.dtype)
        number = tf.maximum(tf.reduce_sum(present, axis=1, keepdims=True), 1.0)
        return tf.reduce_sum(rows * (present / number)[:, :, None], axis=1)


class Column(tf.keras.layers.Layer):
    """A number as it is; [rows] to [rows, 1]."""

    dim = 1

    def call(self, values: tf.Tensor) -> tf.Tensor:
        return values[:, None]


class History(tf.keras.layers.Layer):
    """The mean embedding of the candidates in a row's history, without the row's own.

    Takes [rows, 2]: a category and the row's own candidate, both from 1; gives
    [rows, dim]. A row with no other candidate gives zeros. As the item side of FISM:
    Kabbur, Ning and Karypis, "FISM: factored item similarity models", KDD 2013.
    """

    def __init__(self, counts: np.ndarray, dim: int, name: str) -> None:
        super().__init__(name=name)
        self.counts, self.dim = tf.constant(counts), dim
        self.sizes = tf.reduce_sum(self.counts, axis=1)

    def build(self, input_shape: tf.TensorShape) -> None:
        self.table = self.add_weight(
            name="table",
            shape=(self.counts.shape[1], self.dim),
            initializer=tf.keras.initializers.RandomUniform(-0.05, 0.05),
        )
        super().build(input_shape)

    def call(self, codes: tf.Tensor) -> tf.Tensor:
        categories, own = codes[:, 0], codes[:, 1]
        table = tf.convert_to_tensor(self.table)
        # All histories at once: a dense product, where a row's own would be a long gather.
        sums = dense_lookup(tf.matmul(self.counts, table), categories)
        is_own = tf.cast(own > 0, table.dtype)
        sums -= dense_lookup(table, tf.maximum(own - 1, 0)) * is_own[:, None]
        number = tf.gather(self.sizes, categories) - is_own
        return sums / tf.maximum(number, 1.0)[:, None]


def feature_layer(feature: Feature) -> tf.keras.layers.Layer:
    """The layer that takes the feature's encoded rows; gives [rows, feature.dim]."""
    if isinstance(feature, HistoryFeature):
        return History(feature.counts, feature.dim, name=feature.name)
    if isinstance(feature, ScaledFeature):
        return Column(name=feature.name)
    return Lookup(feature.table_rows, feature.dim, feature.multivalued, name=feature.name)


class Tower(tf.keras.Model):
    """Features side by side, then dense layers; the last one has no activation.

    Args:
      features: the tower's fitted features.
      layer_sizes: the widths of the dense layers; the last is the output's.
      projection_only: one dense layer without bias, the form of an empty
        `model.layer_sizes`.
      config: activation, dropout, normalisation and regularisation.
      seed: of the dropout masks.
    """

    def __init__(
        self,
        features: list[Feature],
        layer_sizes: list[int],
        projection_only: bool,
        config: ModelConfig,
        seed: int,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.feature_names = [feature.name for feature in features]
        self.feature_layers = [feature_layer(feature) for feature in features]
        self.stack = []
        if config.input_dropout:
            self.stack.append(_dropout(config.input_dropout, seed, "input_dropout"))
        for index, width in enumerate(layer_sizes):
            hidden = index < len(layer_sizes) - 1
            self.stack.append(
                tf.keras.layers.Dense(
                    width,
                    use_bias=not projection_only,
                    kernel_regularizer=tf.keras.regularizers.L2(config.l2) if config.l2 else None,
                    name="projection" if projection_only else f"dense_{index + 1}",
                )
            )
            if hidden:
                if config.layer_norm:
                    self.stack.append(
                        tf.keras.layers.LayerNormalization(name=f"layer_norm_{index + 1}")
                    )
                self.stack.append(
                    tf.keras.layers.Activation(config.activation, name=f"activation_{index + 1}")
                )
                if config.dropout:
                    self.stack.append(
                        _dropout(config.dropout, seed + index + 1, f"dropout_{index + 1}")
                    )
        self.normalize_output = config.normalize_output

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Encoded features, each [rows] or [rows, longest], to [rows, width]."""
        features = [
            layer(inputs[name])
            for name, layer in zip(self.feature_names, self.feature_layers, strict=True)
        ]
        return self.on_features(features, training)

    def on_features(self, features: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        """What lies above the feature layers; each feature [rows, dim], to [rows, width]."""
        values = tf.concat(features, axis=1)
        for layer in self.stack:
            if isinstance(layer, tf.keras.layers.Dropout):
                values = layer(values, training=training)
            else:
                values = layer(values)
        return tf.math.l2_normalize(values, axis=1) if self.normalize_output else values


def _dropout(rate: float, seed: int, name: str) -> tf.keras.layers.Dropout:
    """Dropout whose masks come from a counter in a variable, so that they repeat.

    Under XLA, Keras's default generator starts anew in each process.
    """
    return tf.keras.layers.Dropout(rate, seed=seed, force_generator=True, name=name)
