"""The layers that turn encoded features into the vectors of a tower's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import tensorflow as tf

from sweeper.common.plugins import is_path, make
from sweeper.two_tower.config import SequenceConfig
from sweeper.two_tower.model.dropout import IdDropout
from sweeper.two_tower.model.embeddings import (
    Embedding,
    dense_lookup,
    embedding_of,
    layer_name,
)
from sweeper.two_tower.model.features import (
    CustomFeature,
    Feature,
    HistoryFeature,
    HistoryNumberFeature,
    ScaledFeature,
    SequenceFeature,
)
from sweeper.two_tower.model.sequence_encoders import (
    ENCODERS,
    OPTIONS_OF_ENCODERS,
    AveragingEncoder,
    SequenceEncoder,
)
from sweeper.two_tower.model.weighted_means import means_of_rows


class NumericInput(tf.keras.layers.Layer):
    """Passes a number on as it is; [rows] to [rows, 1]."""

    dim = 1

    def call(self, values: tf.Tensor) -> tf.Tensor:
        return values[:, None]


class History(tf.keras.layers.Layer):
    """The mean embedding of the candidates in a row's history, without the row's own.

    It takes [rows, 2], a category and the row's own candidate, both counted from 1, and returns
    [rows, dim]. A row with no other candidate gets zeros. This is the item side of FISM: Kabbur,
    Ning and Karypis, "FISM: factored item similarity models", KDD 2013.
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
        # A dense product sums all histories at once; each row's own sum would be a long gather.
        sums = dense_lookup(tf.matmul(self.counts, table), categories)
        is_own = tf.cast(own > 0, table.dtype)
        sums -= dense_lookup(table, tf.maximum(own - 1, 0)) * is_own[:, None]
        number = tf.gather(self.sizes, categories) - is_own
        return sums / tf.maximum(number, 1.0)[:, None]


class ItemSequence(tf.keras.layers.Layer):
    """Reads each row's latest items from the list of all histories, and encodes them.

    It takes [rows, 2] int32, where a row's history begins and ends in `feature.items`, and
    returns [rows, encoder.width].

    Args:
      feature: fitted.
      lookup: the vectors of the items' values.
      encoder: reads `feature.settings.max_length` vectors.
      id_dropout: replaces ids in training, since a user's latest items may be new ones when the
        model is served; None: no id is replaced.
    """

    def __init__(
        self,
        feature: SequenceFeature,
        lookup: Embedding,
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
        is_average = isinstance(encoder, AveragingEncoder) and encoder.is_pure_average
        if training and is_average and ranges.shape[0] is not None:
            items, is_there = self.latest(self.items, ranges)
            if not self.lookup.multivalued or self._exceed_catalogue(items):
                means = self._means(items, encoder.item_weights(is_there))
                return encoder.concatenate(means)
        vectors = partial(self.vectors, training=training)
        return self.read(self.items, ranges, vectors, training)

    def latest(self, known: tf.Tensor, ranges: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the end of each row's range, [rows, length], and which positions have an item.

        Args:
          known: int32 [at least 1], the candidates that histories are ranges of.
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
        """Encodes the `latest` items of each row; [rows, encoder.width].

        Args:
          vectors_of: turns [n] candidates into [n, dim], as `vectors` does.
        """
        items, is_there = self.latest(known, ranges)
        vectors = vectors_of(tf.reshape(items, [-1]))
        shape = [-1, self.length, self.lookup.dim]
        return self.encoder(tf.reshape(vectors, shape), is_there, training=training)

    def vectors(self, items: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the vectors of [n] candidates, [n, dim]."""
        if not self.lookup.multivalued:
            return self.lookup(self._codes(items, training))
        if self._exceed_catalogue(items):
            # The mean of each item's values is computed once.
            return dense_lookup(self.lookup(self.item_codes), items)
        return self.lookup(tf.gather(self.item_codes, items))

    def _means(self, items: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Computes weighted means of the latest items' vectors in training; [rows, sets, dim].

        Args:
          items: [rows, length] candidates.
          weights: [rows, sets, length].
        """
        if not self.lookup.multivalued:
            codes = self._codes(items, training=True)
            return means_of_rows(tf.convert_to_tensor(self.lookup.table), codes, weights)
        return means_of_rows(self.lookup(self.item_codes), items, weights)

    def _codes(self, items: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the row of the table for each candidate, in the same shape."""
        codes = tf.gather(self.item_codes, items)
        return codes if self.id_dropout is None else self.id_dropout(codes, training=training)

    def _exceed_catalogue(self, items: tf.Tensor) -> bool:
        """Whether these are at least as many as the catalogue has; an unknown number counts so."""
        number = items.shape.num_elements()
        return number is None or number >= self.item_codes.shape[0]


def sequence_encoder(settings: SequenceConfig, dim: int, seed: int) -> SequenceEncoder:
    """Makes the encoder that the settings name, for items' vectors of width `dim`.

    Raises:
      ConfigError: a path that names no `SequenceEncoder`.
    """
    arguments = (dim, settings.max_length, seed)
    if is_path(settings.encoder):
        key = "features.sequence.encoder"
        return make(key, settings.encoder, SequenceEncoder, *arguments, **settings.options)  # type: ignore[no-any-return]
    names = OPTIONS_OF_ENCODERS.get(settings.encoder, ())
    options = {name: getattr(settings, name) for name in names}
    return ENCODERS[settings.encoder](*arguments, **options)


def feature_layer(
    feature: Feature,
    sparse_updates: bool = False,
    shared: Mapping[str, Embedding] | None = None,
    seed: int = 0,
    id_dropout: IdDropout | None = None,
) -> tf.keras.layers.Layer:
    """Makes the layer that turns the feature's encoded rows into vectors, [rows, width].

    Args:
      sparse_updates: whether updates of large tables touch only the rows that a batch looks up.
      shared: embeddings that both towers have, by the name of the candidate tower's feature.
      seed: seeds what is random in the layer.
      id_dropout: replaces ids of a sequence.
    """
    shared = shared or {}
    if isinstance(feature, CustomFeature):
        return feature.layer()
    if isinstance(feature, SequenceFeature):
        lookup = shared.get(feature.shared_with or "")
        if lookup is None:
            item = replace(feature.item_feature, name=f"{feature.name}_items", dim=feature.dim)
            lookup = embedding_of(item, sparse=False)
        encoder = sequence_encoder(feature.settings, feature.dim, seed)
        name = layer_name(feature.name)
        return ItemSequence(feature, lookup, encoder, name, id_dropout)
    if isinstance(feature, HistoryFeature):
        return History(feature.counts, feature.dim, name=layer_name(feature.name))
    if isinstance(feature, ScaledFeature | HistoryNumberFeature):
        return NumericInput(name=layer_name(feature.name))
    if feature.name in shared:
        return shared[feature.name]
    return embedding_of(feature, sparse_updates)
