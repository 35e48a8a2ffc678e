"""The two-tower model put together: features, towers and task from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from sweeper.two_tower.config import (
    TIMED_KINDS,
    Config,
    id_dropouts,
    layer_sizes,
    supports_sparse_updates,
)
from sweeper.two_tower.data.histories import Histories, histories_of
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.model.embeddings import Embedding, embedding_of
from sweeper.two_tower.model.features import Feature, ListFeature, LookupFeature, SequenceFeature
from sweeper.two_tower.model.fitting import feature_column, fit_features
from sweeper.two_tower.model.retrieval import CustomTask, DistinctRetrieval, build_task
from sweeper.two_tower.model.sequence_fitting import SequenceSource
from sweeper.two_tower.model.towers import Tower

Encoded = dict[str, np.ndarray]


@dataclass(frozen=True)
class EncodedFeatures:
    """Both towers' features, fitted, and every row encoded.

    Attributes:
      query: by name, each [rows, ...], for all rows of the data.
      candidate: by name, each [candidates, ...], for the whole catalogue.
      histories: what each row's user had before it; None: the configuration does not need it.
    """

    query_features: list[Feature]
    candidate_features: list[Feature]
    query: Encoded
    candidate: Encoded
    histories: Histories | None = None


def encode_features(
    config: Config, interactions: Interactions, training_rows: np.ndarray
) -> EncodedFeatures:
    """Fits the features on the training rows and encodes all rows and candidates.

    Raises:
      ConfigError: a feature can't be made from the data; names its key.
    """
    settings = config.features
    training_items = np.unique(interactions.items[training_rows])
    histories, sequences = needed_histories(config, interactions, training_rows), None
    if histories is not None:
        sequences = SequenceSource(histories, interactions, training_items, settings.sequence)
    query = fit_features(
        settings.query,
        interactions.query_columns,
        training_rows,
        settings.embedding_dim,
        "features.query",
        interactions.items,
        sequences,
    )
    candidate = fit_features(
        settings.candidate,
        interactions.candidate_columns,
        training_items,
        settings.embedding_dim,
        "features.candidate",
    )

    def encode(features, configs, is_query):  # type: ignore[no-untyped-def]
        return {
            feature.name: feature.encode(feature_column(each, interactions, is_query))
            for feature, each in zip(features, configs, strict=True)
        }

    return EncodedFeatures(
        query,
        candidate,
        encode(query, settings.query, True),
        encode(candidate, settings.candidate, False),
        histories,
    )


def needed_histories(
    config: Config, interactions: Interactions, training_rows: np.ndarray
) -> Histories | None:
    """Finds what each row's user had before it, if the model or its loss reads it; else None.

    Raises:
      ConfigError: the model or its loss reads it, and the data has no times.
    """
    reads = [
        *(feature.kind in TIMED_KINDS for feature in config.features.query),
        config.model.seen_bias,
        config.task.exclude_seen is not None,
    ]
    return histories_of(config.data, interactions, training_rows) if any(reads) else None


class TwoTowerModel(tfrs.models.Model):
    """A query tower, a candidate tower and the retrieval task between them.

    Attributes:
      seen_bias: a scalar that is added to the score of a candidate that the user has had before
        the row; None: nothing is added. People choose the same again for other reasons than
        taste, and the product of two embeddings can't learn it for each candidate: Anderson et
        al., "The dynamics of repeat consumption", WWW 2014.
    """

    def __init__(
        self,
        query_tower: Tower,
        candidate_tower: Tower,
        task: DistinctRetrieval | CustomTask,
        has_seen_bias: bool = False,
    ) -> None:
        super().__init__()
        self.query_tower = query_tower
        self.candidate_tower = candidate_tower
        self.task = task
        self.seen_bias = tf.Variable(0.0, name="seen_bias") if has_seen_bias else None
        # Traced once for any number of rows.
        self.embed_queries = tf.function(query_tower, reduce_retracing=True)
        self.embed_candidates = tf.function(candidate_tower)

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Computes the task's loss for a batch of `sweeper.two_tower.training.batches`.

        Args:
          inputs: "query" and "candidate", dictionaries of encoded features of
            [batch, ...] rows and [num_candidates, ...] distinct candidates;
            "positions" [batch], "counts" and "probability" [num_candidates],
            "sample_weight" [batch]; "excluded" and "seen" [batch, num_candidates], where the task
            and the model have them.
        """
        marks = {"excluded": inputs["excluded"]} if "excluded" in inputs else {}
        if self.seen_bias is not None:
            marks |= {"seen": inputs["seen"], "seen_bias": self.seen_bias}
        return self.task(
            self.query_tower(inputs["query"], training=training),
            self.candidate_tower(inputs["candidate"], training=training),
            positions=inputs["positions"],
            counts=inputs["counts"],
            sample_weight=inputs["sample_weight"],
            candidate_sampling_probability=inputs["probability"],
            **marks,
        )

    def train_step(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Does the step of TFRS, with a scaled loss if the optimizer wants one.

        The "loss" that it returns is not scaled.
        """
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
    shared = shared_embeddings(encoded)
    return TwoTowerModel(
        _build_tower(config, True, encoded.query_features, encoded.query, shared),
        _build_tower(config, False, encoded.candidate_features, encoded.candidate, shared),
        build_task(config.task, row_blocks),
        config.model.seen_bias,
    )


def shared_embeddings(encoded: EncodedFeatures) -> dict[str, Embedding]:
    """Makes the embeddings that sequences of the query tower share with the candidate tower.

    `model.fitting.check_columns` has made sure that the candidate tower has such a feature, of
    the same width and vocabulary.

    Returns:
      By the name of the candidate tower's feature.
    """
    candidates = {feature.name: feature for feature in encoded.candidate_features}
    shared: dict[str, Embedding] = {}
    for feature in encoded.query_features:
        if isinstance(feature, SequenceFeature) and feature.shared_with is not None:
            other = candidates[feature.shared_with]
            assert isinstance(other, LookupFeature | ListFeature)
            # Both towers add to the gradient of a row, so its rows are not distinct.
            shared[feature.shared_with] = embedding_of(other, sparse=False)
    return shared


def _build_tower(
    config: Config,
    is_query: bool,
    features: list[Feature],
    encoded: Encoded,
    shared: dict[str, Embedding],
) -> Tower:
    """Composes one tower and builds its weights by a call with one row."""
    model, name = config.model, "query" if is_query else "candidate"
    query_sizes, candidate_sizes = layer_sizes(model, config.features.embedding_dim)
    own_sizes = model.query_layer_sizes if is_query else model.candidate_layer_sizes
    configured_sizes = model.layer_sizes if own_sizes is None else own_sizes
    if not is_query and model.candidate_input_dropout is not None:
        model = replace(model, input_dropout=model.candidate_input_dropout)
    tower = Tower(
        features,
        query_sizes if is_query else candidate_sizes,
        not configured_sizes,
        model,
        # The seeds are so far apart that no two dropout layers share one.
        1_000 * config.train.seed + (0 if is_query else 500),
        name,
        supports_sparse_updates(config.optimizer),
        config.train.precision,
        shared,
        id_dropouts(config, name),
    )
    tower({key: tf.constant(value[:1]) for key, value in encoded.items()})
    return tower
