"""The two towers: features, then a stack of dense layers.

Initial values as in the reference: embeddings uniform in +-0.05, dense kernels
Glorot uniform, biases zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Sequence as ListOf
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from sweeper.common.plugins import is_path, make
from sweeper.two_tower.config import ModelConfig, SequenceConfig
from sweeper.two_tower.model.dropout import Dropout, IdDropout
from sweeper.two_tower.model.features import (
    PADDING,
    BucketFeature,
    CustomFeature,
    Feature,
    HistoryFeature,
    HistoryNumberFeature,
    ListFeature,
    LookupFeature,
    ScaledFeature,
    SequenceFeature,
)
from sweeper.two_tower.model.sequence_encoders import (
    ENCODERS,
    OPTIONS_OF_ENCODERS,
    Averages,
    SequenceEncoder,
)
from sweeper.two_tower.model.weighted_means import means_of_rows

# A table of so many rows has sparse updates, if a step looks up at most one CODES_SHARE-th as
# many. Compiled, a step of 2,048 codes takes 0.3 ms sparse and 0.7 dense at 10,000 rows, 0.6 and
# 7.4 at 160,000; one of 62,000 codes of as many rows 11 and 8.
LARGE_TABLE, CODES_SHARE = 10_000, 4
# Beyond the seeds of a tower's own dropout layers; each feature has so many seeds, of which the
# last is that of its ids' dropout.
FIRST_ENCODER_SEED, SEEDS_OF_A_FEATURE = 100, 50


@tf.custom_gradient
def dense_lookup(table: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Rows of `table`; [n, dim]. The gradient is a dense [rows, dim] tensor.

    A sparse gradient needs a table of its distinct rows, whose shape XLA can't
    know. Keras's optimizers treat a row without gradient alike in both forms.
    """

    def gradient(upstream):  # type: ignore[no-untyped-def]
        return tf.math.unsorted_segment_sum(upstream, codes, tf.shape(table)[0]), None

    return tf.gather(table, codes), gradient


