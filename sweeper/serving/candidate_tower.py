"""The served candidate tower: one TensorFlow graph from a catalogue's columns to embeddings."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from sweeper.serving.input_names import input_names
from sweeper.serving.query_tower import DEFAULT, Inputs
from sweeper.serving.tables import EMBEDDING
from sweeper.two_tower.config import Config
from sweeper.two_tower.data.columns import Column
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.model.feature_graphs import Encoder, feature_graph, input_spec, same_rows
from sweeper.two_tower.model.features import OUT_OF_VOCABULARY, CustomFeature, LookupFeature
from sweeper.two_tower.model.two_tower import EncodedFeatures, TwoTowerModel

KNOWN = "known"


def missing_graphs(config: Config, encoded: EncodedFeatures) -> str | None:
    """Returns which candidate features have no TensorFlow graph; None if all of them have one."""
    names = [
        each.kind
        for feature, each in zip(encoded.candidate_features, config.features.candidate, strict=True)
        if isinstance(feature, CustomFeature) and feature.graph() is None
    ]
    return f"{', '.join(names)} has no TensorFlow graph (`graph`)" if names else None


class CandidateTower(tf.Module):
    """Embeds items by the raw columns of a catalogue, with a trained model's weights.

    Attributes:
      columns: the columns that the tower's features read, by name.
      names: the name of each column's input.
      specs: the shape and type of each input, by the input's name.
      reads_ids: whether a feature embeds the items' ids.

    Raises:
      ConfigError: a feature has no graph.
    """

    def __init__(
        self,
        config: Config,
        interactions: Interactions,
        model: TwoTowerModel,
        encoded: EncodedFeatures,
    ) -> None:
        super().__init__()
        tower, configs = model.candidate_tower, config.features.candidate
        used = dict.fromkeys(each.column for each in configs)
        self.columns: dict[str, Column] = {
            name: interactions.candidate_columns[name] for name in used
        }
        self.names = input_names(used)
        self.specs = {
            self.names[name]: input_spec(column, self.names[name])
            for name, column in self.columns.items()
        }
        self._inputs_of_features = [self.names[each.column] for each in configs]
        self._graphs: list[Encoder] = [
            feature_graph(feature, self.columns[each.column], encoded.candidate[feature.name])
            for feature, each in zip(encoded.candidate_features, configs, strict=True)
        ]
        ids = [
            isinstance(feature, LookupFeature) and each.column == interactions.item_column
            for feature, each in zip(encoded.candidate_features, configs, strict=True)
        ]
        self.reads_ids = any(ids)
        self._ids = ids.index(True) if any(ids) else None
        # Plain variables, so that the SavedModel needs no Keras.
        self.weights = list(tower.variables)
        self._layers = [layer.call for layer in tower.feature_layers]
        self._on_features = tower.on_features

    def embed(self, **inputs: tf.Tensor) -> Inputs:
        """Embeds items.

        Args:
          inputs: [rows] strings or numbers, or [rows, longest] strings, by the input's name.

        Returns:
          `embedding` [rows, width] float32 and, if a feature embeds the items' ids, `known`
          [rows] bool: whether the model was trained with the id.
        """
        with tf.control_dependencies(same_rows(inputs, next(iter(self.specs)))):
            encoded = [
                graph(tf.identity(inputs[name]))
                for name, graph in zip(self._inputs_of_features, self._graphs, strict=True)
            ]
        outputs = {
            EMBEDDING: self._on_features(
                [layer(codes) for layer, codes in zip(self._layers, encoded, strict=True)]
            )
        }
        if self._ids is not None:
            outputs[KNOWN] = encoded[self._ids] != OUT_OF_VOCABULARY
        return outputs

    def save(self, directory: Path) -> None:
        """Writes it as a SavedModel."""
        graph = tf.function(self.embed).get_concrete_function(**self.specs)
        tf.saved_model.save(self, str(directory), {DEFAULT: graph})
