"""Whether a user's own features and tower can be exported, told before anything is trained."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from sweeper.errors import ConfigError, shortened
from sweeper.model.feature_graphs import raw_values
from sweeper.model.features import OwnFeature
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
    own = [each.kind for feature, each in pairs if isinstance(feature, OwnFeature)]
    rows = np.sort(np.random.default_rng(0).permutation(len(interactions))[:ROWS])
    for index, (feature, each) in enumerate(pairs):
        if isinstance(feature, OwnFeature):
            column = interactions.query_columns[each.column].take(rows)
            key = f"features.query[{index}].kind: got {each.kind!r}"
            check_graph(feature, raw_values(column), encoded.query[feature.name][rows], key)
    if is_path(config.model.tower):
        own.append(config.model.tower)
    if own:
        _check_saving(QueryTower(inputs, model, encoded), own)


def check_graph(feature: OwnFeature, values: tf.Tensor, expected: np.ndarray, key: str) -> None:
    """Raises ConfigError, whose line begins with `key`, if `graph` doesn't encode as `encode` did.

    Args:
      values: as a request has them.
      expected: what `encode` makes of the same values, [rows, ...].
    """
    try:
        graph = tf.function(feature.graph())
        found = graph(values).numpy()
    except Exception as error:
        raise ConfigError(f"{key}, whose graph fails: {_reason(error)}") from error
    if found.shape != expected.shape:
        raise ConfigError(
            f"{key}, whose graph gives {list(found.shape)} for {len(values)} rows; must give "
            f"{list(expected.shape)}, as encode does"
        )
    same = np.isclose(found, expected, rtol=1e-5, atol=1e-6).reshape(len(expected), -1).all(axis=1)
    if not same.all():
        row = int(np.argmin(same))
        raise ConfigError(
            f"{key}, whose graph gives {_text(found[row])} for {_text(values[row].numpy())}; must "
            f"give {_text(expected[row])}, as encode does"
        )


def _check_saving(tower: QueryTower, own: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        try:
            tower.save(Path(place))
        except Exception as error:
            raise ConfigError(
                f"the query tower can't be saved as a SavedModel, with {', '.join(own)} in it: "
                f"{_reason(error)}; must be of what TensorFlow can save"
            ) from error


def _text(value: object) -> str:
    return shortened(str(value.decode() if isinstance(value, bytes) else value))


def _reason(error: Exception) -> str:
    """The line of an error that tells what is wrong."""
    lines = str(error).strip().splitlines() or [""]
    # What fails within a graph ends with the error itself, after the lines of the user's code.
    line = lines[-1] if lines[0].startswith("in user code") else lines[0]
    return shortened(f"{type(error).__name__}: {line.strip()}", 300)
