"""Reads the columns of a table that have a role: ids, ratings and weights.

Errors name the row, counted from 1 over all files of the table, without header lines.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.common.errors import DataError, closest, shortened
from sweeper.two_tower.config import ColumnsConfig
from sweeper.two_tower.data.column_names import listed_names
from sweeper.two_tower.data.table.arrays import combined, filled, is_text, naming, row_of, texts_of
from sweeper.two_tower.data.table.csv_dialect import DELIMITERS

NUMERIC = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean,
    pa.types.is_null,
)  # fmt: skip
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def column_of(table: pa.Table, name: str, key: str) -> pa.ChunkedArray:
    """Returns the column that a YAML key names.

    Raises:
      DataError: the table lacks it; the message lists its columns.
    """
    names = table.column_names
    if name not in names:
        table_key = key.rpartition(".")[0].removesuffix(".columns")
        hint = delimiter_hint(names, table_key) or closest(name, names)
        raise DataError(f"{key}: got {name!r}; must be one of {listed_names(names)}{hint}")
    return table[name]


def delimiter_hint(names: Sequence[str], key: str) -> str:
    """Returns an ending for an error line if a whole header line is the only name, or "".

    Args:
      key: the key of the table, whose `csv.delimiter` the hint suggests to set.
    """
    others = [each for each in DELIMITERS if len(names) == 1 and each in names[0]]
    if not others:
        return ""
    override = f"{key}.csv.delimiter={json.dumps(others[0])}"
    return f". Is {others[0]!r} the delimiter? Then give {shlex.quote(override)}"


def check_columns(table: pa.Table, columns: ColumnsConfig) -> None:
    """Checks that a table has all columns that have a role.

    Raises:
      DataError: with a line for each missing column.
    """
    problems = []
    for role in ("user", "item", "timestamp", "rating", "weight"):
        name = getattr(columns, role)
        try:
            if name is not None:
                column_of(table, name, f"data.columns.{role}")
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)


def numbers(
    column: pa.ChunkedArray, name: str, least: float = -np.inf, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Reads numbers: float64 [rows], and where they are missing, bool [rows].

    Raises:
      DataError: a value is not a finite number from `least` to `most`, with its row.
    """
    array = combined(column)
    if is_text(array.type):
        array = texts_of(array)
        fits = pc.match_substring_regex(array, NUMBER)
        if row := row_of(filled(pc.invert(fits), False)):
            raise DataError(
                f"the column {name!r}, row {row}: got {shortened(repr(array[row - 1].as_py()))}; "
                "must be a number such as 4 or 3.5, with a point and without a unit"
            )
    elif not any(fits(array.type) for fits in NUMERIC):
        raise DataError(f"the column {name!r} has the type {array.type}; must be numbers")
    missing = np.asarray(array.is_null())
    # A whole number beyond 2^53 is rounded.
    values = filled(array.cast(pa.float64(), safe=False), 0.0)
    if row := row_of(~np.isfinite(values) | (values < least) | (values > most)):
        right = f"a number from {least:g} to {most:g}" if least > -np.inf else "a finite number"
        raise DataError(f"the column {name!r}, row {row}: got {values[row - 1]:g}; must be {right}")
    return values, missing


# The first whole number that a float of so many bits may share with others.
FIRST_SHARED = {16: 2**11, 32: 2**24, 64: 2**53}


def ids(column: pa.ChunkedArray, name: str) -> pa.DictionaryArray:
    """Reads ids as texts, dictionary<int32, string>; the empty text and null are missing.

    Whole numbers, also in floats or decimals, become their digits, and dates 2024-05-31. NaN in
    floats is missing.

    Raises:
      DataError: the values have another type, or a number isn't whole, with the first row.
    """
    with naming(name):
        return _encoded(column, name)


def _encoded(column: pa.ChunkedArray, name: str) -> pa.DictionaryArray:
    inside = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    shared = FIRST_SHARED[inside.bit_width] if pa.types.is_floating(inside) else 0
    if shared:
        inside = pa.float64()
        column = column.cast(inside)
        column = pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_null(inside):
        column = column.cast(pa.string())
    if not pa.types.is_dictionary(column.type):
        if pa.types.is_nested(inside):  # Arrow can't encode them.
            raise _wrong_type(name, inside)
        column = column.dictionary_encode()
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.array([], column.type) if array.num_chunks == 0 else array.chunk(0)
    words = _words(array, name, shared)
    words.validate(full=True)  # Parquet may contain texts that are not UTF-8.
    # Different values may have become one text, and the empty one none.
    distinct = words.dictionary_encode()
    codes = filled(distinct.indices, -1)
    empty = distinct.dictionary.index("").as_py()
    if empty >= 0:
        codes = np.where(codes == empty, -1, codes)
    old = filled(array.indices, -1)
    new = np.where(old < 0, -1, codes[old]) if len(codes) else np.full(len(old), -1)
    return pa.DictionaryArray.from_arrays(
        pa.array(new.astype(np.int32), mask=new < 0), distinct.dictionary
    )


def _words(array: pa.DictionaryArray, name: str, shared: int) -> pa.Array:
    """Returns the distinct values of a column of ids as texts."""
    values = array.dictionary
    type_ = values.type
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        # Pandas makes whole numbers floats where some are missing; Spark, decimals.
        is_whole = filled(pc.equal(values, pc.trunc(values)), True)
        if shared:
            is_whole &= np.abs(filled(values, 0)) < shared
        if len(broken := np.flatnonzero(~is_whole)):
            row = row_of(np.isin(filled(array.indices, -1), broken))
            raise DataError(
                f"the column {name!r}, row {row}: got {values[int(broken[0])]}; ids must be texts "
                f"or whole numbers{f' below {shared:,} in floats of this type' if shared else ''}"
            )
        return values.cast(pa.int64() if shared else pa.decimal256(76, 0)).cast(pa.string())
    if pa.types.is_date64(type_):
        values = values.cast(pa.date32())
    fits = (
        is_text, pa.types.is_integer, pa.types.is_boolean, pa.types.is_date,
    )  # fmt: skip
    if not any(each(type_) for each in fits):
        raise _wrong_type(name, type_)
    return values.cast(pa.string())


def _wrong_type(name: str, type_: pa.DataType) -> DataError:
    return DataError(
        f"the column {name!r} has the type {type_}; ids must be texts, whole numbers, dates, or "
        "bytes that are texts in UTF-8 or UUIDs"
    )
