"""The query tower as it is served: from raw columns to embeddings, in one graph."""

from __future__ import annotations

import functools
from collections.abc import Callable
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

# Of a column of more different words, the manifest doesn't list them.
MAX_WORDS = 1_000

# Kinds of feature that read the titles which the user chose.
HISTORY_KINDS = ("sequence", "history_length")
HISTORY_SPECS = {
    HISTORY: tf.TensorSpec([None, None], tf.string, HISTORY),
    GAP: tf.TensorSpec([None], tf.float64, GAP),
}

Inputs = dict[str, tf.Tensor]


class QueryInputs(tf.Module):
    """What a request consists of, and how each part becomes encoded features.

    These are the columns that the tower's features see and, where they read what the user did
    before, `HISTORY` and `GAP`. The user's column is always one of them where no history is read,
    since `unseen` goes by it. Beside a history it is one only if a feature sees it: the history
    tells what was chosen, so that a request needs no user whom the model doesn't know.

    Attributes:
      columns: of the data, by name.
      names: by column, and by the user's in any case, the name of its input.
      specs: what a request has of each input, by its name.
      user: the name of the input of users; None: there is none.
      history: reads the titles; None: there is no such input.
      reads_length: whether a feature goes by the number of titles.

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
        """The name of the input that a feature is made of, and what encodes it."""
        if isinstance(feature, SequenceFeature):
            return HISTORY, _as_it_is
        if isinstance(feature, HistoryNumberFeature):
            if config.kind == "time_gap":
                return GAP, TimeGaps(feature)
            return HISTORY, HistoryLengths(feature)
        column = self.columns[config.column]
        return self.names[config.column], feature_graph(feature, column, encoded)

    def read(self, inputs: Inputs) -> dict[str, Any]:
        """The inputs, once all have as many rows; of titles the `KnownHistory`."""
        with tf.control_dependencies(same_rows(inputs, next(iter(self.specs)))):
            values = {name: tf.identity(inputs[name]) for name in self.specs}
        if self.history is not None:
            values[HISTORY] = self.history(values[HISTORY])
        return values

    def __call__(self, values: dict[str, Any]) -> list[Any]:
        """Each feature of the tower, encoded, in order; `values` as `read` gives them."""
        return [
            graph(values[name]) for name, graph in zip(self._sources, self._graphs, strict=True)
        ]

    def unknown(self, values: dict[str, Any]) -> Inputs:
        """As an answer has it: how many titles of each row's history the catalogue lacks."""
        return {} if self.history is None else {UNKNOWN_HISTORY: values[HISTORY].unknown}


def known_words(config: Config, encoded: EncodedFeatures) -> dict[str, list[str]]:
    """The words that the query tower tells apart, by column whose features all see whole words.

    Columns of more than `MAX_WORDS` are left out.
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
    """Raw columns to embeddings, with a trained model's weights.

    What a feature of kind `history` has of each user is a table of everyone's, computed here once.
    In a query nothing is a row's own.

    Attributes:
      seen_bias: what is added to the scores of what a request's history holds; None: nothing.
    """

    def __init__(self, inputs: QueryInputs, model: TwoTowerModel, encoded: EncodedFeatures) -> None:
        super().__init__()
        tower = model.query_tower
        self.inputs = inputs
        self.specs, self.user = inputs.specs, inputs.user
        # As plain variables: what is saved needs no Keras.
        self.weights = list(tower.variables)
        self._layers = [
            _layer(feature, layer)
            for feature, layer in zip(encoded.query_features, tower.feature_layers, strict=True)
        ]
        self._on_features = tower.on_features
        bias = model.seen_bias
        self.seen_bias = None if bias is None else tf.constant(bias.numpy())

    def __call__(self, values: dict[str, Any]) -> tf.Tensor:
        """What `QueryInputs.read` gives, to [rows, width]."""
        encoded = self.inputs(values)
        return self._on_features(
            [layer(codes) for layer, codes in zip(self._layers, encoded, strict=True)]
        )

    def embed(self, **inputs: tf.Tensor) -> Inputs:
        """As a signature has it."""
        values = self.inputs.read(inputs)
        return {EMBEDDING: self(values)} | self.inputs.unknown(values)

    def save(self, directory: Path) -> None:
        """Writes it as a SavedModel."""
        graph = tf.function(self.embed).get_concrete_function(**self.inputs.specs)
        tf.saved_model.save(self, str(directory), {DEFAULT: graph})


def _layer(feature: Feature, layer: tf.keras.layers.Layer) -> Callable[[Any], tf.Tensor]:
    """What takes the encoded feature."""
    if isinstance(feature, HistoryFeature):
        return HistoryTable(feature, layer)
    if isinstance(feature, SequenceFeature):
        return SequenceOf(layer)
    return layer.call  # type: ignore[no-any-return]


def _as_it_is(values: Any) -> Any:
    return values


class HistoryTable(tf.Module):
    """The embedding of each category's history; [categories + 1, dim], the first has none."""

    def __init__(self, feature: HistoryFeature, layer: tf.keras.layers.Layer) -> None:
        super().__init__()
        categories = tf.range(len(feature.counts))
        histories = layer(tf.stack([categories, tf.zeros_like(categories)], axis=1))
        self.table = tf.Variable(histories, trainable=False, name="history_table")

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.table, codes[:, 0])


class SequenceOf(tf.Module):
    """A sequence's encoder on top of a request's history.

    The mean vector of each candidate's words is computed once, for the whole catalogue.
    """

    def __init__(self, layer: ItemSequence) -> None:
        super().__init__()
        # A method and no layer: what is saved needs no Keras.
        self._read, self._vectors = layer.read, layer.vectors
        if layer.lookup.multivalued:
            vectors = layer.lookup(layer.item_codes)
            self.vectors = tf.Variable(vectors, trainable=False, name="item_vectors")
            self._vectors = functools.partial(tf.gather, self.vectors)

    def __call__(self, history: KnownHistory) -> tf.Tensor:
        return self._read(history.items, history.ranges, self._vectors)
