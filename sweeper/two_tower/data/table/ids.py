"""Turns a column of ids into texts, as they are written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.common.errors import DataError
from sweeper.two_tower.data.table.arrays import filled, is_text, naming, row_of

# From here on several whole numbers are one float, by its bits.
FIRST_SHARED = {16: 2**11, 32: 2**24, 64: 2**53}


def ids(column: pa.ChunkedArray, name: str) -> pa.DictionaryArray:
    """Texts as dictionary<int32, string>; only the empty text and null are missing.

    Whole numbers become their digits, also those that floats or decimals hold, and dates
    2024-05-31. In floats NaN, pandas' gap, is missing, too.

    Raises:
      DataError: values of another type, or numbers that aren't whole, with the first row.
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
            raise _unfit(name, inside)
        column = column.dictionary_encode()
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.array([], column.type) if array.num_chunks == 0 else array.chunk(0)
    words = _words(array, name, shared)
    words.validate(full=True)  # Parquet may hold texts that are no UTF-8.
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
    """The distinct values of an id column as texts."""
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
        raise _unfit(name, type_)
    return values.cast(pa.string())


def _unfit(name: str, type_: pa.DataType) -> DataError:
    return DataError(
        f"the column {name!r} has the type {type_}; ids must be texts, whole numbers, dates, or "
        "bytes that are texts in UTF-8 or UUIDs"
    )
