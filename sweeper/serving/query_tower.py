"""The query tower as it is served: from raw columns to embeddings, in one graph."""

from __future__ import annotations

import re
from collections.abc import Iterator

import tensorflow as tf

from sweeper.config import Config
from sweeper.data.columns import Column
from sweeper.data.interactions import Interactions
from sweeper.errors import ConfigError
from sweeper.model.feature_graphs import Encoder, feature_graph, input_spec
from sweeper.model.features import HistoryFeature
from sweeper.model.two_tower import EncodedFeatures, TwoTowerModel

# What a request, or a setting of `python -m sweeper.recommend`, calls something else.
RESERVED = ("k", "exclude", "users", "similar", "version", "seen")
# What TensorFlow can name an input.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

Inputs = dict[str, tf.Tensor]


class QueryInputs(tf.Module):
    """The raw columns that a query consists of, and how each becomes encoded features.

    The user's column is always one of them, whether a feature sees it or not: `seen` goes by it.

    Attributes:
      columns: of the data, by name.
      specs: what a request has of each.

    Raises:
      ConfigError: a column's name can be no input's, or a feature has no graph.
    """

    def __init__(
        self, config: Config, interactions: Interactions, encoded: EncodedFeatures
    ) -> None:
        super().__init__()
        features, configs = encoded.query_features, config.features.query
        used = dict.fromkeys([interactions.user_column, *(each.column for each in configs)])
        self.user_column = interactions.user_column
        self.columns: dict[str, Column] = {name: interactions.query_columns[name] for name in used}
        if problems := list(_name_problems(self.columns)):
            raise ConfigError(problems)
        self.specs = {name: input_spec(column, name) for name, column in self.columns.items()}
        self._columns_of_features = [each.column for each in configs]
        self._graphs: list[Encoder] = [
            feature_graph(feature, self.columns[each.column], encoded.query[feature.name])
            for feature, each in zip(features, configs, strict=True)
        ]

    def __call__(self, inputs: Inputs) -> list[tf.Tensor]:
        """Each feature of the tower, encoded, in order."""
        rows = tf.shape(inputs[self.user_column])[0]
        same = [
            tf.debugging.assert_equal(
                tf.shape(inputs[name])[0],
                rows,
                f"{name}: must have as many rows as {self.user_column}",
            )
            for name in self.columns
        ]
        with tf.control_dependencies([each for each in same if each is not None]):
            return [
                graph(tf.identity(inputs[name]))
                for name, graph in zip(self._columns_of_features, self._graphs, strict=True)
            ]


def _name_problems(names: dict[str, Column]) -> Iterator[str]:
    for name in names:
        if name in RESERVED:
            yield (
                f"features.query: the column {name!r} is named as a setting of requests; must be "
                f"another name than {', '.join(RESERVED)}"
            )
        elif not NAME.fullmatch(name):
            yield (
                f"features.query: the column {name!r} can name no input of an exported model; must "
                "be of letters, digits and _ alone, the first a letter"
            )


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


class HistoryTable(tf.Module):
    """The embedding of each category's history; [categories + 1, dim], the first has none."""

    def __init__(self, feature: HistoryFeature, layer: tf.keras.layers.Layer) -> None:
        super().__init__()
        categories = tf.range(len(feature.counts))
        histories = layer(tf.stack([categories, tf.zeros_like(categories)], axis=1))
        self.table = tf.Variable(histories, trainable=False, name=f"{feature.name}_table")

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.table, codes[:, 0])
