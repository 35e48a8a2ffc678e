"""The two towers: features, then a stack of dense layers.

Dense kernels start Glorot uniform and biases at zero, as in the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from sweeper.common.plugins import is_path, make
from sweeper.two_tower.config import ModelConfig
from sweeper.two_tower.model.dropout import Dropout, IdDropout
from sweeper.two_tower.model.embeddings import Embedding
from sweeper.two_tower.model.feature_layers import ItemSequence, feature_layer
from sweeper.two_tower.model.features import Feature

# Beyond the seeds of a tower's own dropout layers; each feature has so many seeds, of which the
# last one seeds the dropout of its ids.
FIRST_ENCODER_SEED, SEEDS_OF_A_FEATURE = 100, 50


class CustomTower(tf.keras.layers.Layer):
    """Base class of a user's own towers; `model.tower: package.module:Name`.

    It replaces the dense layers above the features: `call(values, training)` takes float32
    [rows, width of the features] and returns [rows, layer_sizes[-1]].

    Args:
      layer_sizes: of the query tower or of the candidate tower.
      seed: seeds whatever is random in it.
      options: the values of `model.tower_options`.
    """

    def __init__(self, layer_sizes: list[int], seed: int, **options: Any) -> None:
        super().__init__(name="own", **options)
        self.units = layer_sizes[-1]


class Tower(tf.keras.Model):
    """Features side by side, then dense layers; the last one has no activation.

    Args:
      features: the tower's fitted features.
      layer_sizes: the widths of the dense layers; the last is the output's.
      projection_only: whether the tower is one dense layer without bias, which is what an empty
        `model.layer_sizes` means.
      config: activation, dropout, normalisation and regularisation.
      seed: seeds the dropout masks.
      sparse_updates: see `feature_layer`.
      precision: Keras's policy for the dense layers; their inputs and outputs are float32.
      shared: see `feature_layer`.
      id_dropout_rates: of each feature, the probability that an id is replaced by the unknown id
        in training; empty: 0 for all.
    """

    def __init__(
        self,
        features: list[Feature],
        layer_sizes: list[int],
        projection_only: bool,
        config: ModelConfig,
        seed: int,
        name: str,
        sparse_updates: bool = False,
        precision: str = "float32",
        shared: Mapping[str, Embedding] | None = None,
        id_dropout_rates: Sequence[float] = (),
    ) -> None:
        super().__init__(name=name)
        self.feature_names = [feature.name for feature in features]
        seeds = [
            seed + FIRST_ENCODER_SEED + SEEDS_OF_A_FEATURE * index for index in range(len(features))
        ]
        self.id_dropouts = [
            IdDropout(rate, first + SEEDS_OF_A_FEATURE - 1) if rate else None
            for rate, first in zip(id_dropout_rates or [0.0] * len(features), seeds, strict=True)
        ]
        self.feature_layers = [
            feature_layer(feature, sparse_updates, shared, first, id_dropout)
            for feature, first, id_dropout in zip(features, seeds, self.id_dropouts, strict=True)
        ]
        self.feature_dims = [
            layer.encoder.width if isinstance(layer, ItemSequence) else feature.dim
            for layer, feature in zip(self.feature_layers, features, strict=True)
        ]
        if is_path(config.tower):
            options = config.tower_options
            own = make("model.tower", config.tower, CustomTower, layer_sizes, seed, **options)
            self.stack = [own]
        else:
            self.stack = _dense_stack(layer_sizes, projection_only, config, seed, precision)
        self.normalize_output = config.normalize_output

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Encoded features, each [rows] or [rows, longest], to [rows, width]."""
        features = []
        for name, layer, id_dropout in zip(
            self.feature_names, self.feature_layers, self.id_dropouts, strict=True
        ):
            codes = inputs[name]
            if isinstance(layer, ItemSequence):
                features.append(layer(codes, training=training))
                continue
            if id_dropout is not None:
                codes = id_dropout(codes, training=training)
            features.append(layer(codes))
        return self.on_features(features, training)

    def on_features(self, features: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        """Applies the layers above the features; each feature [rows, dim], to [rows, width]."""
        values = tf.concat(features, axis=1)
        for layer in self.stack:
            if isinstance(layer, Dropout | CustomTower):
                values = layer(values, training=training)
            else:
                values = layer(values)
        values = tf.cast(values, tf.float32)
        return tf.math.l2_normalize(values, axis=1) if self.normalize_output else values


def _dense_stack(
    layer_sizes: list[int], projection_only: bool, config: ModelConfig, seed: int, precision: str
) -> list[tf.keras.layers.Layer]:
    """Makes the dense layers and the layers between them; see `Tower`."""
    keras, stack = tf.keras.layers, []
    if config.input_dropout:
        stack.append(Dropout(config.input_dropout, seed, "input_dropout", precision))
    for index, width in enumerate(layer_sizes):
        number = index + 1
        stack.append(
            keras.Dense(
                width,
                use_bias=not projection_only,
                kernel_regularizer=tf.keras.regularizers.L2(config.l2) if config.l2 else None,
                dtype=precision,
                name="projection" if projection_only else f"dense_{number}",
            )
        )
        if number == len(layer_sizes):
            break
        if config.layer_norm:
            stack.append(keras.LayerNormalization(dtype=precision, name=f"layer_norm_{number}"))
        stack.append(
            keras.Activation(config.activation, dtype=precision, name=f"activation_{number}")
        )
        if config.dropout:
            stack.append(Dropout(config.dropout, seed + number, f"dropout_{number}", precision))
    return stack
