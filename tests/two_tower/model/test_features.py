"""How columns become integers and numbers: fitted on training rows, by hand and as Keras does."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import FEATURE_KINDS, TIMED_KINDS, FeatureConfig
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn, NumericColumn
from sweeper.two_tower.model.features import tokens
from sweeper.two_tower.model.fitting import fit_features


def words(*values: str) -> CategoricalColumn:
    categories = sorted(set(values))
    codes = [categories.index(value) for value in values]
    return CategoricalColumn(np.array(codes, np.int32), categories)


def lists(*values: list[str]) -> CategoricalListColumn:
    categories = sorted({word for value in values for word in value})
    codes = [categories.index(word) for value in values for word in value]
    offsets = np.cumsum([0, *map(len, values)])
    return CategoricalListColumn(np.array(codes, np.int32), offsets, categories)


def numbers(*values: float) -> NumericColumn:
    return NumericColumn(np.array(values))


def fit(column, rows=None, kind: str = "embedding", **options):
    """One feature of the column, fitted on `rows` (None: all)."""
    rows = np.arange(len(column)) if rows is None else np.array(rows, np.int64)
    config = FeatureConfig("c", kind, **options)
    (feature,) = fit_features([config], {"c": column}, rows, 4, "features.query")
    return feature


def encode(column, rows=None, kind: str = "embedding", **options) -> np.ndarray:
    return fit(column, rows, kind, **options).encode(column)


def test_a_vocabulary_is_of_the_training_rows_alone() -> None:
    column = words("b", "a", "d", "b", "c")
    # Training has b and d; a and c are out of vocabulary, code 0.
    codes = encode(column, rows=[0, 2, 3])
    assert codes.tolist() == [1, 0, 2, 1, 0]
    assert codes.dtype == np.int32
    assert fit(column, rows=[0, 2, 3]).table_rows == 3


def test_a_list_has_padding_0_and_unknown_1() -> None:
    column = lists(["b", "a", "c"], [], ["c"], ["d", "b"])
    # Training has the last two rows: b, c and d, with codes 2, 3 and 4.
    codes = encode(column, rows=[2, 3])
    # c comes after a and b in the first row: its order is kept.
    assert codes.tolist() == [[2, 1, 3], [0, 0, 0], [3, 0, 0], [4, 2, 0]]
    assert fit(column, rows=[2, 3]).table_rows == 5


def test_boundaries_are_equally_spaced_between_the_training_rows_extremes() -> None:
    column = numbers(0.0, 10.0, 20.0, 30.0, 40.0)
    feature = fit(column, rows=[1, 3], kind="buckets", num_boundaries=5)
    assert feature.boundaries.tolist() == [10, 15, 20, 25, 30]
    assert feature.table_rows == 6


def test_a_value_on_a_boundary_lies_above_it() -> None:
    """As in tf.keras.layers.Discretization: bucket i has boundary[i - 1] <= value < boundary[i]."""
    column = numbers(9.99, 10.0, 14.99, 15.0, 20.0, -1e9, 1e9)
    codes = encode(column, rows=[1, 4], kind="buckets", num_boundaries=3)
    assert codes.tolist() == [0, 1, 1, 2, 3, 0, 3]
    keras = tf.keras.layers.Discretization([10.0, 15.0, 20.0])
    assert codes.tolist() == keras(column.values.astype(np.float32)).numpy().tolist()


def test_large_timestamps_keep_their_seconds() -> None:
    """In float32, 879024327 and 879024300 are the same number."""
    column = NumericColumn(np.array([879024300, 879024310, 879024327], np.int64))
    assert encode(column, kind="buckets", num_boundaries=28).tolist() == [1, 11, 28]
    scaled = encode(column, kind="normalized")
    assert scaled.mean() == pytest.approx(0, abs=1e-6)
    assert scaled.std() == pytest.approx(1, rel=1e-6)


def test_normalisation_by_hand() -> None:
    # Training 2, 4, 6: mean 4, deviation sqrt(8 / 3).
    codes = encode(numbers(2.0, 4.0, 6.0, 100.0), rows=[0, 1, 2], kind="normalized")
    expected = np.array([-2, 0, 2, 96]) / np.sqrt(8 / 3)
    np.testing.assert_allclose(codes, expected, rtol=1e-6)
    assert codes.dtype == np.float32


def test_a_constant_column_is_normalised_to_zero() -> None:
    assert encode(numbers(3.0, 3.0, 5.0), rows=[0, 1], kind="normalized").tolist() == [0, 0, 2]


def test_a_numeric_column_is_left_as_it_is() -> None:
    assert encode(numbers(2.5, -1.0), rows=[0], kind="numeric").tolist() == [2.5, -1.0]


NASTY = [
    "", " ", "...", "-", "One Flew Over the Cuckoo's Nest (1975)", "M*A*S*H", "a\tb\nc\r\nd  e",
    "été & àçé", "æøå straße STRASSE", "naïve café", "'Til There Was You (1997)",
    "3 Ninjas: High Noon At Mega Mountain (1998)", "_under_score_", "quo`te \"double\" ‘curly’",
    "em—dash", "c++ c# f@x $5 50%", "[brackets] {braces} <tags/>", "back\\slash^caret~tilde|pipe",
    "東京 物語", "Cité des enfants perdus, La (1995)", "\x0bvertical\x0cform",
    "zero\u200bwidth", "emoji 🎬 film",
]  # fmt: skip


def keras_tokens(texts: list[str]) -> list[list[str]]:
    """What the real layer makes of the texts: its words, through a vocabulary of all of them."""
    layer = tf.keras.layers.TextVectorization()
    layer.adapt(tf.constant(texts))
    vocabulary = layer.get_vocabulary()
    return [[vocabulary[code] for code in row if code] for row in layer(tf.constant(texts)).numpy()]


def test_tokens_by_hand() -> None:
    assert tokens("One Flew Over the Cuckoo's Nest (1975)") == [
        "one", "flew", "over", "the", "cuckoos", "nest", "1975",
    ]  # fmt: skip
    assert tokens("M*A*S*H ...") == ["mash"]


@pytest.mark.parametrize("text", NASTY)
def test_tokens_are_those_of_keras(text: str) -> None:
    assert [tokens(text)] == keras_tokens([text, "filler"])[:1]


LETTERS = st.text(
    st.sampled_from("abzAZ09 \t\n'\"()*-_.,:;!?&/\\[]{}<>@#$%^~`|+=éüñœ東"), max_size=25
)


def test_letters_outside_ascii_are_lower_cased_too() -> None:
    """Keras leaves them as they are, so that it has two words for one."""
    assert tokens("Été ÉTÉ été") == ["été"] * 3
    assert keras_tokens(["Été ÉTÉ été"]) == [["Été", "ÉtÉ", "été"]]


@settings(max_examples=40, deadline=None)
@given(st.lists(LETTERS, min_size=1, max_size=6))
def test_tokens_are_those_of_keras_for_any_letters(texts: list[str]) -> None:
    assert [tokens(text) for text in texts] == keras_tokens([*texts, "filler"])[: len(texts)]


def test_words_are_coded_by_frequency_in_distinct_texts_and_padded() -> None:
    column = words("the end", "the end", "the end", "the sea", "The Sky!", "unseen moon")
    # In distinct training texts: the 3, end 1, sea 1, sky 1; ties by alphabet.
    feature = fit(column, rows=[0, 1, 2, 3, 4], kind="text")
    assert feature.vocabulary == ("the", "end", "sea", "sky")
    assert feature.encode(column).tolist() == [[2, 3], [2, 3], [2, 3], [2, 4], [2, 5], [1, 1]]


def test_max_tokens_counts_padding_and_unknown_as_keras_does() -> None:
    column = words("a a a b", "a b c", "b d a")
    feature = fit(column, kind="text", max_tokens=4)
    keras = tf.keras.layers.TextVectorization(max_tokens=4)
    keras.adapt(tf.constant(column.categories))
    assert list(feature.vocabulary) == keras.get_vocabulary()[2:] == ["a", "b"]
    assert feature.table_rows == 4
    assert encode(column, kind="text", max_tokens=4).tolist() == [
        [2, 2, 2, 3], [2, 3, 1, 0], [3, 1, 2, 0],
    ]  # fmt: skip


def test_a_text_of_punctuation_alone_is_all_padding() -> None:
    assert encode(words("...", "one two"), kind="text").tolist() == [[0, 0], [2, 3]]


VALUES = st.sampled_from(["a", "b", "c", "d"])


@settings(max_examples=80, deadline=None)
@given(st.data(), st.lists(VALUES, min_size=1, max_size=8))
@example(None, ["a"])
def test_codes_name_the_word_wherever_training_has_it(data, values: list[str]) -> None:
    column = words(*values)
    indices = st.integers(0, len(values) - 1)
    rows = data.draw(st.lists(indices, min_size=1)) if data else [0]
    feature = fit(column, rows)
    in_training = {values[row] for row in rows}
    assert set(feature.vocabulary) == in_training
    for value, code in zip(values, feature.encode(column), strict=True):
        assert (feature.vocabulary[code - 1] == value) if value in in_training else code == 0


@settings(max_examples=80, deadline=None)
@given(st.data(), st.lists(st.lists(VALUES, max_size=4), min_size=1, max_size=6))
def test_lists_keep_their_words_their_order_and_their_lengths(data, values) -> None:
    column = lists(*values)
    rows = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1))
    in_training = {word for row in rows for word in values[row]}
    if not in_training:
        with pytest.raises(ConfigError, match="is empty"):
            fit(column, rows)
        return
    feature = fit(column, rows)
    for value, codes in zip(values, feature.encode(column), strict=True):
        decoded = [feature.vocabulary[code - 2] if code > 1 else None for code in codes if code]
        assert decoded == [word if word in in_training else None for word in value]
        assert not codes[len(value) :].any()


COLUMNS = {
    "word": words("a", "b"),
    "number": numbers(1.0, 2.0),
    "list": lists(["a"], ["a", "b"]),
}
FITTING = {
    "word": {"embedding", "text", "history"},
    "list": {"embedding"},
    "number": {"buckets", "normalized", "numeric"},
}


@pytest.mark.parametrize("kind", [kind for kind in FEATURE_KINDS if kind not in TIMED_KINDS])
@pytest.mark.parametrize("column", COLUMNS)
def test_every_kind_fits_its_columns_and_refuses_the_others(column: str, kind: str) -> None:
    configs = [FeatureConfig(column, kind)]
    if kind in FITTING[column]:
        (feature,) = fit_features(configs, COLUMNS, np.arange(2), 6, "features.query", np.arange(2))
        assert len(feature.encode(COLUMNS[column])) == 2
        assert feature.dim == (1 if kind in ("normalized", "numeric") else 6)
        return
    with pytest.raises(ConfigError) as error:
        fit_features(configs, COLUMNS, np.arange(2), 6, "features.query")
    (problem,) = error.value.problems
    assert problem.startswith(f"features.query[0].kind: got {kind!r} for {column!r}")
    # What it says would be right is right.
    right = problem.split("must be ")[1].removesuffix(" for it").replace(" or ", ", ").split(", ")
    assert set(right) <= FITTING[column]


def test_a_dim_of_its_own_goes_before_the_common_one() -> None:
    configs = [FeatureConfig("word", "embedding", dim=3), FeatureConfig("list", "embedding")]
    features = fit_features(configs, COLUMNS, np.arange(2), 6, "features.query")
    assert [feature.dim for feature in features] == [3, 6]


def test_every_wrong_feature_is_named_at_once() -> None:
    configs = [
        FeatureConfig("wrod", "embedding"),
        FeatureConfig("word", "embedding"),
        FeatureConfig("number", "text"),
    ]
    with pytest.raises(ConfigError) as error:
        fit_features(configs, COLUMNS, np.arange(2), 4, "features.candidate")
    first, second = error.value.problems
    assert first.startswith("features.candidate[0].column: got 'wrod'; must be one of list, number")
    assert first.endswith("Did you mean 'word'?")
    assert second.startswith("features.candidate[2].kind: got 'text' for 'number'")


def test_the_same_feature_twice_is_an_error_the_same_column_twice_is_not() -> None:
    twice = [FeatureConfig("word", "embedding"), FeatureConfig("word", "embedding", dim=2)]
    with pytest.raises(ConfigError, match=r"features\.query: .*word.* 2 times"):
        fit_features(twice, COLUMNS, np.arange(2), 4, "features.query")
    both = [FeatureConfig("word", "embedding"), FeatureConfig("word", "text")]
    assert len(fit_features(both, COLUMNS, np.arange(2), 4, "features.query")) == 2


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (lists([], ["a"]), {"kind": "embedding"}),
        (words("...", "word"), {"kind": "text"}),
        (words("one word", "b"), {"kind": "text", "max_tokens": 2}),
    ],
)
def test_an_empty_vocabulary_is_an_error(column, options) -> None:
    with pytest.raises(ConfigError, match=r"features\.query\[0\]: the vocabulary of 'c' .*empty"):
        fit(column, rows=[0], **options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["buckets", "normalized", "numeric"])
def test_numbers_that_are_not_finite_are_an_error(kind: str, value: float) -> None:
    with pytest.raises(ConfigError, match=r"features\.query\[0\]\.column: 'c' .*not finite"):
        fit(numbers(1.0, value), kind=kind)
