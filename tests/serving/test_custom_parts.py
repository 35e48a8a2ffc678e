"""A user's own features and tower are tried as an export needs them, before any training."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from served_models import ITEMS, config_of, every_kind, past_config, timed

from sweeper.common.errors import ConfigError
from sweeper.serving.custom_parts import check_custom_parts, why_no_candidate_tower
from sweeper.serving.query_tower import QueryInputs
from sweeper.two_tower.config import FeatureConfig, ModelConfig
from sweeper.two_tower.data.columns import NumericColumn
from sweeper.two_tower.model.feature_graphs import check_graph
from sweeper.two_tower.model.features import CustomFeature
from sweeper.two_tower.model.sequence_encoders import SequenceEncoder
from sweeper.two_tower.model.towers import CustomTower
from sweeper.two_tower.training.setup import set_up_training

ROWS = np.array([3_600, 7_200, 100_000], np.float64)


class Hour(CustomFeature):
    """The hour of the day."""

    def __init__(self, name, column, rows, dim):
        self.name, self.dim = name, dim

    def encode(self, column):
        return (np.nan_to_num(column.values) // 3_600 % 24).astype(np.int32)

    def layer(self):
        return tf.keras.layers.Embedding(24, self.dim)

    def graph(self):
        def hour(values):
            known = tf.where(tf.math.is_nan(values), tf.zeros_like(values), values)
            return tf.cast(known // 3_600 % 24, tf.int32)

        return hour


class Drifting(Hour):
    def graph(self):
        return lambda values: tf.cast(values // 3_600, tf.int32)


class Failing(Hour):
    def graph(self):
        return lambda values: tf.strings.length(values)


class Narrow(Hour):
    def graph(self):
        return lambda values: tf.cast(values[:1] // 3_600 % 24, tf.int32)


class Untracked(Hour):
    """A table that no module holds: it works until it is saved."""

    def graph(self):
        keys = tf.range(24, dtype=tf.int64)
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, tf.cast(keys, tf.int32)), 0
        )
        hour = super().graph()
        return lambda values: table.lookup(tf.cast(hour(values), tf.int64))


class Graphless(Hour):
    def graph(self):
        return None


class Eager(CustomTower):
    """Python code in its call, which no graph can have."""

    def call(self, values, training=False):
        return tf.constant(values.numpy()[:, : self.units])


def encoded(feature: CustomFeature) -> np.ndarray:
    return feature.encode(SimpleNamespace(values=ROWS))


def test_a_graph_that_encodes_as_encode_does_is_well() -> None:
    feature = Hour("hour", None, None, 4)
    check_graph(feature, tf.constant(ROWS), encoded(feature), "key")


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (Drifting, "key, whose graph gives 27 for 100000.0; must give 3, as encode does"),
        (Narrow, "key, whose graph gives [1] for 3 rows; must give [3], as encode does"),
        (Failing, "key, whose graph fails: "),
    ],
)
def test_a_graph_that_encodes_otherwise_is_refused_with_the_value(own, words: str) -> None:
    feature = own("hour", None, None, 4)
    with pytest.raises(ConfigError) as error:
        check_graph(feature, tf.constant(ROWS), encoded(feature), "key")
    (problem,) = error.value.problems
    assert problem.startswith(words)


def why_none(kind: str | None, tower: str = "dense") -> str | None:
    """Why a model, which isn't trained, has no candidate tower with such a feature."""
    config = config_of("embedding", model=ModelConfig(layer_sizes=[4], tower=tower))
    interactions = every_kind()
    if kind:
        config.features.candidate.append(FeatureConfig("released", f"{__name__}:{kind}"))
        interactions.candidate_columns["released"] = NumericColumn(3_600 * np.arange(ITEMS))
    training = set_up_training(config, interactions, np.arange(180), threads=1)
    retrained = SimpleNamespace(config=config, interactions=interactions, training=training)
    return why_no_candidate_tower(retrained)  # type: ignore[arg-type]


def test_a_candidate_tower_of_parts_that_can_be_exported_is_exported() -> None:
    assert why_none(None) is None
    assert why_none("Hour") is None


def test_a_candidate_tower_that_cannot_be_exported_is_left_out_with_the_reason() -> None:
    assert why_none("Graphless") == f"{__name__}:Graphless has no TensorFlow graph (`graph`)"
    reason = why_none("Untracked")
    assert reason is not None
    assert reason.startswith(f"TensorFlow can't save it, with {__name__}:Untracked in it: ")


def test_a_drifting_feature_of_candidates_is_named_by_its_key() -> None:
    with pytest.raises(ConfigError) as error:
        why_none("Drifting")
    (problem,) = error.value.problems
    assert problem.startswith(
        f"features.candidate[2].kind: got '{__name__}:Drifting', whose graph gives "
    )


class EagerEncoder(SequenceEncoder):
    """Python code in its call, which no graph can have."""

    width = 4

    def call(self, vectors, is_there, training=False):
        return tf.constant(vectors.numpy()[:, -1])


class Last(SequenceEncoder):
    width = 4

    def call(self, vectors, is_there, training=False):
        return tf.where(is_there[:, -1:], vectors[:, -1], 0.0)


def check(kind: str | None, tower: str = "dense", encoder: str | None = None) -> None:
    """The check of a model that isn't trained."""
    model = ModelConfig(layer_sizes=[4], tower=tower)
    config = config_of("embedding", model=model)
    if kind:
        config.features.query.append(FeatureConfig("timestamp", f"{__name__}:{kind}"))
    interactions = every_kind()
    if encoder:
        config = past_config("titles", "embedding", model=model)
        config.features.sequence.encoder = f"{__name__}:{encoder}"
        interactions = timed()
    training = set_up_training(config, interactions, np.arange(180), threads=1)
    inputs = QueryInputs(config, interactions, training.encoded)
    retrained = SimpleNamespace(config=config, interactions=interactions, training=training)
    check_custom_parts(retrained, inputs)  # type: ignore[arg-type]


def test_parts_that_can_be_exported_pass() -> None:
    check(None)
    check("Hour")
    check(None, encoder="Last")


def test_what_cannot_be_saved_is_refused_by_name() -> None:
    with pytest.raises(ConfigError) as error:
        check("Untracked")
    (problem,) = error.value.problems
    assert problem.startswith(
        f"the query tower can't be saved as a SavedModel, with {__name__}:Untracked in it: "
    )
    assert "untracked" in problem.lower()


def test_an_encoder_of_ones_own_that_cannot_be_saved_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=f"with {__name__}:EagerEncoder in it: "):
        check(None, encoder="EagerEncoder")


def test_a_drifting_feature_is_named_by_its_key() -> None:
    with pytest.raises(ConfigError) as error:
        check("Drifting")
    (problem,) = error.value.problems
    assert problem.startswith(
        f"features.query[1].kind: got '{__name__}:Drifting', whose graph gives "
    )
