"""Checks before training whether custom features, encoders and towers can be exported."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sweeper.common.errors import ConfigError
from sweeper.common.plugins import is_path
from sweeper.serving.candidate_tower import CandidateTower, missing_graphs
from sweeper.serving.query_tower import QueryInputs, QueryTower
from sweeper.serving.retrained_model import RetrainedModel
from sweeper.two_tower.config import FeatureConfig
from sweeper.two_tower.data.columns import CategoricalListColumn, Column
from sweeper.two_tower.model.feature_graphs import check_graph, raw_values, reason_of
from sweeper.two_tower.model.features import CustomFeature, Feature, SequenceFeature

# Encodings are compared on this many rows, always the same ones.
NUM_ROWS = 1_000


def check_custom_parts(retrained: RetrainedModel, inputs: QueryInputs) -> None:
    """Tries to save the query tower if it has custom parts.

    Args:
      retrained: its model need not be trained.

    Raises:
      ConfigError: a feature's `graph` fails, or encodes a value of the data differently from
        `encode`; or the query tower can't be saved as a SavedModel.
    """
    config, interactions = retrained.config, retrained.interactions
    model, encoded = retrained.training.model, retrained.training.encoded
    rows = _sample(len(interactions))
    own = _check_graphs(
        "features.query",
        config.features.query,
        encoded.query_features,
        interactions.query_columns,
        encoded.query,
        rows,
    )
    if is_path(config.model.tower):
        own.append(config.model.tower)
    if own and (reason := _why_unsaved(QueryTower(inputs, model, encoded))):
        raise ConfigError(
            f"the query tower can't be saved as a SavedModel, with {', '.join(own)} in it: "
            f"{reason}; must be of what TensorFlow can save"
        )


def why_no_candidate_tower(retrained: RetrainedModel) -> str | None:
    """Returns why the candidate tower can't be exported; None if it can.

    This is not an error, since the candidates' embeddings are exported in any case.

    Args:
      retrained: its model need not be trained.

    Raises:
      ConfigError: a feature's `graph` fails, or encodes a value of the data differently from
        `encode`.
    """
    config, interactions = retrained.config, retrained.interactions
    model, encoded = retrained.training.model, retrained.training.encoded
    if reason := missing_graphs(config, encoded):
        return reason
    own = _check_graphs(
        "features.candidate",
        config.features.candidate,
        encoded.candidate_features,
        interactions.candidate_columns,
        encoded.candidate,
        _sample(interactions.num_items),
    )
    if is_path(config.model.tower):
        own.append(config.model.tower)
    if own and (reason := _why_unsaved(CandidateTower(config, interactions, model, encoded))):
        return f"TensorFlow can't save it, with {', '.join(own)} in it: {reason}"
    return None


def _sample(rows: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(rows)[:NUM_ROWS])


def _check_graphs(
    key: str,
    configs: Sequence[FeatureConfig],
    features: Sequence[Feature],
    columns: Mapping[str, Column],
    encoded: Mapping[str, np.ndarray],
    rows: np.ndarray,
) -> list[str]:
    """Compares each custom feature's graph with its `encode` on some rows; returns their names."""
    own = []
    for index, (feature, each) in enumerate(zip(features, configs, strict=True)):
        if isinstance(feature, SequenceFeature) and is_path(feature.settings.encoder):
            own.append(feature.settings.encoder)
        if not isinstance(feature, CustomFeature):
            continue
        own.append(each.kind)
        column = columns[each.column].take(rows)
        # The width of encoded lists depends on the longest in the batch.
        if not isinstance(column, CategoricalListColumn):
            label = f"{key}[{index}].kind: got {each.kind!r}"
            check_graph(feature, raw_values(column), encoded[feature.name][rows], label)
    return own


def _why_unsaved(tower: QueryTower | CandidateTower) -> str | None:
    """Returns why TensorFlow can't save the tower; None if it can."""
    with tempfile.TemporaryDirectory() as place:
        try:
            tower.save(Path(place))
        except Exception as error:
            return reason_of(error)
    return None
