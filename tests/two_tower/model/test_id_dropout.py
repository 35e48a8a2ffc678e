"""`features.id_dropout`: ids replaced by the unknown one in training, and in training alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from changed_configs import problems_of
from small_trials import ids_features, skewed_interactions, small_config, tutorial_features

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import (
    Config,
    DataConfig,
    FeatureConfig,
    FeaturesConfig,
    SequenceConfig,
    TaskConfig,
    TrainConfig,
    id_dropouts,
)
from sweeper.two_tower.model.dropout import IdDropout
from sweeper.two_tower.model.feature_layers import ItemSequence
from sweeper.two_tower.model.fitting import check_columns
from sweeper.two_tower.model.two_tower import build_model, encode_features
from sweeper.two_tower.training.setup import Training, set_up_training

TRAINING = np.arange(250)
INTERACTIONS = skewed_interactions()


def config_of(rate: float, features: FeaturesConfig | None = None, **parts: object) -> Config:
    features = dataclasses.replace(features or tutorial_features(dim=4), id_dropout=rate)
    train = TrainConfig(batch_size=64, xla=False)
    return small_config(**{"features": features, "train": train} | parts)


def sequence_features(rate: float | None = None) -> FeaturesConfig:
    titles = FeatureConfig("movie_title", "sequence", id_dropout=rate)
    query = [titles, FeatureConfig("user_id", "embedding")]
    sequence = SequenceConfig(max_length=3, encoder="mean")
    return dataclasses.replace(ids_features(dim=4), query=query, sequence=sequence)


def trained(config: Config, threads: int = 1) -> tuple[Training, np.ndarray, list[np.ndarray]]:
    """A training of two epochs, its losses, and the weights it began with."""
    training = set_up_training(config, INTERACTIONS, TRAINING, threads)
    before = training.model.get_weights()
    losses = [training.runner(plan) for epoch in (1, 2) for plan in training.planner.epoch(epoch)]
    return training, np.concatenate(losses), before


def test_codes_are_replaced_in_training_alone_and_each_by_itself() -> None:
    codes = tf.reshape(tf.range(1, 30_001), [3, 10_000])
    layer = IdDropout(0.3, seed=7)
    np.testing.assert_array_equal(layer(codes), codes)
    dropped = layer(codes, training=True).numpy()
    assert dropped.dtype == np.int32
    replaced = dropped == 0
    assert (dropped[~replaced] == codes.numpy()[~replaced]).all()
    # Six standard deviations of a share of 10,000.
    np.testing.assert_allclose(replaced.mean(axis=1), 0.3, atol=6 * np.sqrt(0.3 * 0.7 / 10_000))
    again = IdDropout(0.3, seed=7)
    np.testing.assert_array_equal(again(codes, training=True), dropped)
    assert (again(codes, training=True).numpy() != dropped).any()
    assert (IdDropout(0.3, seed=8)(codes, training=True).numpy() != dropped).any()


def test_it_is_of_the_columns_of_ids_unless_a_feature_says_otherwise() -> None:
    features = FeaturesConfig(
        query=[
            FeatureConfig("user_id", "embedding"),
            FeatureConfig("movie_title", "sequence"),
            FeatureConfig("movie_title", "sequence", id_dropout=0.2),
            FeatureConfig("movie_genres", "sequence"),
            FeatureConfig("user_gender", "embedding"),
            FeatureConfig("user_occupation_text", "embedding", id_dropout=0.4),
            FeatureConfig("user_id", "history"),
            FeatureConfig("user_id", "history_length"),
        ],
        candidate=[
            FeatureConfig("movie_title", "embedding", id_dropout=0.0),
            FeatureConfig("movie_title", "text"),
            FeatureConfig("movie_genres", "embedding"),
        ],
        id_dropout=0.1,
    )
    config = small_config(features=features)
    assert id_dropouts(config, "query") == [0.1, 0, 0.2, 0, 0, 0.4, 0, 0]
    assert id_dropouts(config, "candidate") == [0, 0, 0]


@pytest.mark.parametrize("features", [tutorial_features(dim=4), sequence_features()])
def test_without_it_no_bit_changes(features: FeaturesConfig) -> None:
    of_none = [dataclasses.replace(each, id_dropout=0.0) for each in features.candidate[:1]]
    said = dataclasses.replace(features, candidate=of_none + features.candidate[1:])
    _, losses, _ = trained(config_of(0.0, features))
    training, same, _ = trained(config_of(0.0, said))
    np.testing.assert_array_equal(same, losses)
    towers = (training.model.query_tower, training.model.candidate_tower)
    assert {each for tower in towers for each in tower.id_dropouts} == {None}


@pytest.mark.parametrize(
    ("features", "train"),
    [
        (tutorial_features(dim=4), TrainConfig(batch_size=64, precision="mixed_bfloat16")),
        (sequence_features(0.3), TrainConfig(batch_size=64, xla=False)),
    ],
    ids=["compiled", "sequence"],
)
def test_it_repeats_to_the_bit(features: FeaturesConfig, train: TrainConfig) -> None:
    config = config_of(0.3, features, train=train)
    (first, losses, _), (second, same, _) = trained(config), trained(config)
    np.testing.assert_array_equal(losses, same)
    assert np.isfinite(losses).all()
    for one, other in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_trains_the_unknown_ids_of_both_towers() -> None:
    tables = {}
    for rate in (0.0, 0.3):
        training, _, before = trained(config_of(rate, ids_features(dim=4)))
        after = training.model.get_weights()
        tables[rate] = [
            (one[0] != other[0]).all()
            for variable, one, other in zip(training.model.weights, before, after, strict=True)
            if "table" in variable.name
        ]
    assert tables == {0.0: [False, False], 0.3: [True, True]}


def test_what_is_scored_drops_nothing() -> None:
    """A model that drops ids and one that doesn't, of the same weights, embed alike."""
    for features, dropped in (
        (tutorial_features(dim=4), tutorial_features(dim=4)),
        (sequence_features(), sequence_features(0.9)),
    ):
        encoded = encode_features(config_of(0.0, features), INTERACTIONS, TRAINING)
        plain, dropping = (
            build_model(config, encoded)
            for config in (config_of(0.0, features), config_of(0.9, dropped))
        )
        dropping.set_weights(plain.get_weights())
        np.testing.assert_array_equal(
            dropping.embed_queries(encoded.query), plain.embed_queries(encoded.query)
        )
        np.testing.assert_array_equal(
            dropping.embed_candidates(encoded.candidate), plain.embed_candidates(encoded.candidate)
        )
        in_training = dropping.query_tower(encoded.query, training=True)
        assert (in_training != plain.query_tower(encoded.query, training=True)).numpy().any()


