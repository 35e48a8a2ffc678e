"""The served query tower: one TensorFlow graph from raw columns to embeddings."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sweeper.serving.input_names import GAP, HISTORY, TRAINING_ROWS, UNKNOWN_HISTORY, input_names
from sweeper.serving.tables import EMBEDDING
from sweeper.two_tower.config import TIMED_KINDS, Config, FeatureConfig
from sweeper.two_tower.data.columns import Column
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.model.feature_graphs import feature_graph, input_spec, same_rows
from sweeper.two_tower.model.feature_layers import ItemSequence
from sweeper.two_tower.model.features import (
    Feature,
    HistoryFeature,
    HistoryNumberFeature,
    ListFeature,
    LookupFeature,
    SequenceFeature,
)
from sweeper.two_tower.model.history_graphs import (
    HistoryLengths,
    HistoryReader,
    KnownHistory,
    TimeGaps,
)
from sweeper.two_tower.model.two_tower import EncodedFeatures, TwoTowerModel

DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY

# The manifest lists the words of columns with at most this many.
MAX_WORDS = 1_000

# The kinds of features that read the titles which a user chose.
HISTORY_KINDS = ("sequence", "history_length")
HISTORY_SPECS = {
    HISTORY: tf.TensorSpec([None, None], tf.string, HISTORY),
    GAP: tf.TensorSpec([None], tf.float64, GAP),
}

Inputs = dict[str, tf.Tensor]


class QueryInputs(tf.Module):
    """The inputs of a request, and how they are encoded as features.

    The inputs are the columns that the tower's features read and, if they read a user's history,
    `HISTORY` and `GAP`. Without a history, the column of users is always an input, because `unseen`
    needs it. With a history, it is an input only if a feature reads it, so a request needs no user
    that the model doesn't know.

    Attributes:
      columns: the columns of the data that are inputs, by name.
      names: the name of the input, by column; the column of users is always included.
      reads: `HISTORY` and `GAP`, if they are inputs.
      specs: the shape and type of each input, by its name.
      user: the name of the input of users; None if there is none.
      history: looks up the titles; None if there is no such input.
      reads_length: whether a feature reads the number of titles.

    Raises:
      ConfigError: a feature has no graph.
    """

    def __init__(
        self, config: Config, interactions: Interactions, encoded: EncodedFeatures
    ) -> None:
        super().__init__()
        configs = config.features.query
        kinds = {each.kind for each in configs}
        user = interactions.user_column
        seen = dict.fromkeys(each.column for each in configs if each.kind not in TIMED_KINDS)
        self.history: HistoryReader | None = None
        if not kinds.isdisjoint(HISTORY_KINDS) or config.model.seen_bias:
            self.history = HistoryReader(interactions.item_names)
        self.reads_length = "history_length" in kinds
        used = seen if self.history else {user: None, **seen}
        reads = {HISTORY: self.history is not None, GAP: "time_gap" in kinds}
        self.reads = [name for name, is_read in reads.items() if is_read]
        reserved = [*self.reads, TRAINING_ROWS] if self.reads else []
        self.names = input_names(dict.fromkeys([user, *used]), reserved)
        self.columns: dict[str, Column] = {name: interactions.query_columns[name] for name in used}
        self.user = self.names[user] if user in used else None
        self.specs = {
            self.names[name]: input_spec(column, self.names[name])
            for name, column in self.columns.items()
        } | {name: HISTORY_SPECS[name] for name in self.reads}
        self._sources: list[str] = []
        self._graphs: list[Callable[[Any], Any]] = []
        for feature, each in zip(encoded.query_features, configs, strict=True):
            source, graph = self._graph(feature, each, encoded.query[feature.name])
            self._sources.append(source)
            self._graphs.append(graph)

    def _graph(
        self, feature: Feature, config: FeatureConfig, encoded: np.ndarray
    ) -> tuple[str, Callable[[Any], Any]]:
        """Returns the name of the input that a feature reads, and the function that encodes it."""
        if isinstance(feature, SequenceFeature):
            return HISTORY, _identity
        if isinstance(feature, HistoryNumberFeature):
            if config.kind == "time_gap":
                return GAP, TimeGaps(feature)
            return HISTORY, HistoryLengths(feature)
        column = self.columns[config.column]
        return self.names[config.column], feature_graph(feature, column, encoded)

    def read(self, inputs: Inputs) -> dict[str, Any]:
        """Checks that all inputs have as many rows, and looks up the titles of `HISTORY`."""
        with tf.control_dependencies(same_rows(inputs, next(iter(self.specs)))):
            values = {name: tf.identity(inputs[name]) for name in self.specs}
        if self.history is not None:
            values[HISTORY] = self.history(values[HISTORY])
        return values

    def __call__(self, values: dict[str, Any]) -> list[Any]:
        """Encodes each feature of the tower, in order; `values` are from `read`."""
        return [
            graph(values[name]) for name, graph in zip(self._sources, self._graphs, strict=True)
        ]

    def unknown(self, values: dict[str, Any]) -> Inputs:
        """Returns `UNKNOWN_HISTORY`: how many titles of each row's history the catalogue lacks."""
        return {} if self.history is None else {UNKNOWN_HISTORY: values[HISTORY].unknown}


