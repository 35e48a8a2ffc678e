"""The query tower as it is served: from raw columns to embeddings, in one graph."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from sweeper.config import TIMED_KINDS, Config
from sweeper.data.columns import Column
from sweeper.data.interactions import Interactions
from sweeper.errors import ConfigError
from sweeper.model.feature_graphs import Encoder, feature_graph, input_spec
from sweeper.model.features import HistoryFeature, ListFeature, LookupFeature
from sweeper.model.two_tower import EncodedFeatures, TwoTowerModel
from sweeper.serving.input_names import input_names

DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY

# Of a column of more different words, the manifest doesn't list them.
MOST_WORDS = 1_000

Inputs = dict[str, tf.Tensor]


def check_exportable(config: Config) -> None:
    """Refuses a model whose queries are told by what the user did before.

    Raises:
      ConfigError: with a line for each such feature.
    """
    problems = [
        f"features.query[{index}].kind: got {feature.kind!r}, which no export of this version can "
        "serve; must be a trial without it"
        for index, feature in enumerate(config.features.query)
        if feature.kind in TIMED_KINDS
    ]
    if config.model.seen_bias:
        problems.append(
            "model.seen_bias: got True, which no export of this version can serve; must be a trial "
            "without it"
        )
    if problems:
        raise ConfigError(problems)


class QueryInputs(tf.Module):
    """The raw columns that a query consists of, and how each becomes encoded features.

    The user's column is always one of them, whether a feature sees it or not: `seen` goes by it.

    Attributes:
      columns: of the data, by name.
      names: by column, the name of its input.
      specs: what a request has of each, by the input's name.
      user: the name of the input of users.

    Raises:
      ConfigError: a feature has no graph, or goes by the order of a user's rows.
    """

    def __init__(
        self, config: Config, interactions: Interactions, encoded: EncodedFeatures
    ) -> None:
        super().__init__()
        features, configs = encoded.query_features, config.features.query
        check_exportable(config)
        used = dict.fromkeys([interactions.user_column, *(each.column for each in configs)])
        self.columns: dict[str, Column] = {name: interactions.query_columns[name] for name in used}
        self.names = input_names(used)
        self.user = self.names[interactions.user_column]
        self.specs = {
            self.names[name]: input_spec(column, self.names[name])
            for name, column in self.columns.items()
        }
        self._inputs_of_features = [self.names[each.column] for each in configs]
        self._graphs: list[Encoder] = [
            feature_graph(feature, self.columns[each.column], encoded.query[feature.name])
            for feature, each in zip(features, configs, strict=True)
        ]

    def __call__(self, inputs: Inputs) -> list[tf.Tensor]:
        """Each feature of the tower, encoded, in order."""
        rows = tf.shape(inputs[self.user])[0]
        same = [
            tf.debugging.assert_equal(
                tf.shape(inputs[name])[0],
                rows,
                f"{name}: must have as many rows as {self.user}",
            )
            for name in self.specs
        ]
        with tf.control_dependencies([each for each in same if each is not None]):
            return [
                graph(tf.identity(inputs[name]))
                for name, graph in zip(self._inputs_of_features, self._graphs, strict=True)
            ]


def known_words(config: Config, encoded: EncodedFeatures) -> dict[str, list[str]]:
    """The words that the query tower tells apart, by column whose features all see whole words.

    Columns of more than `MOST_WORDS` are left out.
    """
    words: dict[str, set[str] | None] = {}
    for feature, each in zip(encoded.query_features, config.features.query, strict=True):
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
        if each is not None and len(each) <= MOST_WORDS
    }


class QueryTower(tf.Module):
    """Raw columns to embeddings, with a trained model's weights.

    A history is a table of everyone's, computed here once. In a query nothing is a row's own.
    """

    def __init__(self, inputs: QueryInputs, model: TwoTowerModel, encoded: EncodedFeatures) -> None:
        super().__init__()
        tower = model.query_tower
        self.inputs = inputs
        # As plain variables: what is saved needs no Keras.
        self.weights = list(tower.variables)
        self._layers = [
            HistoryTable(feature, layer) if isinstance(feature, HistoryFeature) else layer.call
            for feature, layer in zip(encoded.query_features, tower.feature_layers, strict=True)
        ]
        self._on_features = tower.on_features

    def __call__(self, inputs: Inputs) -> tf.Tensor:
        """[rows] of each column, to [rows, width]."""
        encoded = self.inputs(inputs)
        return self._on_features(
            [layer(codes) for layer, codes in zip(self._layers, encoded, strict=True)]
        )

    def embed(self, **inputs: tf.Tensor) -> Inputs:
        """As a signature has it."""
        return {"embedding": self(inputs)}

    def save(self, directory: Path) -> None:
        """Writes it as a SavedModel."""
        graph = tf.function(self.embed).get_concrete_function(**self.inputs.specs)
        tf.saved_model.save(self, str(directory), {DEFAULT: graph})


class HistoryTable(tf.Module):
    """The embedding of each category's history; [categories + 1, dim], the first has none."""

    def __init__(self, feature: HistoryFeature, layer: tf.keras.layers.Layer) -> None:
        super().__init__()
        categories = tf.range(len(feature.counts))
        histories = layer(tf.stack([categories, tf.zeros_like(categories)], axis=1))
        self.table = tf.Variable(histories, trainable=False, name="history_table")

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.table, codes[:, 0])
