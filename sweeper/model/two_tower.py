"""The two-tower model put together: features, towers and task from the configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from sweeper.config import Config, layer_sizes, updates_rows_alone
from sweeper.data.interactions import Interactions
from sweeper.model.features import Feature
from sweeper.model.fitting import fit_features
from sweeper.model.retrieval import DistinctRetrieval, OwnTask, build_task
from sweeper.model.towers import Tower

Encoded = dict[str, np.ndarray]


@dataclass(frozen=True)
class EncodedFeatures:
    """Both towers' features, fitted, and every row encoded.

    Attributes:
      query: by name, each [rows, ...], for all rows of the data.
      candidate: by name, each [candidates, ...], for the whole catalogue.
    """

    query_features: list[Feature]
    candidate_features: list[Feature]
    query: Encoded
    candidate: Encoded


def encode_features(
    config: Config, interactions: Interactions, training_rows: np.ndarray
) -> EncodedFeatures:
    """Fits the features on the training rows and encodes all rows and candidates.

    Raises:
      ConfigError: a feature that can't be made from the data, naming its key.
    """
    settings = config.features
    query = fit_features(
        settings.query,
        interactions.query_columns,
        training_rows,
        settings.embedding_dim,
        "features.query",
        interactions.items,
    )
    candidate = fit_features(
        settings.candidate,
        interactions.candidate_columns,
        np.unique(interactions.items[training_rows]),
        settings.embedding_dim,
        "features.candidate",
    )

    def encode(features, configs, columns):  # type: ignore[no-untyped-def]
        return {
            feature.name: feature.encode(columns[feature_config.column])
            for feature, feature_config in zip(features, configs, strict=True)
        }

    return EncodedFeatures(
        query,
        candidate,
        encode(query, settings.query, interactions.query_columns),
        encode(candidate, settings.candidate, interactions.candidate_columns),
    )


class TwoTowerModel(tfrs.models.Model):
    """A query tower, a candidate tower and the retrieval task between them."""

    def __init__(
        self, query_tower: Tower, candidate_tower: Tower, task: DistinctRetrieval | OwnTask
    ) -> None:
        super().__init__()
        self.query_tower = query_tower
        self.candidate_tower = candidate_tower
        self.task = task
        # Traced once, for whatever rows are scored.
        self.embed_queries = tf.function(query_tower, reduce_retracing=True)
        self.embed_candidates = tf.function(candidate_tower)

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The task's loss for a batch as `sweeper.training.batches` makes it.

        Args:
          inputs: "query" and "candidate", dictionaries of encoded features of
            [batch, ...] rows and [num_candidates, ...] distinct candidates;
            "positions" [batch], "counts" and "probability" [num_candidates],
            "sample_weight" [batch].
        """
        return self.task(
            self.query_tower(inputs["query"], training=training),
            self.candidate_tower(inputs["candidate"], training=training),
            positions=inputs["positions"],
            counts=inputs["counts"],
            sample_weight=inputs["sample_weight"],
            candidate_sampling_probability=inputs["probability"],
        )

    def train_step(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """As TFRS's, and with a loss scaled as the optimizer wants it; "loss" is without."""
        optimizer = self.optimizer
        if not isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            return super().train_step(inputs)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(inputs, training=True)
            scaled = optimizer.get_scaled_loss(loss + sum(self.losses))
        gradients = tape.gradient(scaled, self.trainable_variables)
        unscaled = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(zip(unscaled, self.trainable_variables, strict=True))
        return {"loss": loss}


def build_model(config: Config, encoded: EncodedFeatures, row_blocks: int = 1) -> TwoTowerModel:
    """Composes and builds the model; its weights follow from `train.seed`."""
    tf.keras.utils.set_random_seed(config.train.seed)
    query_sizes, candidate_sizes = layer_sizes(config.model, config.features.embedding_dim)
    own_query, own_candidate = (
        config.model.query_layer_sizes,
        config.model.candidate_layer_sizes,
    )

    sparse_updates = updates_rows_alone(config.optimizer)

    def tower(name, features, sizes, own, inputs, seed):  # type: ignore[no-untyped-def]
        empty = not (config.model.layer_sizes if own is None else own)
        built = Tower(
            features,
            sizes,
            empty,
            config.model,
            seed,
            name,
            sparse_updates,
            config.train.precision,
        )
        built({key: tf.constant(value[:1]) for key, value in inputs.items()})
        return built

    # Far enough apart that no two dropout layers share a seed.
    seed = 1_000 * config.train.seed
    return TwoTowerModel(
        tower("query", encoded.query_features, query_sizes, own_query, encoded.query, seed),
        tower(
            "candidate",
            encoded.candidate_features,
            candidate_sizes,
            own_candidate,
            encoded.candidate,
            seed + 500,
        ),
        build_task(config.task, row_blocks),
    )
