"""Whether a user's own features, encoders and tower can be exported, told before the training."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from sweeper.data.columns import CategoricalListColumn
from sweeper.errors import ConfigError
from sweeper.model.feature_graphs import check_graph, raw_values, reason_of
from sweeper.model.features import OwnFeature, SequenceFeature
from sweeper.plugins import is_path
from sweeper.serving.query_tower import QueryInputs, QueryTower
from sweeper.serving.retrained import Retraining

# Of so many rows the encodings are compared, always the same ones.
ROWS = 1_000


def check_own_parts(retraining: Retraining, inputs: QueryInputs) -> None:
    """Tries the query tower's own parts as an export needs them; does nothing if it has none.

    Args:
      retraining: its model need not be trained.

    Raises:
      ConfigError: a feature's `graph` fails, or encodes a value of the data other than `encode`
        does; or the query tower can't be saved as a SavedModel.
    """
    config, interactions = retraining.config, retraining.interactions
    model, encoded = retraining.training.model, retraining.training.encoded
    pairs = list(zip(encoded.query_features, config.features.query, strict=True))
    own = [
        feature.settings.encoder if isinstance(feature, SequenceFeature) else each.kind
        for feature, each in pairs
        if isinstance(feature, OwnFeature)
        or (isinstance(feature, SequenceFeature) and is_path(feature.settings.encoder))
    ]
    rows = np.sort(np.random.default_rng(0).permutation(len(interactions))[:ROWS])
    for index, (feature, each) in enumerate(pairs):
        if not isinstance(feature, OwnFeature):
            continue
        column = interactions.query_columns[each.column].take(rows)
        # Lists are as long as the longest of those that are asked for together.
        if not isinstance(column, CategoricalListColumn):
            key = f"features.query[{index}].kind: got {each.kind!r}"
            check_graph(feature, raw_values(column), encoded.query[feature.name][rows], key)
    if is_path(config.model.tower):
        own.append(config.model.tower)
    if own:
        _check_saving(QueryTower(inputs, model, encoded), own)


def _check_saving(tower: QueryTower, own: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        try:
            tower.save(Path(place))
        except Exception as error:
            raise ConfigError(
                f"the query tower can't be saved as a SavedModel, with {', '.join(own)} in it: "
                f"{reason_of(error)}; must be of what TensorFlow can save"
            ) from error
