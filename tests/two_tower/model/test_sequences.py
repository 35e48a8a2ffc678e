"""Sequences of the query tower: what they read, by hand and against the plainest loop."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_trials import ids_features, skewed_interactions, small_config

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import (
    Config,
    DataConfig,
    FeatureConfig,
    SequenceConfig,
    TaskConfig,
    TrainConfig,
)
from sweeper.two_tower.data.columns import CategoricalListColumn, NumericColumn
from sweeper.two_tower.data.histories import histories_of
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.model.features import HistoryNumberFeature, SequenceFeature
from sweeper.two_tower.model.fitting import check_columns
from sweeper.two_tower.model.summary import layer_rows
from sweeper.two_tower.model.two_tower import build_model, encode_features
from sweeper.two_tower.trial.trial import run_trial, ties_of_histories

TITLES = FeatureConfig("movie_title", "sequence")
TRAINING = np.arange(0, 300, 2)


def config_of(*query: FeatureConfig, split: str = "temporal", **sequence: object) -> Config:
    defaults = SequenceConfig(**{"max_length": 3, "encoder": "mean"} | sequence)  # type: ignore[arg-type]
    features = dataclasses.replace(ids_features(dim=4), query=list(query), sequence=defaults)
    data = DataConfig(name="synthetic", split=split)
    return small_config(features=features, data=data)


def embedded(config: Config, interactions: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """What the first feature's layer gives for every row, and the candidates' table."""
    encoded = encode_features(config, interactions, TRAINING)
    model = build_model(config, encoded)
    layer = model.query_tower.feature_layers[0]
    values = layer(tf.constant(encoded.query[encoded.query_features[0].name]))
    return values.numpy(), model.candidate_tower.feature_layers[0].get_weights()[0]


@pytest.mark.parametrize("split", ["temporal", "random"])
def test_it_reads_the_latest_titles_by_the_candidates_vectors(split: str) -> None:
    interactions = skewed_interactions()
    config = config_of(TITLES, split=split)
    values, table = embedded(config, interactions)
    histories = histories_of(config.data, interactions, TRAINING)
    known = set(np.unique(interactions.items[TRAINING]).tolist())
    code = {item: index for index, item in enumerate(sorted(known), start=1)}
    lengths = []
    for row in range(300):
        items = histories.items[histories.starts[row] : histories.stops[row]][-3:]
        # An item without a training row has the vector of unknown ones.
        vectors = [table[code.get(item, 0)] for item in items.tolist()]
        expected = np.mean(vectors, axis=0) if vectors else np.zeros(4)
        np.testing.assert_allclose(values[row], expected, atol=1e-6)
        lengths.append(len(items))
    assert {0, 1, 3} <= set(lengths)


@pytest.mark.parametrize("share", [True, False])
def test_one_table_serves_both_towers_only_where_it_is_shared(share: bool) -> None:
    config = config_of(TITLES, share_with_candidates=share)
    model = build_model(config, encode_features(config, skewed_interactions(), TRAINING))
    sequence, candidate = (
        tower.feature_layers[0] for tower in (model.query_tower, model.candidate_tower)
    )
    assert (sequence.lookup is candidate) == share
    tables = [each for each in model.trainable_variables if "table" in each.name]
    assert len(tables) == (1 if share else 2)


def test_a_feature_says_otherwise_than_the_defaults() -> None:
    own = dataclasses.replace(TITLES, max_length=1, encoder="recency", share_with_candidates=False)
    encoded = encode_features(config_of(own, num_decays=2), skewed_interactions(), TRAINING)
    (feature,) = encoded.query_features
    assert isinstance(feature, SequenceFeature)
    assert feature.settings == SequenceConfig(
        max_length=1, encoder="recency", share_with_candidates=False, num_decays=2
    )
    model = build_model(config_of(own, num_decays=2), encoded)
    assert model.query_tower.feature_dims == [12]  # two averages and the last title


def test_gap_and_length_are_standardised_logarithms() -> None:
    interactions = skewed_interactions()
    config = config_of(
        FeatureConfig("timestamp", "time_gap"), FeatureConfig("user_id", "history_length")
    )
    encoded = encode_features(config, interactions, TRAINING)
    histories = histories_of(config.data, interactions, TRAINING)
    gap, length = encoded.query_features
    assert isinstance(gap, HistoryNumberFeature)
    assert isinstance(length, HistoryNumberFeature)
    for feature in (gap, length):
        values = encoded.query[feature.name]
        known = ~np.isnan(feature.numbers[TRAINING])
        assert abs(values[TRAINING][known].mean()) < 1e-5
        assert abs(values[TRAINING][known].std() - 1) < 1e-5
    first = np.flatnonzero(histories.lengths(np.arange(300)) == 0)
    assert (encoded.query[gap.name][first] == 0).all()  # the mean, where there is no earlier row
    row = int(np.flatnonzero(histories.lengths(np.arange(300)) > 0)[0])
    before = histories.times[histories.stops[row] - 1]
    assert gap.numbers[row] == np.log1p(interactions.timestamps[row] - before)
    assert length.numbers[row] == np.log1p(histories.lengths(np.array([row]))[0])


def test_a_trial_says_where_the_order_of_the_data_stands_for_that_of_time() -> None:
    interactions = skewed_interactions()
    of_one_time = dataclasses.replace(interactions, timestamps=np.full(300, 7))
    ids = small_config(data=DataConfig(name="synthetic", split="temporal"))
    hiding = dataclasses.replace(ids, task=TaskConfig(exclude_seen=5))

    def ties(config: Config, data: Interactions) -> list[str]:
        return ties_of_histories(config, data, split_interactions(config.data, data))

    for config, number in ((config_of(TITLES), 1), (hiding, 1), (ids, 0)):
        assert len(ties(config, of_one_time)) == number
        assert ties(config, interactions) == []


def test_what_can_be_no_sequence_is_told_with_what_would_be_right() -> None:
    interactions = skewed_interactions()

    def problems(*query: FeatureConfig, data: Interactions = interactions) -> str:
        with pytest.raises(ConfigError) as caught:
            check_columns(config_of(*query).features, data)
        return str(caught.value)

    assert problems(dataclasses.replace(TITLES, column="user_id")) == (
        "features.query[0].column: got 'user_id', no column of the catalogue; a sequence reads "
        "strings of it: must be movie_title"
    )
    assert problems(dataclasses.replace(TITLES, column="movie_titel")).endswith(
        "must be movie_title. Did you mean 'movie_title'?"
    )
    years = {"year": NumericColumn(np.arange(40))}
    with_years = dataclasses.replace(
        interactions, candidate_columns=interactions.candidate_columns | years
    )
    assert problems(FeatureConfig("year", "sequence"), data=with_years) == (
        "features.query[0].column: got 'year', a column of numbers of the catalogue; a sequence "
        "reads strings of it: must be movie_title"
    )
    genres = {"genres": CategoricalListColumn(np.zeros(40, np.int32), np.arange(41), ["drama"])}
    with_genres = dataclasses.replace(
        interactions, candidate_columns=interactions.candidate_columns | genres
    )
    assert problems(FeatureConfig("genres", "sequence", item_kind="text"), data=with_genres) == (
        "features.query[0].item_kind: got 'text' for 'genres', a column of lists of strings; must "
        "be embedding for it"
    )
    assert ".column: got 'movie_title' for kind 'time_gap'; must be 'timestamp'" in problems(
        FeatureConfig("movie_title", "time_gap")
    )
    no_times = dataclasses.replace(interactions, timestamps=None, timestamp_column=None)
    assert "the data has no times; must be another kind" in problems(TITLES, data=no_times)


def test_sharing_wants_a_feature_of_the_same_column_kind_width_and_words() -> None:
    def problem(feature: FeatureConfig, *candidates: FeatureConfig) -> str:
        config = config_of(feature)
        config.features.candidate += candidates
        with pytest.raises(ConfigError) as caught:
            check_columns(config.features, skewed_interactions())
        return str(caught.value)

    text = dataclasses.replace(TITLES, item_kind="text")
    assert problem(text) == (
        "features.query[0].share_with_candidates: got True, but features.candidate has no feature "
        "of column 'movie_title' and kind 'text' to share with; add it, or set this to false"
    )
    assert problem(dataclasses.replace(TITLES, dim=3)).startswith(
        "features.query[0].dim: got 3, shared with features.candidate's 'movie_title' (embedding) "
    )
    words = FeatureConfig("movie_title", "text", max_tokens=5)
    assert problem(dataclasses.replace(text, max_tokens=9), words).startswith(
        "features.query[0].max_tokens: got 9, shared with features.candidate's"
    )
    alone = config_of(dataclasses.replace(TITLES, dim=3, share_with_candidates=False))
    check_columns(alone.features, skewed_interactions())


def test_parameters_of_a_shared_table_are_counted_once() -> None:
    for share in (True, False):
        config = config_of(TITLES, share_with_candidates=share)
        model = build_model(config, encode_features(config, skewed_interactions(), TRAINING))
        total = sum(parameters for *_, parameters in layer_rows(model))
        assert total == sum(math.prod(each.shape) for each in model.trainable_variables)


@pytest.mark.parametrize("encoder", ["mean", "recency", "gru", "self_attention"])
def test_a_trial_with_sequences_learns_and_repeats_to_the_bit(tmp_path: Path, encoder: str) -> None:
    config = config_of(TITLES, encoder=encoder)
    train = TrainConfig(epochs=3, batch_size=256, eval_every_epochs=1, xla=False)
    config = dataclasses.replace(config, train=train)
    first, second = (run_trial(config, tmp_path / name, draw=False) for name in "ab")
    losses = [row["loss"] for row in first.history]
    assert losses[-1] < losses[0]
    assert losses == [row["loss"] for row in second.history]
    assert first.metrics == second.metrics
