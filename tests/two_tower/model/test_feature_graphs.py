"""Every feature's graph gives exactly what its NumPy encoding gives, for any raw value."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import FEATURE_KINDS, TIMED_KINDS, FeatureConfig
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn, NumericColumn
from sweeper.two_tower.model.feature_graphs import SURROGATES, Text, feature_graph, input_spec
from sweeper.two_tower.model.features import (
    CustomFeature,
    Feature,
    HistoryNumberFeature,
    SequenceFeature,
    tokens,
)
from sweeper.two_tower.model.fitting import fit_features

# No surrogates: no file and no request can hold them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def words(values: list[str]) -> CategoricalColumn:
    categories = sorted(set(values))
    return CategoricalColumn(np.array([categories.index(v) for v in values], np.int32), categories)


def lists(values: list[list[str]]) -> CategoricalListColumn:
    flat = words([word for value in values for word in value])
    return CategoricalListColumn(flat.codes, np.cumsum([0, *map(len, values)]), flat.categories)


def raw(values: list) -> tf.Tensor:
    """As a request has them."""
    if isinstance(values[0], list):
        longest = max(1, *map(len, values))
        return tf.constant([value + [""] * (longest - len(value)) for value in values])
    if isinstance(values[0], str):
        return tf.constant([value.encode() for value in values])
    return tf.constant(np.array(values, np.float64))


@dataclass
class Case:
    """A feature fitted on training values, and others to encode."""

    kind: str
    training: list
    others: list

    def column(self, values: list):
        if isinstance(values[0], list):
            return lists(values)
        return words(values) if isinstance(values[0], str) else NumericColumn(np.array(values))


KINDS = {
    "embedding": Case("embedding", ["b", "", "é"], ["a", "B", "é", " b", "東"]),
    "list": Case("embedding", [["b", "a"], [], ["c"]], [["d"], ["", "c", ""], ["a", "d", "b"]]),
    "text": Case("text", ["The End", "the sea!"], ["", "SEA\u2003end.", "ΟΔΟΣ οδος", "?"]),
    "buckets": Case("buckets", [10.0, 20.0, 40.0], [10.0, np.nan, -1e300, np.inf, 25.0, 39.99]),
    "normalized": Case("normalized", [879024300, 879024327, 893286638], [np.nan, 0.1, 1e18]),
    "numeric": Case("numeric", [1.0, 3.0], [np.nan, 0.1, -7.0]),
    "history": Case("history", ["u2", "u1", "u2"], ["u3", ""]),
}


def compare(case: Case) -> None:
    """The graph against NumPy, on the training values and the others, in one column."""
    column = case.column(case.training + case.others)
    rows = np.arange(len(case.training))
    config = FeatureConfig("c", case.kind, num_boundaries=4 if case.kind == "buckets" else None)
    items = np.arange(len(column), dtype=np.int32) % 2
    (feature,) = fit_features([config], {"c": column}, rows, 4, "features.query", items)
    expected = feature.encode(column)
    if case.kind == "history":
        # Of a row that asks, and is not trained on, nothing is its own; a new category is unknown.
        expected[:, 1] = 0
    graph = feature_graph(feature, column, expected)
    values = raw(case.training + case.others)
    assert input_spec(column, "c").is_compatible_with(values)
    encoded = tf.function(graph)(values).numpy()
    assert encoded.dtype == expected.dtype
    np.testing.assert_array_equal(encoded, expected)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_encoded_as_numpy_encodes_it(name: str) -> None:
    compare(KINDS[name])


def test_every_kind_and_every_class_of_feature_has_a_case() -> None:
    # What reads histories is no graph of one column.
    assert {case.kind for case in KINDS.values()} == set(FEATURE_KINDS) - set(TIMED_KINDS)
    made = set()
    for case in KINDS.values():
        column = case.column(case.training)
        (feature,) = fit_features(
            [FeatureConfig("c", case.kind)], {"c": column}, np.arange(len(column)), 4, "query",
            np.zeros(len(column), np.int32),
        )  # fmt: skip
        made.add(type(feature))
    assert made == set(get_args(Feature)) - {CustomFeature, SequenceFeature, HistoryNumberFeature}


class Hour(CustomFeature):
    name, dim = "hour", 4

    def encode(self, column):
        return (column.values // 3600 % 24).astype(np.int32)

    def layer(self):
        return tf.keras.layers.Embedding(24, self.dim)


class HourServed(Hour):
    def graph(self):
        return lambda values: tf.cast(values // 3600 % 24, tf.int32)


def test_a_feature_of_ones_own_has_a_graph_if_it_gives_one() -> None:
    column = NumericColumn(np.array([1_700_000_000, 7_200, 3]))
    encoded = HourServed().encode(column)
    graph = feature_graph(HourServed(), column, encoded)
    served = graph(tf.constant(column.values, tf.float64))
    np.testing.assert_array_equal(served, encoded)
    with pytest.raises(ConfigError, match=r"'hour' is a Hour, which has no TensorFlow graph; must"):
        feature_graph(Hour(), column, encoded)


def test_an_unknown_value_of_a_history_is_no_ones_history() -> None:
    column = words(["u1", "u2"])
    (feature,) = fit_features(
        [FeatureConfig("c", "history")], {"c": column}, np.arange(2), 4, "query", np.arange(2)
    )
    graph = feature_graph(feature, column, feature.encode(column))
    assert graph(tf.constant(["u2", "new", ""])).numpy().tolist() == [[2, 0], [0, 0], [0, 0]]


def test_a_feature_without_a_graph_is_refused_by_name() -> None:
    class Own:
        name = "tempo_own"

    with pytest.raises(ConfigError, match=r"'tempo_own' is a Own, .* no TensorFlow graph; must"):
        feature_graph(Own(), words(["a"]), np.zeros(1))  # type: ignore[arg-type]


TEXT = Text(["end"], 1)
GRAPH_TOKENS = tf.function(TEXT.tokens, input_signature=[tf.TensorSpec([None], tf.string)])


def graph_tokens(texts: list[str]) -> list[list[str]]:
    encoded = GRAPH_TOKENS([text.encode() for text in texts])
    return [[word.decode() for word in row] for row in encoded.to_list()]


def test_tokens_of_every_letter_of_unicode() -> None:
    letters = [chr(code) for code in range(sys.maxunicode + 1) if code not in SURROGATES]
    texts = [f"A{'b A'.join(letters[at : at + 4_096])}b" for at in range(0, len(letters), 4_096)]
    words = GRAPH_TOKENS([text.encode() for text in texts])
    expected = [[word.encode() for word in tokens(text)] for text in texts]
    assert words.row_lengths().numpy().tolist() == list(map(len, expected))
    assert words.flat_values.numpy().tolist() == [word for text in expected for word in text]


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_tokens_of_any_text(texts: list[str]) -> None:
    assert graph_tokens(texts) == [tokens(text) for text in texts]


@pytest.mark.parametrize("letter", ["İ", "Σ", "ς", "\u0085", "\x1c", "\ufeff", "\0", "ẞ", "Ꟁ"])
def test_a_letter_by_itself_is_as_among_others(letter: str) -> None:
    texts = [letter, f" {letter}", f"a{letter}", f"{letter}{letter}"]
    assert graph_tokens(texts) == [tokens(text) for text in texts]


def test_a_final_sigma_is_the_same_letter() -> None:
    assert tokens("ΟΔΟΣ οδος ΟΔΟΣ.") == ["οδοσ"] * 3


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(TEXTS, min_size=1, max_size=4))
def test_any_strings_are_looked_up_as_numpy_looks_them_up(training, others) -> None:
    compare(Case("embedding", training, others))


def no_dust(value: float) -> float:
    """TensorFlow computes with 0 for what is no normal float64; nothing here comes near it."""
    return 0.0 if abs(value) < 1e-100 else value


NUMBERS = st.floats(allow_nan=True, width=64).map(no_dust)
FINITE = st.floats(-1e9, 1e9).map(no_dust)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["buckets", "normalized", "numeric"]),
    st.lists(FINITE, min_size=1, max_size=5),
    st.lists(NUMBERS, min_size=1, max_size=5),
)
@example("normalized", [0.0], [1.4e-45, -1.4e-45])
@example("numeric", [1.0], [1.17549435e-38, 1.1754942e-38, 1.1754943499e-38])
def test_any_numbers_are_encoded_to_the_last_bit(kind, training, others) -> None:
    compare(Case(kind, training, others))
