"""What a column looks like in memory, and the same column in Arrow.

A string is encoded once, when the data is loaded: from then on it is an integer
code, and the words themselves are kept once, in `categories`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from sweeper.common.errors import DataError


@dataclass(frozen=True, eq=False)
class CategoricalColumn:
    """One word a row.

    Attributes:
      codes: int32 [num_rows], each an index into `categories`.
      categories: the distinct words, sorted by code point; word i has code i.
    """

    codes: np.ndarray
    categories: list[str]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> CategoricalColumn:
        """The same column for `rows` (indices), with the same categories."""
        return CategoricalColumn(self.codes[rows], self.categories)


@dataclass(frozen=True, eq=False)
class NumericColumn:
    """One number a row.

    Attributes:
      values: float64 or int64 [num_rows].
    """

    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> NumericColumn:
        """The same column for `rows` (indices)."""
        return NumericColumn(self.values[rows])


@dataclass(frozen=True, eq=False)
class CategoricalListColumn:
    """Any number of words a row: row i has `codes[offsets[i]:offsets[i + 1]]`.

    Attributes:
      codes: int32 [num_words], each an index into `categories`.
      offsets: int64 [num_rows + 1], from 0 to num_words.
      categories: the distinct words, sorted by code point; word i has code i.
    """

    codes: np.ndarray
    offsets: np.ndarray
    categories: list[str]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: np.ndarray) -> CategoricalListColumn:
        """The same column for `rows` (indices), with the same categories."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within_row = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        positions = np.repeat(self.offsets[:-1][rows], lengths) + within_row
        return CategoricalListColumn(self.codes[positions], offsets, self.categories)


Column: TypeAlias = CategoricalColumn | NumericColumn | CategoricalListColumn


class DataColumns(Protocol):
    """The columns of a data set, whether its rows are there or not."""

    @property
    def query_columns(self) -> Mapping[str, Column]:
        """By name, those with an entry a row."""

    @property
    def candidate_columns(self) -> Mapping[str, Column]:
        """By name, those with an entry a candidate."""

    @property
    def user_column(self) -> str:
        """Which of `query_columns` names the users."""

    @property
    def timestamp_column(self) -> str | None:
        """Which of `query_columns` has the times; None: there are none."""


def encode_words(words: pa.Array | pa.ChunkedArray) -> CategoricalColumn:
    """Encodes Arrow strings (or dictionary-encoded strings) with sorted categories."""
    chunks = pa.chunked_array(words) if isinstance(words, pa.Array) else words
    if not pa.types.is_dictionary(chunks.type):
        chunks = chunks.dictionary_encode()
    array = chunks.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # what Arrow makes of no chunks at all
        array = pa.array([], chunks.type)
    if array.null_count:
        raise DataError(f"{array.null_count} of {len(array)} values are missing.")
    unsorted = array.dictionary.to_pylist()
    categories = sorted(set(unsorted))
    code_of = {word: code for code, word in enumerate(categories)}
    new_codes = np.array([code_of[word] for word in unsorted], np.int32)
    old_codes = array.indices.to_numpy()
    codes = new_codes[old_codes] if len(old_codes) else np.zeros(0, np.int32)
    return CategoricalColumn(codes, categories)


def to_arrow(column: Column) -> pa.Array:
    """The column as dictionary<int32, string>, a number, or a list of the first."""
    if isinstance(column, NumericColumn):
        return pa.array(column.values)
    words = pa.DictionaryArray.from_arrays(
        pa.array(column.codes, pa.int32()), pa.array(column.categories, pa.string())
    )
    if isinstance(column, CategoricalColumn):
        return words
    return pa.LargeListArray.from_arrays(pa.array(column.offsets, pa.int64()), words)


def from_arrow(array: pa.Array | pa.ChunkedArray) -> Column:
    """The inverse of `to_arrow`; the numbers are views of Arrow's memory.

    Raises:
      DataError: the array is of another type, or has missing values.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    if array.null_count:
        raise DataError(f"{array.null_count} of {len(array)} values are missing.")
    if pa.types.is_dictionary(array.type):
        return CategoricalColumn(_numbers(array.indices), array.dictionary.to_pylist())
    if pa.types.is_large_list(array.type) and pa.types.is_dictionary(array.type.value_type):
        words = array.values
        codes, categories = _numbers(words.indices), words.dictionary.to_pylist()
        return CategoricalListColumn(codes, _numbers(array.offsets), categories)
    if array.type in (pa.int64(), pa.float64()):
        return NumericColumn(_numbers(array))
    raise DataError(f"A column has the Arrow type {array.type}, which to_arrow never makes.")


def _numbers(array: Any) -> np.ndarray:
    return array.to_numpy(zero_copy_only=True)
