"""Results kept between trials: the right one, a few of them, unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cachetools import LRUCache
from small_trials import (
    ids_features,
    interactions_of,
    skewed_interactions,
    small_config,
    tutorial_features,
)

from sweeper.common.errors import ConfigError
from sweeper.common.result_cache import freeze, get_or_compute
from sweeper.two_tower.config import Config, DataConfig, FeatureConfig
from sweeper.two_tower.data.columns import NumericColumn
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.model.two_tower import encode_features
from sweeper.two_tower.training import setup
from sweeper.two_tower.training.setup import encoded_features

INTERACTIONS = skewed_interactions(num_rows=200)
SOME, OTHER = np.arange(120), np.arange(40, 160)


def test_a_result_is_computed_once_for_each_key() -> None:
    kept, computed = LRUCache(8), []

    def get(key: str) -> str:
        return get_or_compute(kept, key, lambda: computed.append(key) or key.upper(), 1)

    assert [get(key) for key in "abaab"] == ["A", "B", "A", "A", "B"]
    assert computed == ["a", "b"]


def test_the_one_unused_longest_is_dropped() -> None:
    kept, computed = LRUCache(2), []
    for key in "abacab":
        get_or_compute(kept, key, lambda key=key: computed.append(key) or key, 1)
    # c took the place of b, since a had been asked for in between; then b that of c.
    assert computed == ["a", "b", "c", "b"]


def test_nothing_is_kept_of_large_data_nor_of_a_failure() -> None:
    kept: LRUCache[str, str] = LRUCache(8)

    def get(num_rows: int, compute) -> str:
        return get_or_compute(kept, "key", compute, num_rows, max_rows=10)

    assert get(11, lambda: "large") == "large"
    with pytest.raises(ZeroDivisionError):
        get(10, lambda: 1 / 0)
    assert get(10, lambda: "small") == "small"
    assert get(11, lambda: "large") == "large"


def test_what_is_frozen_refuses_to_be_written_to() -> None:
    array = np.arange(3)
    freeze(array)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def same(one, other) -> None:
    """Features, codes and vocabularies, to the bit."""
    for ours, theirs in (
        (one.query_features, other.query_features),
        (one.candidate_features, other.candidate_features),
    ):
        for mine, yours in zip(ours, theirs, strict=True):
            assert type(mine) is type(yours)
            for name, value in vars(mine).items():
                np.testing.assert_array_equal(value, getattr(yours, name))
    for ours, theirs in ((one.query, other.query), (one.candidate, other.candidate)):
        assert list(ours) == list(theirs)
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name])


def changed_features():
    yield ids_features(4)
    yield ids_features(8)
    for change in ({}, {"num_boundaries": 3}, {"dim": 5}, {"num_boundaries": None}):
        features = tutorial_features(4)
        features.query[1] = FeatureConfig(
            **{"column": "timestamp", "kind": "buckets", "num_boundaries": 10, **change}
        )
        yield features
    features = tutorial_features(4)
    features.candidate[1].max_tokens = 4
    yield features
    features = tutorial_features(4)
    features.query.reverse()
    yield features


def test_kept_features_are_those_that_would_be_fitted_anew() -> None:
    """Whatever came before: each configuration and each part of the rows, twice over."""
    for _ in range(2):
        for rows in (SOME, OTHER, SOME[::-1]):
            for features in changed_features():
                config = small_config(features=features)
                same(
                    encoded_features(config, INTERACTIONS, rows),
                    encode_features(config, INTERACTIONS, rows),
                )


def test_widths_share_one_encoding_and_each_gets_its_own_widths(monkeypatch) -> None:
    monkeypatch.setattr(setup, "_encoded", LRUCache(8))
    calls = []
    monkeypatch.setattr(
        setup,
        "encode_features",
        lambda *arguments: calls.append(1) or encode_features(*arguments),
    )
    narrow, wide = (
        encoded_features(small_config(features=tutorial_features(dim)), INTERACTIONS, SOME)
        for dim in (4, 16)
    )
    assert len(calls) == 1
    assert [feature.dim for feature in narrow.query_features] == [4, 4, 1]
    assert [feature.dim for feature in wide.query_features] == [16, 16, 1]
    for part in (wide.query, wide.candidate):
        for array in part.values():
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        wide.query_features[1].boundaries[0] = 0
    # Nor does a name taken out of one's dictionary go missing in another's.
    wide.query.clear()
    again = encoded_features(small_config(features=tutorial_features(4)), INTERACTIONS, SOME)
    assert list(again.query) == list(narrow.query)


def test_an_error_is_told_each_time() -> None:
    features = tutorial_features(4)
    features.candidate[1].max_tokens = 2
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"features\.candidate\[1\]: the vocabulary"):
            encoded_features(small_config(features=features), INTERACTIONS, SOME)


def with_titles(data: DataConfig) -> Config:
    """With a feature that reads what the user had before a row."""
    features = ids_features(4)
    features.query.append(FeatureConfig("movie_title", "sequence"))
    return small_config(data=data, features=features)


def test_kept_sequences_are_those_of_the_rows_that_histories_hold() -> None:
    """Of the same training rows; each setting twice over, whatever came before."""
    # Several rows a second, so that histories without those of the same second are others.
    times = NumericColumn(INTERACTIONS.timestamps // 600 * 600)
    columns = {**INTERACTIONS.query_columns, "timestamp": times}
    interactions = replace(
        INTERACTIONS, timestamps=times.values, query_columns=columns, fingerprint="by ten"
    )
    settings = [
        {"split": "random"},
        {"split": "temporal"},
        {"split": "temporal", "same_time": "exclude"},
        {"split": "temporal", "cold_start_items": 0.2},
        {"split": "temporal", "cold_start_items": 0.2, "split_seed": 1},
        {"split": "temporal", "cold_start_items": 0.2, "cut": 1},
    ]
    found, rows = [], np.arange(20)
    for each in settings * 2:
        config = with_titles(DataConfig(name="synthetic", **each))
        kept = encoded_features(config, interactions, rows)
        same(kept, encode_features(config, interactions, rows))
        found.append(kept.query_features[1].ranges.tobytes())
    assert len(set(found)) == len(settings)


def test_training_sizes_that_leave_the_same_rows_keep_their_own_histories() -> None:
    # The larger training part has item 2, too, whose rows come first, and which goes first.
    items = np.array([2, 2, 2, 2, 0, 1, 0, 1, 0, 1])
    interactions = interactions_of(np.zeros(10, int), items, 3)
    configs = [
        with_titles(
            DataConfig(
                name="synthetic", split="temporal", split_seed=1, cold_start_items=0.5,
                train_size=size, validation_size=1.0, test_size=1.0,
            )
        )
        for size in (4.0, 8.0)
    ]  # fmt: skip
    rows = [split_interactions(config.data, interactions).train for config in configs]
    assert rows[0].tolist() == rows[1].tolist()
    lengths = []
    for config in configs * 2:
        kept = encoded_features(config, interactions, rows[0])
        same(kept, encode_features(config, interactions, rows[0]))
        lengths.append(int(np.diff(kept.query_features[1].ranges[9])[0]))
    assert lengths == [7, 3] * 2
