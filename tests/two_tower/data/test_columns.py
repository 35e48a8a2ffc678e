from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.common.errors import DataError
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    NumericColumn,
    encode_words,
    from_arrow,
    to_arrow,
)

# Everything that UTF-8 can hold; single surrogates it can't.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", "'quoted'", '"', "a,b|c", "Été", "日本", "\x00", "\n"]
)


def decoded(column: CategoricalColumn) -> list[str]:
    return [column.categories[code] for code in column.codes]


@given(st.lists(words))
def test_words_keep_their_values_and_have_sorted_categories(values: list[str]) -> None:
    column = encode_words(pa.array(values, pa.string()))
    assert decoded(column) == values
    assert column.categories == sorted(set(values))
    assert column.codes.dtype == np.int32


@given(st.lists(words))
def test_categorical_round_trip(values: list[str]) -> None:
    column = encode_words(pa.array(values, pa.string()))
    again = from_arrow(to_arrow(column))
    assert isinstance(again, CategoricalColumn)
    assert again.categories == column.categories
    np.testing.assert_array_equal(again.codes, column.codes)


@given(st.lists(st.lists(words, max_size=4)))
def test_list_round_trip(rows: list[list[str]]) -> None:
    flat = encode_words(pa.array([word for row in rows for word in row], pa.string()))
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    again = from_arrow(to_arrow(CategoricalListColumn(flat.codes, offsets, flat.categories)))
    assert isinstance(again, CategoricalListColumn)
    assert len(again) == len(rows)
    assert [
        [again.categories[code] for code in again.codes[start:end]]
        for start, end in zip(again.offsets[:-1], again.offsets[1:], strict=True)
    ] == rows


@given(st.lists(st.floats()) | st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_round_trip_to_the_bit(values: list[float]) -> None:
    dtype = np.int64 if values and isinstance(values[0], int) else np.float64
    column = NumericColumn(np.array(values, dtype))
    again = from_arrow(to_arrow(column))
    assert isinstance(again, NumericColumn)
    assert again.values.dtype == dtype
    assert again.values.tobytes() == column.values.tobytes()


def test_chunks_with_different_dictionaries_become_one_column() -> None:
    chunks = [pa.array(part).dictionary_encode() for part in (["b", "c"], ["a", "b"], ["c"])]
    column = encode_words(pa.chunked_array(chunks))
    assert decoded(column) == ["b", "c", "a", "b", "c"]
    assert column.categories == ["a", "b", "c"]


def test_take() -> None:
    rows = np.array([2, 0, 0])
    lists = CategoricalListColumn(
        np.array([0, 1, 2], np.int32), np.array([0, 2, 2, 3]), ["a", "b", "c"]
    ).take(rows)
    assert lists.codes.tolist() == [2, 0, 1, 0, 1]
    assert lists.offsets.tolist() == [0, 1, 3, 5]
    assert NumericColumn(np.array([5.0, 6.0, 7.0])).take(rows).values.tolist() == [7.0, 5.0, 5.0]
    taken = CategoricalColumn(np.array([0, 0, 1], np.int32), ["a", "b"]).take(rows)
    assert decoded(taken) == ["b", "a", "a"]


def test_missing_values_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 values are missing"):
        encode_words(pa.array(["a", None]))
    with pytest.raises(DataError, match="1 of 2 values are missing"):
        from_arrow(pa.array([1.0, None]))


def test_another_type_is_refused() -> None:
    with pytest.raises(DataError, match="bool"):
        from_arrow(pa.array([True]))
