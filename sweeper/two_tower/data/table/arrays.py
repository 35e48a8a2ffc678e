"""Brings Arrow columns of many types to the few types that the rest of the code reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sweeper.common.errors import DataError, shortened

# How NumPy and pandas write a missing time (NaT) as a number.
NOT_A_TIME = -(2**63)
# The texts that stand for a missing value wherever Arrow, pandas or Python wrote a column.
MISSING = pa.array([*pyarrow.csv.ConvertOptions().null_values, "NaT", "None"])
# How many of each of Arrow's units are in a second.
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SECONDS_A_DAY = 86_400
# What Arrow and Python raise for a value that can't be converted.
UNREADABLE_VALUE = (pa.ArrowException, UnicodeDecodeError, OverflowError)


def combined(column: pa.ChunkedArray) -> pa.Array:
    """Returns the column as one array of values, not codes; pandas' NaN and NaT are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    array = column.combine_chunks()
    array = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())  # Arrow can do little else with half floats.
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), None, array)
    if pa.types.is_timestamp(array.type) or pa.types.is_date64(array.type):
        array = pc.if_else(pc.equal(array.cast(pa.int64()), NOT_A_TIME), None, array)
    return array


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Names the column in errors on a value that can't be read.

    Raises:
      DataError: instead of Arrow's own error.
    """
    try:
        yield
    except UNREADABLE_VALUE as error:
        raise unreadable_value(f"the column {name!r}", error) from error


def unreadable_value(where: str, error: Exception) -> DataError:
    """Returns the error for a value of which Arrow or Python can't make what it should be."""
    return DataError(f"{where}: a value can't be read: {one_line(error)}")


def one_line(error: Exception) -> str:
    """Returns an error's message in one line of limited length."""
    return shortened(" ".join(str(error).split()), 300)


def is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def filled(array: pa.Array, value: float) -> np.ndarray:
    """Returns NumPy's array, with `value` in place of missing values."""
    whole = array.fill_null(value) if array.null_count else array
    return np.asarray(whole.to_numpy(zero_copy_only=False))


def texts_of(array: pa.Array) -> pa.Array:
    """Strips texts that stand for something else; "", NULL, NaN and the like are missing."""
    array = pc.utf8_trim_whitespace(array)
    return pc.if_else(pc.is_in(array, MISSING), None, array)


def whole_seconds(array: pa.Array) -> np.ndarray:
    """Converts dates and times to int64 seconds since 1970 (UTC), rounded down; 0 if missing."""
    if pa.types.is_date32(array.type):
        return filled(array.cast(pa.int32()), 0).astype(np.int64) * SECONDS_A_DAY
    unit = "ms" if pa.types.is_date64(array.type) else array.type.unit
    return filled(array.cast(pa.int64()), 0) // PER_SECOND[unit]


def row_of(wrong: pa.Array | np.ndarray) -> int | None:
    """Returns the first row where `wrong` is true, counted from 1; None if there is none."""
    places = np.flatnonzero(np.asarray(wrong))
    return int(places[0]) + 1 if len(places) else None


UUID_BYTES = 16


def plain_table(table: pa.Table) -> pa.Table:
    """Converts each column of the table to a plain type, see `plain_column`."""
    for place, name in enumerate(table.column_names):
        column = plain_column(table[name])
        if column is not table[name] and column.type != table[name].type:
            table = table.set_column(place, name, column)
    return table


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Converts a column to a plain type, if it has one.

    UUIDs become texts as in RFC 9562. So do bytes if all of them are UTF-8, or else if all are 16
    long. Codes of such values, views and runs become the values themselves, lists of all kinds
    become lists, short decimals longer ones, and other extension types their storage type.
    """
    type_ = column.type
    if isinstance(type_, pa.BaseExtensionType):
        stored = pa.chunked_array([chunk.storage for chunk in column.chunks], type_.storage_type)
        is_uuid = type_.extension_name == "arrow.uuid"
        return _each(stored, _uuid_texts) if is_uuid else plain_column(stored)
    if pa.types.is_dictionary(type_):
        inside = type_.value_type
        is_plain = not (is_binary(inside) or pa.types.is_string_view(inside))
        return column if is_plain else plain_column(column.cast(inside))
    if pa.types.is_run_end_encoded(type_):
        return plain_column(_each(column, pc.run_end_decode))
    if is_binary(type_):
        return _texts_of_bytes(column)
    if pa.types.is_string_view(type_):
        return column.cast(pa.string())
    if pa.types.is_decimal(type_) and type_.bit_width < 128:
        return column.cast(pa.decimal128(type_.precision, type_.scale))
    if pa.types.is_fixed_size_list(type_):
        return column.cast(pa.list_(type_.value_type))
    if pa.types.is_list_view(type_) or pa.types.is_large_list_view(type_):
        return pa.chunked_array([column.to_pylist()], pa.list_(type_.value_type))
    return column


def is_binary(type_: pa.DataType) -> bool:
    """Tells whether values are bytes, which may or may not be texts."""
    kinds = (
        pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
        pa.types.is_binary_view,
    )  # fmt: skip
    return any(fits(type_) for fits in kinds)


def _texts_of_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Converts bytes that are texts or UUIDs to texts; others stay as they are."""
    values = column.cast(pa.large_binary())
    try:
        return values.cast(pa.large_string())
    except pa.ArrowInvalid:
        is_uuid = pc.all(pc.equal(pc.binary_length(values), UUID_BYTES)).as_py()
        return _each(values, _uuid_texts) if is_uuid else column


def _uuid_texts(array: pa.Array) -> pa.Array:
    """Converts UUIDs of 16 bytes to texts of 36 letters."""
    values = array.cast(pa.large_binary()).fill_null(bytes(UUID_BYTES)).to_pylist()
    digits = np.frombuffer(b"".join(values).hex().encode(), np.uint8).reshape(-1, 2 * UUID_BYTES)
    letters = np.insert(digits, [8, 12, 16, 20], ord("-"), axis=1)
    offsets = np.arange(len(array) + 1, dtype=np.int64) * letters.shape[1]
    texts = pa.LargeStringArray.from_buffers(
        len(array), pa.py_buffer(offsets), pa.py_buffer(letters.tobytes())
    )
    return pc.if_else(array.is_valid(), texts, None)


def _each(column: pa.ChunkedArray, change: Callable[[pa.Array], pa.Array]) -> pa.ChunkedArray:
    chunks = column.chunks or [pa.array([], column.type)]
    return pa.chunked_array([change(chunk) for chunk in chunks])
