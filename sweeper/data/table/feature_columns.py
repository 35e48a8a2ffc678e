"""Turns Arrow columns into the columns that features are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
    encode_words,
)
from sweeper.data.table.arrays import combined, is_text, row_of, whole_seconds
from sweeper.errors import DataError


def feature_columns(
    table: pa.Table,
    names: Iterable[str],
    missing: str,
    say: Callable[[str], None],
    lists: Mapping[str, str],
    rows: np.ndarray | None = None,
) -> dict[str, Column]:
    """The named columns, as far as features can be made of them; says what each holds.

    Args:
      missing: see `feature_column`.
      lists: what separates the words of columns of lists.
      rows: where in the file each row stands, from 0; None: they are all of it, in order.

    Raises:
      DataError: as `feature_column`.
    """
    columns: dict[str, Column] = {}
    for name in names:
        found = feature_column(table[name], name, missing, lists.get(name), rows)
        if found is None:
            say(f"{name}: {table[name].type} is left out: no feature can be made of it")
            continue
        columns[name], gaps = found
        say(f"{name}: {words_of(columns[name])}" + (f", {gaps:,} missing" if gaps else ""))
    return columns


def feature_column(
    column: pa.ChunkedArray,
    name: str,
    missing: str,
    separator: str | None = None,
    rows: np.ndarray | None = None,
) -> tuple[Column, int] | None:
    """The column, and how many of its values were missing; None: features can't be made of it.

    Texts and truths are words, the empty one where they are missing; times are seconds since
    1970; lists are of words.

    Args:
      missing: what becomes of missing numbers: "error", or "fill" for the mean of the others.
      separator: splits texts into lists.
      rows: see `feature_columns`.

    Raises:
      DataError: numbers are missing, or infinite, with the first row.
    """
    array = combined(column)
    type_ = array.type
    if pa.types.is_null(type_):
        array, type_ = array.cast(pa.string()), pa.string()
    gaps = array.null_count
    if separator is not None and not is_text(type_):
        raise DataError(
            f"the column {name!r} has the type {type_}; only texts are split into lists"
        )
    if is_text(type_) or pa.types.is_boolean(type_):
        words = pc.if_else(array, "True", "False") if pa.types.is_boolean(type_) else array
        words = words.cast(pa.string()).fill_null("")
        if separator is not None:
            return _split(words, separator), gaps
        return encode_words(words), gaps
    if pa.types.is_temporal(type_) and not pa.types.is_duration(type_):
        if pa.types.is_time(type_):
            return None
        seconds = pa.array(whole_seconds(array), mask=np.asarray(array.is_null()))
        return _numbers(seconds, name, missing, rows), gaps
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return _numbers(array, name, missing, rows), gaps
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        inside = type_.value_type
        if is_text(inside) or pa.types.is_integer(inside):
            return _list(array), gaps
    return None


def _numbers(array: pa.Array, name: str, missing: str, rows: np.ndarray | None) -> NumericColumn:
    """int64 where all are whole and there, else float64."""

    def in_file(row: int) -> int:
        return row if rows is None else int(rows[row - 1]) + 1

    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    if array.null_count == 0:
        type_ = pa.int64() if pa.types.is_integer(array.type) else pa.float64()
        values = array.cast(type_).to_numpy(zero_copy_only=False)
    else:
        first = in_file(row_of(array.is_null()) or 1)
        if array.null_count == len(array):
            raise DataError(f"the column {name!r} has no number at all; must have some, or not be")
        if missing == "error":
            raise DataError(
                f"the column {name!r} has {array.null_count:,} missing numbers, the first in row "
                f"{first}; must have none, or data.filter.missing_features be 'fill'"
            )
        values = array.cast(pa.float64()).fill_null(pc.mean(array).as_py()).to_numpy()
    if row := row_of(~np.isfinite(values)):
        raise DataError(
            f"the column {name!r}, row {in_file(row)}: got {values[row - 1]}; must be finite"
        )
    return NumericColumn(values)


def _list(array: pa.Array) -> CategoricalListColumn:
    """Lists of words; a missing list is an empty one."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    words = encode_words(array.flatten().cast(pa.string()).fill_null(""))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return CategoricalListColumn(words.codes, offsets, words.categories)


def _split(words: pa.Array, separator: str) -> CategoricalListColumn:
    """Texts cut at each `separator`; the empty text is the empty list."""
    texts = pc.if_else(pc.equal(words, ""), None, words)
    return _list(pc.split_pattern(texts, separator))


def words_of(column: Column) -> str:
    """What a column holds, for people: "12 words", "whole numbers, 1 to 5"."""
    if isinstance(column, CategoricalColumn):
        return f"{len(column.categories):,} different words"
    if isinstance(column, CategoricalListColumn):
        return f"lists of {len(column.categories):,} different words"
    kind = "whole numbers" if column.values.dtype == np.int64 else "numbers"
    return f"{kind}, {column.values.min():g} to {column.values.max():g}"
