"""Turns Arrow columns into the columns that features read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.common.errors import DataError, shortened
from sweeper.two_tower.data.column_names import NAMELESS
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
    encode_words,
)
from sweeper.two_tower.data.table.arrays import (
    PER_SECOND,
    combined,
    is_text,
    naming,
    row_of,
    whole_seconds,
)
from sweeper.two_tower.data.table.roles import NUMBER


def feature_columns(
    table: pa.Table,
    names: Iterable[str],
    missing: str,
    say: Callable[[str], None],
    lists: Mapping[str, str],
    rows: np.ndarray | None = None,
) -> dict[str, Column]:
    """Returns the named columns that features can read, and reports what each contains.

    Args:
      missing: see `feature_column`.
      lists: the separators of columns of lists, by name.
      rows: the position of each row in the file, from 0; None if all rows are there, in order.

    Raises:
      DataError: as `feature_column`.
    """
    columns: dict[str, Column] = {}
    for name in names:
        shown = name or NAMELESS
        with naming(name):
            found = feature_column(table[name], name, missing, lists.get(name), rows)
        if found is None:
            say(f"{shown}: {table[name].type} is left out: no feature can be made of it")
            continue
        columns[name], gaps = found
        text = f"{shown}: {describe_column(columns[name])}" + (
            f", {gaps:,} missing" if gaps else ""
        )
        say(text + _why_no_numbers(columns[name], rows))
    return columns


def _why_no_numbers(column: Column, rows: np.ndarray | None) -> str:
    """Returns a note on the first word that isn't a number, if most words of a column are."""
    if not isinstance(column, CategoricalColumn):
        return ""
    words = pc.utf8_trim_whitespace(pa.array(column.categories, pa.string()))
    is_number = np.asarray(pc.match_substring_regex(words, NUMBER))[column.codes]
    is_other = ~is_number & np.asarray(pc.not_equal(words, ""))[column.codes]
    if not 0 < is_other.sum() < is_number.sum():
        return ""
    row = row_of(is_other) or 1
    word = shortened(repr(column.categories[column.codes[row - 1]]))
    return (
        f"; not numbers, as row {_in_file(row, rows)} has {word} ({int(is_number.sum()):,} values "
        "are numbers)"
    )


def _in_file(row: int, rows: np.ndarray | None) -> int:
    """Returns the position of a row in the file, both counted from 1."""
    return row if rows is None else int(rows[row - 1]) + 1


def feature_column(
    column: pa.ChunkedArray,
    name: str,
    missing: str,
    separator: str | None = None,
    rows: np.ndarray | None = None,
) -> tuple[Column, int] | None:
    """Returns the column and its number of missing values; None if features can't read it.

    Texts and booleans become words, and the empty word where they are missing. Times become seconds
    since 1970, durations seconds, and lists are lists of words.

    Args:
      missing: what to do with missing numbers: "error", or "fill" with the mean of the others.
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
    if pa.types.is_duration(type_):
        return _numbers(_seconds(array), name, missing, rows), gaps
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        seconds = pa.array(whole_seconds(array), mask=np.asarray(array.is_null()))
        return _numbers(seconds, name, missing, rows), gaps
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return _numbers(array, name, missing, rows), gaps
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        inside = type_.value_type
        inside = inside.value_type if pa.types.is_dictionary(inside) else inside
        if is_text(inside) or pa.types.is_integer(inside):
            return _list(array), gaps
    return None


def _numbers(array: pa.Array, name: str, missing: str, rows: np.ndarray | None) -> NumericColumn:
    """Returns int64 if no number is missing, fractional or too large for it, else float64."""
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    if array.null_count == 0:
        values = array.cast(_number_type(array), safe=False).to_numpy(zero_copy_only=False)
    else:
        first = _in_file(row_of(array.is_null()) or 1, rows)
        if array.null_count == len(array):
            raise DataError(f"the column {name!r} has no number at all; fill it in, or remove it")
        if missing == "error":
            raise DataError(
                f"the column {name!r} has {array.null_count:,} missing numbers, the first in row "
                f"{first}; fill them in, or set data.filter.missing_features to 'fill'"
            )
        numbers = array.cast(pa.float64(), safe=False)
        values = numbers.fill_null(pc.mean(array).as_py()).to_numpy(zero_copy_only=False)
    if row := row_of(~np.isfinite(values)):
        raise DataError(
            f"the column {name!r}, row {_in_file(row, rows)}: got {values[row - 1]}; must be finite"
        )
    return NumericColumn(values)


def _number_type(array: pa.Array) -> pa.DataType:
    is_whole = pa.types.is_integer(array.type)
    if is_whole and not (array.type == pa.uint64() and pc.max(array).as_py() >= 2**63):
        return pa.int64()
    return pa.float64()


def _seconds(durations: pa.Array) -> pa.Array:
    """Converts durations of any unit to float64 seconds."""
    second = float(PER_SECOND[durations.type.unit])
    return pc.divide(durations.cast(pa.int64()).cast(pa.float64(), safe=False), second)


def _list(array: pa.Array) -> CategoricalListColumn:
    """Encodes lists of words; a missing list becomes an empty one."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    words = encode_words(array.flatten().cast(pa.string()).fill_null(""))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return CategoricalListColumn(words.codes, offsets, words.categories)


def _split(words: pa.Array, separator: str) -> CategoricalListColumn:
    """Splits texts at each `separator`; the empty text becomes the empty list."""
    texts = pc.if_else(pc.equal(words, ""), None, words)
    return _list(pc.split_pattern(texts, separator))


def describe_column(column: Column) -> str:
    """Describes the content of a column: "12 different words", "whole numbers, 1 to 5"."""
    if isinstance(column, CategoricalColumn):
        return f"{len(column.categories):,} different words"
    if isinstance(column, CategoricalListColumn):
        return f"lists of {len(column.categories):,} different words"
    kind = "whole numbers" if column.values.dtype == np.int64 else "numbers"
    return f"{kind}, {column.values.min():g} to {column.values.max():g}"