@tf.custom_gradient
def sparse_lookup(table: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Rows of `table`; [n, dim]. The gradient has the n rows that `codes` name, and no others.

    The first of equal codes has the sum of their gradients, the others have zeros. So all shapes
    are known to XLA, and the squares and norms of it are those of the dense gradient.
    """

    def gradient(upstream):  # type: ignore[no-untyped-def]
        number, shape = tf.size(codes), tf.shape(table)
        first = tf.math.unsorted_segment_min(tf.range(number), codes, shape[0])
        sums = tf.math.unsorted_segment_sum(upstream, tf.gather(first, codes), number)
        return tf.IndexedSlices(sums, codes, shape), None

    return tf.gather(table, codes), gradient


class Lookup(tf.keras.layers.Layer):
    """An embedding of one code a row, or the mean of several.

    Takes [rows] codes, or [rows, longest] with 0 as padding; gives [rows, dim].
    A row with nothing but padding gives zeros.

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
        # In training it is known beforehand, as XLA must have it; in a request it is not.
        longest = tf.shape(codes)[1] if codes.shape[1] is None else codes.shape[1]
        rows = tf.reshape(self._rows_of(tf.reshape(codes, [-1])), [-1, longest, self.dim])
        present = tf.cast(codes != PADDING, rows.dtype)
        number = tf.maximum(tf.reduce_sum(present, axis=1, keepdims=True), 1.0)
        return tf.reduce_sum(rows * (present / number)[:, :, None], axis=1)

    def _rows_of(self, codes: tf.Tensor) -> tf.Tensor:
        """Rows of the table for [n] codes; [n, dim]."""
        number = codes.shape[0]  # None where any number of rows is scored: no gradient is asked for
        few = number is not None and number * CODES_SHARE <= self.table_rows
        look_up = sparse_lookup if self.sparse and few else dense_lookup
        return look_up(tf.convert_to_tensor(self.table), codes)


class NumericInput(tf.keras.layers.Layer):
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


class Sequence(tf.keras.layers.Layer):
    """Reads each row's latest items from the list of all histories, and encodes them.

    Takes [rows, 2] int32, where a row's history begins and ends in `feature.items`; gives
    [rows, encoder.width].

    Args:
      feature: fitted.
      lookup: the vectors of the items' values.
      encoder: of `feature.settings.max_length` vectors.
      id_dropout: of each position's id, in training: a user's latest items may be new ones when
        the model is served. None: without.
    """

    def __init__(
        self,
        feature: SequenceFeature,
        lookup: Lookup,
        encoder: SequenceEncoder,
        name: str,
        id_dropout: IdDropout | None = None,
    ) -> None:
        super().__init__(name=name)
        self.length = feature.settings.max_length
        self.items, self.item_codes = tf.constant(feature.items), tf.constant(feature.item_codes)
        self.lookup, self.encoder, self.id_dropout = lookup, encoder, id_dropout

    def call(self, ranges: tf.Tensor, training: bool = False) -> tf.Tensor:
        encoder = self.encoder
        averages = isinstance(encoder, Averages) and encoder.is_nothing_more
        if training and averages and ranges.shape[0] is not None:
            items, is_there = self.latest(self.items, ranges)
            if not self.lookup.multivalued or self._exceed_catalogue(items):
                means = self._means(items, encoder.weights_of(is_there))
                return encoder.side_by_side(means)
        vectors = partial(self.vectors, training=training)
        return self.read(self.items, ranges, vectors, training)

    def latest(self, known: tf.Tensor, ranges: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The end of each row's range; [rows, length] candidates, and which of them are there.

        Args:
          known: int32 [at least 1], candidates that histories are ranges of.
          ranges: int32 [rows, 2], where a row's history begins and ends in `known`.
        """
        positions = ranges[:, 1:] - tf.range(self.length, 0, -1)
        is_there = positions >= ranges[:, :1]
        return tf.gather(known, tf.where(is_there, positions, 0)), is_there

    def read(
        self,
        known: tf.Tensor,
        ranges: tf.Tensor,
        vectors_of: Callable[[tf.Tensor], tf.Tensor],
        training: bool = False,
    ) -> tf.Tensor:
        """Encodes what is `latest`; [rows, encoder.width].

        Args:
          vectors_of: makes [n, dim] of [n] candidates, as `vectors` does.
        """
        items, is_there = self.latest(known, ranges)
        vectors = vectors_of(tf.reshape(items, [-1]))
        shape = [-1, self.length, self.lookup.dim]
        return self.encoder(tf.reshape(vectors, shape), is_there, training=training)

    def vectors(self, items: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[n] candidates to [n, dim]."""
        if not self.lookup.multivalued:
            return self.lookup(self._codes(items, training))
        if self._exceed_catalogue(items):
            # Each item's mean once.
            return dense_lookup(self.lookup(self.item_codes), items)
        return self.lookup(tf.gather(self.item_codes, items))

    def _means(self, items: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Weighted means of the latest items' vectors, in training; [rows, sets, dim].

        Args:
          items: [rows, length] candidates.
          weights: [rows, sets, length].
        """
        if not self.lookup.multivalued:
            codes = self._codes(items, training=True)
            return means_of_rows(tf.convert_to_tensor(self.lookup.table), codes, weights)
        return means_of_rows(self.lookup(self.item_codes), items, weights)

    def _codes(self, items: tf.Tensor, training: bool) -> tf.Tensor:
        """Rows of the table for candidates; of their shape."""
        codes = tf.gather(self.item_codes, items)
        return codes if self.id_dropout is None else self.id_dropout(codes, training=training)

    def _exceed_catalogue(self, items: tf.Tensor) -> bool:
        """Whether these are more than there are; so many as nobody knows are."""
        number = items.shape.num_elements()
        return number is None or number >= self.item_codes.shape[0]


def lookup_of(feature: LookupFeature | ListFeature | BucketFeature, sparse: bool) -> Lookup:
    """The embeddings of a feature's values."""
    name = _layer_name(feature.name)
    return Lookup(feature.table_rows, feature.dim, feature.multivalued, name, sparse)


def sequence_encoder(settings: SequenceConfig, dim: int, seed: int) -> SequenceEncoder:
    """The encoder that the settings name, of items' vectors of width `dim`.

    Raises:
      ConfigError: a path that names no `SequenceEncoder`.
    """
    arguments = (dim, settings.max_length, seed)
    if is_path(settings.encoder):
        key = "features.sequence.encoder"
        return make(key, settings.encoder, SequenceEncoder, *arguments, **settings.options)  # type: ignore[no-any-return]
    taken = OPTIONS_OF_ENCODERS.get(settings.encoder, ())
    options = {name: getattr(settings, name) for name in taken}
    return ENCODERS[settings.encoder](*arguments, **options)


def feature_layer(
    feature: Feature,
    sparse_updates: bool = False,
    shared: Mapping[str, Lookup] | None = None,
    seed: int = 0,
    id_dropout: IdDropout | None = None,
) -> tf.keras.layers.Layer:
    """The layer that takes the feature's encoded rows; gives [rows, width].

    Args:
      sparse_updates: whether large tables are updated by the rows that a batch looks up.
      shared: embeddings that both towers have, by the name of the candidate tower's feature.
      seed: of what is random in it.
      id_dropout: of a sequence's ids.
    """
    shared = shared or {}
    if isinstance(feature, CustomFeature):
        return feature.layer()
    if isinstance(feature, SequenceFeature):
        lookup = shared.get(feature.shared_with or "")
        if lookup is None:
            item = replace(feature.item_feature, name=f"{feature.name}_items", dim=feature.dim)
            lookup = lookup_of(item, sparse=False)
        encoder = sequence_encoder(feature.settings, feature.dim, seed)
        name = _layer_name(feature.name)
        return Sequence(feature, lookup, encoder, name, id_dropout)
    if isinstance(feature, HistoryNumberFeature):
        return NumericInput(name=_layer_name(feature.name))
    if isinstance(feature, HistoryFeature):
        return History(feature.counts, feature.dim, name=_layer_name(feature.name))
    if isinstance(feature, ScaledFeature):
        return NumericInput(name=_layer_name(feature.name))
    if feature.name in shared:
        return shared[feature.name]
    return lookup_of(feature, sparse_updates and feature.table_rows >= LARGE_TABLE)


def _layer_name(name: str) -> str:
    """As TensorFlow takes it: a user's column may be called "User ID"."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return name if name[0].isalnum() else f"feature{name}"


class CustomTower(tf.keras.layers.Layer):
    """Base of a user's own towers; `model.tower: package.module:Name`.

    It stands in place of the dense layers, above the features: `call(values, training)` takes
    float32 [rows, width of the features] and gives [rows, layer_sizes[-1]].

    Args:
      layer_sizes: of the query tower, or of the candidate tower.
      seed: of whatever is random in it.
      options: what `model.tower_options` says.
    """

    def __init__(self, layer_sizes: list[int], seed: int, **options: Any) -> None:
        super().__init__(name="own", **options)
        self.units = layer_sizes[-1]


class Tower(tf.keras.Model):
    """Features side by side, then dense layers; the last one has no activation.

    Args:
      features: the tower's fitted features.
      layer_sizes: the widths of the dense layers; the last is the output's.
      projection_only: one dense layer without bias, the form of an empty
        `model.layer_sizes`.
      config: activation, dropout, normalisation and regularisation.
      seed: of the dropout masks.
      sparse_updates: see `feature_layer`.
      precision: Keras's policy for the dense layers; what they take and give is float32.
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
        shared: Mapping[str, Lookup] | None = None,
        id_dropout_rates: ListOf[float] = (),
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
            layer.encoder.width if isinstance(layer, Sequence) else feature.dim
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
            if isinstance(layer, Sequence):
                features.append(layer(codes, training=training))
                continue
            if id_dropout is not None:
                codes = id_dropout(codes, training=training)
            features.append(layer(codes))
        return self.on_features(features, training)

    def on_features(self, features: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        """What lies above the feature layers; each feature [rows, dim], to [rows, width]."""
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
    """Dense layers with what stands between them; see `Tower`."""
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