def known_words(config: Config, encoded: EncodedFeatures) -> dict[str, list[str]]:
    """Returns the words that the query tower distinguishes, by column.

    It leaves out columns with more than `MAX_WORDS`, and columns of which a feature reads parts
    of words.
    """
    words: dict[str, set[str] | None] = {}
    for feature, each in zip(encoded.query_features, config.features.query, strict=True):
        if each.kind in TIMED_KINDS:
            continue
        before = words.get(each.column, set())
        is_whole = isinstance(feature, LookupFeature) or (
            isinstance(feature, ListFeature) and not feature.tokenize
        )
        words[each.column] = (
            before | set(feature.vocabulary) if is_whole and before is not None else None  # type: ignore[union-attr]
        )
    return {
        column: sorted(each)
        for column, each in words.items()
        if each is not None and len(each) <= MAX_WORDS
    }


class QueryTower(tf.Module):
    """Embeds raw columns, with a trained model's weights.

    A feature of kind `history` becomes a table of all users' histories, which is computed once.

    Attributes:
      seen_bias: what is added to the scores of candidates in a request's history; None: nothing.
    """

    def __init__(self, inputs: QueryInputs, model: TwoTowerModel, encoded: EncodedFeatures) -> None:
        super().__init__()
        tower = model.query_tower
        self.inputs = inputs
        self.specs, self.user = inputs.specs, inputs.user
        # Plain variables, so that the SavedModel needs no Keras.
        self.weights = list(tower.variables)
        self._layers = [
            _layer(feature, layer)
            for feature, layer in zip(encoded.query_features, tower.feature_layers, strict=True)
        ]
        self._on_features = tower.on_features
        bias = model.seen_bias
        self.seen_bias = None if bias is None else tf.constant(bias.numpy())

    def __call__(self, values: dict[str, Any]) -> tf.Tensor:
        """Embeds the values of `QueryInputs.read`; returns [rows, width]."""
        encoded = self.inputs(values)
        return self._on_features(
            [layer(codes) for layer, codes in zip(self._layers, encoded, strict=True)]
        )

    def embed(self, **inputs: tf.Tensor) -> Inputs:
        """Embeds queries; returns `embedding`, [rows, width], and `QueryInputs.unknown`."""
        values = self.inputs.read(inputs)
        return {EMBEDDING: self(values)} | self.inputs.unknown(values)

    def save(self, directory: Path) -> None:
        """Writes it as a SavedModel."""
        graph = tf.function(self.embed).get_concrete_function(**self.inputs.specs)
        tf.saved_model.save(self, str(directory), {DEFAULT: graph})


def _layer(feature: Feature, layer: tf.keras.layers.Layer) -> Callable[[Any], tf.Tensor]:
    """Returns the function that embeds an encoded feature."""
    if isinstance(feature, HistoryFeature):
        return HistoryTable(feature, layer)
    if isinstance(feature, SequenceFeature):
        return SequenceEncoder(layer)
    return layer.call  # type: ignore[no-any-return]


def _identity(values: Any) -> Any:
    return values


class SavedQueryTower(tf.Module):
    """The query tower of an export, which is copied to a version with another catalogue.

    Args:
      directory: of the SavedModel.
      user: the name of the input of users; None if there is none.
      seen_bias: what is added to the scores of candidates in a request's history; None: nothing.
    """

    def __init__(self, directory: Path, user: str | None, seen_bias: float | None) -> None:
        super().__init__()
        self.seen_bias = None if seen_bias is None else tf.constant(seen_bias, tf.float32)
        self.user = user
        self._directory = str(directory)
        self._loaded = tf.saved_model.load(self._directory)
        self._signature = self._loaded.signatures[DEFAULT]

    @property
    def specs(self) -> Mapping[str, tf.TensorSpec]:
        """The shape and type of each input, by its name."""
        return self._signature.structured_input_signature[1]  # type: ignore[no-any-return]

    def embed(self, **inputs: tf.Tensor) -> Inputs:
        """Returns the outputs of the saved tower, see `QueryTower.embed`."""
        return dict(self._signature(**inputs))

    def save(self, directory: Path) -> None:
        """Copies the SavedModel."""
        shutil.copytree(self._directory, directory)


class HistoryTable(tf.Module):
    """A table of the embedding of each category's history; the first category has no history."""

    def __init__(self, feature: HistoryFeature, layer: tf.keras.layers.Layer) -> None:
        super().__init__()
        categories = tf.range(len(feature.counts))
        histories = layer(tf.stack([categories, tf.zeros_like(categories)], axis=1))
        self.table = tf.Variable(histories, trainable=False, name="history_table")

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.table, codes[:, 0])


class SequenceEncoder(tf.Module):
    """Encodes a request's history as a sequence.

    The mean vector of each candidate's words is computed once, for the whole catalogue.
    """

    def __init__(self, layer: ItemSequence) -> None:
        super().__init__()
        # Methods instead of the layer, so that the SavedModel needs no Keras.
        self._read, self._vectors = layer.read, layer.vectors
        if layer.lookup.multivalued:
            vectors = layer.lookup(layer.item_codes)
            self.vectors = tf.Variable(vectors, trainable=False, name="item_vectors")
            self._vectors = functools.partial(tf.gather, self.vectors)

    def __call__(self, history: KnownHistory) -> tf.Tensor:
        return self._read(history.items, history.ranges, self._vectors)
