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
from sweeper.two_tower.model.features import Feature, ListFeature, LookupFeature, SequenceFeature
from sweeper.two_tower.model.fitting import feature_column, fit_features
from sweeper.two_tower.model.retrieval import CustomTask, DistinctRetrieval, build_task
from sweeper.two_tower.model.sequence_fitting import SequenceSource
from sweeper.two_tower.model.towers import Lookup, Tower, lookup_of

Encoded = dict[str, np.ndarray]


@dataclass(frozen=True)
class EncodedFeatures:
    """Both towers' features, fitted, and every row encoded.

    Attributes:
      query: by name, each [rows, ...], for all rows of the data.
      candidate: by name, each [candidates, ...], for the whole catalogue.
      histories: what each row's user had before it; None: nothing of the configuration reads it.
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
      ConfigError: a feature that can't be made from the data, naming its key.
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
    """What each row's user had before it, if the model or its loss reads it.

    Raises:
      ConfigError: it does, and the data has no times.
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
      seen_bias: what is added to the score of a candidate that the user has had before the row,
        a scalar; None: nothing. Whether people choose the same again is no matter of taste, and
        no product of two embeddings can tell it of each candidate by itself: Anderson et al.,
        "The dynamics of repeat consumption", WWW 2014.
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
        # Traced once, for whatever rows are scored.
        self.embed_queries = tf.function(query_tower, reduce_retracing=True)
        self.embed_candidates = tf.function(candidate_tower)

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The task's loss for a batch as `sweeper.two_tower.training.batches` makes it.

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


def shared_lookups(encoded: EncodedFeatures) -> dict[str, Lookup]:
    """The embeddings that sequences of the query tower share with the candidate tower.

    Returns:
      By the name of the candidate tower's feature. `model.fitting.check_columns` has
      seen to it that there is one, of the same width and words.
    """
    candidates = {feature.name: feature for feature in encoded.candidate_features}
    shared: dict[str, Lookup] = {}
    for feature in encoded.query_features:
        if isinstance(feature, SequenceFeature) and feature.shared_with is not None:
            other = candidates[feature.shared_with]
            assert isinstance(other, LookupFeature | ListFeature)
            # Both towers add to the gradient of a row, so that it has no distinct rows.
            shared[feature.shared_with] = lookup_of(other, sparse=False)
    return shared


def build_model(config: Config, encoded: EncodedFeatures, row_blocks: int = 1) -> TwoTowerModel:
    """Composes and builds the model; its weights follow from `train.seed`."""
    tf.keras.utils.set_random_seed(config.train.seed)
    query_sizes, candidate_sizes = layer_sizes(config.model, config.features.embedding_dim)
    own_query, own_candidate = (
        config.model.query_layer_sizes,
        config.model.candidate_layer_sizes,
    )

    sparse_updates = supports_sparse_updates(config.optimizer)
    shared = shared_lookups(encoded)

    candidate_dropout = config.model.candidate_input_dropout
    if candidate_dropout is None:
        candidate_dropout = config.model.input_dropout

    def tower(name, features, sizes, own, inputs, seed, input_dropout):  # type: ignore[no-untyped-def]
        empty = not (config.model.layer_sizes if own is None else own)
        built = Tower(
            features,
            sizes,
            empty,
            replace(config.model, input_dropout=input_dropout),
            seed,
            name,
            sparse_updates,
            config.train.precision,
            shared,
            id_dropouts(config, name),
        )
        built({key: tf.constant(value[:1]) for key, value in inputs.items()})
        return built

    # Far enough apart that no two dropout layers share a seed.
    seed = 1_000 * config.train.seed
    return TwoTowerModel(
        tower(
            "query",
            encoded.query_features,
            query_sizes,
            own_query,
            encoded.query,
            seed,
            config.model.input_dropout,
        ),
        tower(
            "candidate",
            encoded.candidate_features,
            candidate_sizes,
            own_candidate,
            encoded.candidate,
            seed + 500,
            candidate_dropout,
        ),
        build_task(config.task, row_blocks),
        config.model.seen_bias,
    )
