"""Sets up a training: the model, its optimizer, its batches and its steps."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from cachetools import LRUCache

from sweeper.common.plugins import is_path
from sweeper.common.result_cache import freeze, get_or_compute
from sweeper.common.runtime import gpu_names
from sweeper.two_tower.config import (
    MAX_SEQUENCE_LENGTH,
    Config,
    FeatureConfig,
    FeaturesConfig,
    OptimizerConfig,
    id_dropouts,
    supports_sparse_updates,
)
from sweeper.two_tower.data.histories import Histories, histories_key
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.model.embeddings import LARGE_TABLE, Embedding
from sweeper.two_tower.model.feature_layers import ItemSequence
from sweeper.two_tower.model.features import (
    CustomFeature,
    Feature,
    HistoryNumberFeature,
    ScaledFeature,
    SequenceFeature,
)
from sweeper.two_tower.model.sequence_fitting import with_settings
from sweeper.two_tower.model.two_tower import (
    EncodedFeatures,
    TwoTowerModel,
    build_model,
    encode_features,
    needed_histories,
)
from sweeper.two_tower.training.batches import BatchPlanner
from sweeper.two_tower.training.optimizer import (
    build_optimizer,
    prepare_for_sparse_gradients,
    with_loss_scale,
)
from sweeper.two_tower.training.seen import SeenCandidates, repeat_log_odds
from sweeper.two_tower.training.steps import Marks, StepRunner

_encoded: LRUCache[Hashable, EncodedFeatures] = LRUCache(8)

# In five epochs of 8,000 synthetic rows adagrad, the default, lowered the loss by 1.4 nats with
# weights of 1, and by 0.005 with weights of 0.01.
SMALL_WEIGHT = 0.1
# The default of `task.new_item_weight` where candidates' ids are dropped.
NEW_ITEM_WEIGHT = 0.1


@dataclass(frozen=True)
class Training:
    """What `sweeper.two_tower.training.loop.train` needs.

    Attributes:
      model: compiled with its optimizer, initial weights in place.
      encoded: the fitted features of every row and candidate.
      planner: chooses the rows of each step.
      runner: runs the steps.
    """

    model: TwoTowerModel
    encoded: EncodedFeatures
    planner: BatchPlanner
    runner: StepRunner


def set_up_training(
    config: Config, interactions: Interactions, training_rows: np.ndarray, threads: int
) -> Training:
    """Fits the features, composes the model and its optimizer.

    Raises:
      ConfigError: a feature or an optimizer option is impossible; names its key.
    """
    encoded = encoded_features(config, interactions, training_rows)
    items, size = interactions.items[training_rows], interactions.num_items
    planner = BatchPlanner(
        training_rows,
        interactions.items,
        size,
        config.train.batch_size,
        whole_catalogue=config.task.name == "full_softmax",
        seed=config.train.seed,
        weights=interactions.weights,
        uniform_negatives=config.task.num_uniform_negatives or 0,
        candidate_weights=new_item_weights(config, items, size),
    )
    blocks = 1 if gpu_names() else _row_blocks(planner.batch_size, threads)
    model = build_model(config, encoded, blocks)
    if model.seen_bias is not None:
        assert encoded.histories is not None
        odds = repeat_log_odds(
            encoded.histories, training_rows, interactions.items, interactions.num_items
        )
        model.seen_bias.assign(config.task.temperature * odds)
    total_steps = planner.steps_per_epoch * config.train.epochs
    optimizer = build_optimizer(config.optimizer, total_steps)
    scaled = config.train.precision == "mixed_float16"
    model.compile(with_loss_scale(optimizer, planner.batch_size) if scaled else optimizer)
    model.optimizer.build(model.trainable_variables)
    tables = [layer.table for layer in _embeddings(model)]
    prepare_for_sparse_gradients(optimizer, config.optimizer, tables)
    probability = sampling_probability(
        np.bincount(items, minlength=size), planner.batch_size, config.task.num_uniform_negatives
    )
    # XLA sorts whole rows to find the hardest negatives, which takes seven times as long.
    xla = config.train.xla and config.task.num_hard_negatives is None
    runner = StepRunner(model, encoded, probability, xla, _marks(config, encoded.histories, size))
    return Training(model, encoded, planner, runner)


def _marks(config: Config, histories: Histories | None, num_candidates: int) -> Marks:
    """Makes what marks the candidates of a batch for the loss."""
    lengths = {"excluded": config.task.exclude_seen}
    if config.model.seen_bias:
        lengths["seen"] = MAX_SEQUENCE_LENGTH
    marks = {}
    for name, length in lengths.items():
        if length is not None:
            assert histories is not None
            longest = min(length, histories.longest)
            marks[name] = SeenCandidates(histories, num_candidates, max(longest, 1))
    return marks


def small_weights(planner: BatchPlanner) -> Iterator[str]:
    """Yields a line if the weights of all training rows are much smaller than 1."""
    largest = planner.largest_weight
    if largest < SMALL_WEIGHT:
        yield (
            f"the largest weight of a training row is {largest:g}: gradients are smaller by this "
            "factor than with weights of about 1, for which learning rates are made, so that the "
            "model may learn little (adagrad's accumulators start at 0.1); divide the weights by "
            "their mean"
        )


def whole_updates(config: OptimizerConfig, model: TwoTowerModel) -> Iterator[str]:
    """Yields a line for each large table of which every step updates all rows."""
    if supports_sparse_updates(config):
        return
    sequences = [
        layer.lookup
        for layer in model.query_tower.feature_layers
        if isinstance(layer, ItemSequence)
    ]
    # A sequence may share its table with the candidate tower.
    for layer in dict.fromkeys([*_embeddings(model), *sequences]):
        if layer.table_rows >= LARGE_TABLE:
            size = layer.table_rows * layer.dim * 4 / 1e6
            yield (
                f"each step updates all {layer.table_rows:,} rows of {layer.name} "
                f"({size:,.1f} MB), as optimizer {config.name} moves rows that no batch looks "
                "up; adagrad or plain sgd would update the batch's alone"
            )


def _embeddings(model: TwoTowerModel) -> list[Embedding]:
    layers = (*model.query_tower.feature_layers, *model.candidate_tower.feature_layers)
    return [layer for layer in layers if isinstance(layer, Embedding)]


def new_item_weights(config: Config, items: np.ndarray, size: int) -> np.ndarray | None:
    """Returns each candidate's weight in the loss, which is below 1 if it has no training row.

    Without rows of its own, a candidate is only ever a negative, and shares the vector of unknown
    ids with the candidates whose id is dropped: as a full negative it would teach this vector, and
    words that no other candidate has, to score low.

    Args:
      items: the candidates of the training rows.
      size: of the catalogue.

    Returns:
      float32 [size]; None if all weights are 1.
    """
    weight = config.task.new_item_weight
    if weight is None:
        weight = NEW_ITEM_WEIGHT if any(id_dropouts(config, "candidate")) else 1.0
    if weight == 1.0:
        return None
    weights = np.full(size, weight, np.float32)
    weights[items] = 1.0
    return weights


def sampling_probability(
    counts: np.ndarray, batch_size: int, uniform_negatives: int | None
) -> np.ndarray:
    """Computes the probability that a candidate of a batch is each one, [candidates]; sums to 1.

    A batch has `batch_size` training rows, in which candidates occur with the frequencies of
    `counts`, and `uniform_negatives` candidates of the whole catalogue: Yang et al., "Mixed
    negative sampling for learning two-tower neural networks in recommendations", WWW 2020.
    """
    frequency = counts / counts.sum()
    if not uniform_negatives:
        return frequency
    drawn = batch_size * frequency + uniform_negatives / len(counts)
    return drawn / (batch_size + uniform_negatives)


def encoded_features(
    config: Config, interactions: Interactions, training_rows: np.ndarray
) -> EncodedFeatures:
    """Returns what `encode_features` returns; keeps the last results in the process, read-only.

    The encoding does not depend on widths of embeddings, so that trials that differ in these alone
    share one result.

    Raises:
      ConfigError: a feature can't be made from the data; names its key.
    """
    settings = config.features
    rows = hashlib.blake2b(np.ascontiguousarray(training_rows).data).digest()
    key = (
        interactions.fingerprint,
        rows,
        repr(_without_widths(settings)),
        histories_key(config.data, interactions, training_rows),
    )

    def encode() -> EncodedFeatures:
        encoded = encode_features(config, interactions, training_rows)
        freeze(*encoded.query.values(), *encoded.candidate.values())
        for feature in (*encoded.query_features, *encoded.candidate_features):
            if not isinstance(feature, CustomFeature):
                freeze(*(each for each in vars(feature).values() if isinstance(each, np.ndarray)))
        return encoded

    kept = get_or_compute(_encoded, key, encode, len(interactions))
    return EncodedFeatures(
        _with_widths(kept.query_features, settings.query, settings),
        _with_widths(kept.candidate_features, settings.candidate, settings),
        dict(kept.query),
        dict(kept.candidate),
        needed_histories(config, interactions, training_rows),
    )


def _without_widths(settings: FeaturesConfig) -> FeaturesConfig:
    """Returns the settings without the values that don't change the encoding of rows."""

    def without_widths(features: list[FeatureConfig]) -> list[FeatureConfig]:
        return [
            # The encoding of a user's own feature may depend on its width.
            replace(feature, dim=feature.dim or settings.embedding_dim)
            if is_path(feature.kind)
            else replace(
                feature,
                dim=None,
                max_length=None,
                encoder=None,
                share_with_candidates=None,
                id_dropout=None,
            )
            for feature in features
        ]

    return FeaturesConfig(0, without_widths(settings.query), without_widths(settings.candidate))


def _with_widths(
    features: list[Feature], configs: list[FeatureConfig], settings: FeaturesConfig
) -> list[Feature]:
    """Returns the features with the widths and the sequences' settings of the configuration."""

    def configured(feature: Feature, config: FeatureConfig) -> Feature:
        if isinstance(feature, ScaledFeature | CustomFeature | HistoryNumberFeature):
            return feature
        dim = config.dim or settings.embedding_dim
        if isinstance(feature, SequenceFeature):
            return with_settings(feature, config, settings.sequence, dim)
        return replace(feature, dim=dim)

    return [configured(*each) for each in zip(features, configs, strict=True)]


def _row_blocks(batch_size: int, threads: int) -> int:
    """Returns the largest number of equal blocks of a batch that have a thread each."""
    return max(blocks for blocks in range(1, threads + 1) if batch_size % blocks == 0)
