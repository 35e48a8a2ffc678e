"""Fits the features that read a user's history: sequences, time gaps and history lengths."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sweeper.two_tower.config import FeatureConfig, SequenceConfig, sequence_settings
from sweeper.two_tower.data.histories import Histories
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.model.features import (
    HistoryNumberFeature,
    ListFeature,
    LookupFeature,
    ScaledFeature,
    SequenceFeature,
)


@dataclass(frozen=True)
class SequenceSource:
    """What features of histories are fitted on.

    Attributes:
      histories: of every row of the data.
      interactions: the data.
      training_items: the distinct candidates of the training rows, on which items' values are
        fitted, like the features of the candidate tower.
      defaults: `features.sequence`.
    """

    histories: Histories
    interactions: Interactions
    training_items: np.ndarray
    defaults: SequenceConfig


def fit_sequence(
    config: FeatureConfig,
    source: SequenceSource,
    item_feature: LookupFeature | ListFeature,
    dim: int,
) -> SequenceFeature:
    """Makes a sequence of the column that `item_feature` has been fitted on."""
    column = source.interactions.candidate_columns[config.column]
    histories = source.histories
    feature = SequenceFeature(
        name=f"{item_feature.name}_sequence",
        items=histories.items,
        ranges=np.stack([histories.starts, histories.stops], axis=1).astype(np.int32),
        item_feature=item_feature,
        item_codes=item_feature.encode(column),
        dim=dim,
        settings=source.defaults,
        shared_with=None,
    )
    return with_settings(feature, config, source.defaults, dim)


def with_settings(
    feature: SequenceFeature, config: FeatureConfig, defaults: SequenceConfig, dim: int
) -> SequenceFeature:
    """Returns the same sequence with the settings of the configuration."""
    settings = sequence_settings(config, defaults)
    shared_with = feature.item_feature.name if settings.share_with_candidates else None
    return replace(feature, dim=dim, settings=settings, shared_with=shared_with)


def fit_history_number(
    config: FeatureConfig, source: SequenceSource, rows: np.ndarray
) -> HistoryNumberFeature:
    """Fits a `time_gap` or `history_length`: log(1 + x), standardised on the training rows.

    Args:
      rows: the training rows.
    """
    every = np.arange(len(source.interactions))
    if config.kind == "history_length":
        numbers = np.log1p(source.histories.lengths(every))
    else:
        times = source.interactions.timestamps
        assert times is not None
        numbers = np.log1p(source.histories.seconds_since_last(every, times))
    known = numbers[rows][~np.isnan(numbers[rows])]
    mean = float(known.mean()) if len(known) else 0.0
    deviation = float(known.std()) if len(known) else 0.0
    name = f"{config.column}_{config.kind}"
    scaled = ScaledFeature(name, mean, deviation or 1.0, missing=mean)
    return HistoryNumberFeature(name, numbers, scaled)
