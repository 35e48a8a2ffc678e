"""The columns of a data set in memory, and their form in Arrow.

A string is encoded once, when the data is loaded. From then on it is an integer code, and
`categories` has each word once.
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
    """A column with one word in each row.

    Attributes:
      codes: int32 [num_rows], each an index into `categories`.
      categories: the distinct words, sorted by code point; word i has code i.
    """

    codes: np.ndarray
    categories: list[str]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> CategoricalColumn:
        """Returns the column of `rows` (indices), with the same categories."""
        return CategoricalColumn(self.codes[rows], self.categories)


@dataclass(frozen=True, eq=False)
class NumericColumn:
    """A column with one number in each row.

    Attributes:
      values: float64 or int64 [num_rows].
    """

    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> NumericColumn:
        """Returns the column of `rows` (indices)."""
        return NumericColumn(self.values[rows])


@dataclass(frozen=True, eq=False)
class CategoricalListColumn:
    """A column with any number of words in each row: row i has `codes[offsets[i]:offsets[i + 1]]`.

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
        """Returns the column of `rows` (indices), with the same categories."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within_row = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        positions = np.repeat(self.offsets[:-1][rows], lengths) + within_row
        return CategoricalListColumn(self.codes[positions], offsets, self.categories)


Column: TypeAlias = CategoricalColumn | NumericColumn | CategoricalListColumn


class DataColumns(Protocol):
    """The columns of a data set, with or without its rows."""

    @property
    def query_columns(self) -> Mapping[str, Column]:
        """The columns with one entry for each row, by name."""

    @property
    def candidate_columns(self) -> Mapping[str, Column]:
        """The columns with one entry for each candidate, by name."""

    @property
    def user_column(self) -> str:
        """The name of the column of users in `query_columns`."""

    @property
    def timestamp_column(self) -> str | None:
        """The name of the column of times in `query_columns`; None if there is none."""


def encode_words(words: pa.Array | pa.ChunkedArray) -> CategoricalColumn:
    """Encodes Arrow strings (or dictionary-encoded strings) with sorted categories."""
    chunks = pa.chunked_array(words) if isinstance(words, pa.Array) else words
    if not pa.types.is_dictionary(chunks.type):
        chunks = chunks.dictionary_encode()
    array = chunks.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # Arrow returns this for a column without chunks.
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
    """Returns the column as dictionary<int32, string>, numbers, or lists of the former."""
    if isinstance(column, NumericColumn):
        return pa.array(column.values)
    words = pa.DictionaryArray.from_arrays(
        pa.array(column.codes, pa.int32()), pa.array(column.categories, pa.string())
    )
    if isinstance(column, CategoricalColumn):
        return words
    return pa.LargeListArray.from_arrays(pa.array(column.offsets, pa.int64()), words)


def from_arrow(array: pa.Array | pa.ChunkedArray) -> Column:
    """Inverts `to_arrow`; the numbers are views of Arrow's memory.

    Raises:
      DataError: the array has another type, or missing values.
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