def test_a_sequence_drops_each_position_by_itself() -> None:
    """By hand: the mean of each row's three latest titles, some of them unknown ones."""
    data = DataConfig(name="synthetic", split="temporal")
    config = config_of(0.0, sequence_features(0.5), data=data)
    encoded = encode_features(config, INTERACTIONS, TRAINING)
    model = build_model(config, encoded)
    layer = model.query_tower.feature_layers[0]
    assert isinstance(layer, ItemSequence)
    table, items = layer.lookup.get_weights()[0], layer.items.numpy()
    name = encoded.query_features[0].name
    codes = np.zeros((300, 3), np.int32)
    there = np.zeros((300, 3), bool)
    for row, (start, stop) in enumerate(encoded.query[name]):
        latest = items[max(start, stop - 3) : stop]
        there[row, 3 - len(latest) :] = True
        codes[row] = layer.item_codes.numpy()[np.concatenate([[items[0]] * 3, latest])[-3:]]
    seed = layer.id_dropout.dropout.seed
    drawn = IdDropout(0.5, seed)(codes.reshape(-1), training=True).numpy().reshape(300, 3)
    assert ((drawn == 0) & there).any()
    assert ((drawn != 0) & there).any()
    sums = (table[drawn] * there[:, :, None]).sum(axis=1)
    expected = sums / np.maximum(there.sum(axis=1), 1)[:, None]
    values = layer(tf.constant(encoded.query[name]), training=True)
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_blocks_of_rows_side_by_side_have_the_same_loss() -> None:
    config = config_of(0.3, train=TrainConfig(batch_size=50, xla=False))
    np.testing.assert_allclose(trained(config, threads=2)[1], trained(config)[1], rtol=1e-5)


@pytest.mark.parametrize("task", ["full_softmax", "in_batch_softmax"])
@pytest.mark.parametrize(
    ("rate", "given", "weight"),
    [(0.0, None, 1.0), (0.3, None, 0.1), (0.3, 0.5, 0.5), (0.0, 0.5, 0.5)],
)
def test_candidates_without_a_training_row_count_less_as_negatives(
    task: str, rate: float, given: float | None, weight: float
) -> None:
    uniform = None if task == "full_softmax" else 30
    known = np.isin(np.arange(INTERACTIONS.num_items), INTERACTIONS.items[TRAINING])
    config = config_of(
        rate, task=TaskConfig(task, num_uniform_negatives=uniform, new_item_weight=given)
    )
    plain = config_of(0.0, task=TaskConfig(task, num_uniform_negatives=uniform))
    planner, as_before = (
        set_up_training(each, INTERACTIONS, TRAINING, threads=1).planner for each in (config, plain)
    )
    for plan, before in zip(planner.epoch(1), as_before.epoch(1), strict=True):
        np.testing.assert_array_equal(plan.candidates, before.candidates)
        is_new = ~known[plan.candidates]
        assert is_new[plan.counts > 0].any()
        expected = np.where(is_new, np.float32(weight) * before.counts, before.counts)
        np.testing.assert_array_equal(plan.counts, expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"features__query__2__id_dropout": 0.1},
            "features.query[2].id_dropout: got 0.1 for kind 'normalized'; only embedding, sequence",
        ),
        (
            {
                "features__query__0__kind": "sequence",
                "features__query__0__column": "movie_title",
                "features__query__0__item_kind": "text",
                "features__query__0__share_with_candidates": False,
                "features__query__0__id_dropout": 0.1,
            },
            "features.query[0].id_dropout: got 0.1 with item_kind 'text'; must be null",
        ),
        (
            {
                "features__id_dropout": 0.1,
                "features__query": [FeatureConfig("user_gender", "embedding")],
                "features__candidate": [FeatureConfig("movie_title", "text")],
            },
            "features.id_dropout: got 0.1, but no feature of kind embedding reads 'user_id' or "
            "'movie_title'; must be 0",
        ),
    ],
)
def test_it_is_refused_where_there_is_no_id(values: dict[str, object], message: str) -> None:
    (problem,) = problems_of(**values)
    assert problem.startswith(message)


def test_a_list_is_no_id() -> None:
    from sweeper.two_tower.data.loading import load_interactions

    interactions = load_interactions(small_config().data)
    genres = FeatureConfig("movie_genres", "embedding", id_dropout=0.2)
    features = dataclasses.replace(ids_features(dim=4), candidate=[genres])
    with pytest.raises(ConfigError, match=r"candidate\[0\]\.id_dropout: got 0\.2 for 'movie_gen"):
        check_columns(features, interactions)
