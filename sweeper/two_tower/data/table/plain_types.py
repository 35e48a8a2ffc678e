"""Turns Arrow's many types of texts, bytes and lists into the few that all else reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

UUID_BYTES = 16


def plain_table(table: pa.Table) -> pa.Table:
    """The table with each column of a plain type, see `plain_column`."""
    for place, name in enumerate(table.column_names):
        column = plain_column(table[name])
        if column is not table[name] and column.type != table[name].type:
            table = table.set_column(place, name, column)
    return table


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values in a plain type, if they have one.

    UUIDs become texts as RFC 9562 writes them, and so do bytes if all are UTF-8, or else all are
    16 long. Codes of such values, views and runs become what they stand for, lists of all kinds
    lists, short decimals longer ones, other extension types what they are stored as.
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
    """Whether values are bytes, which may or may not be texts."""
    kinds = (
        pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
        pa.types.is_binary_view,
    )  # fmt: skip
    return any(fits(type_) for fits in kinds)


def _texts_of_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts of bytes that are texts, or UUIDs; others as they are."""
    values = column.cast(pa.large_binary())
    try:
        return values.cast(pa.large_string())
    except pa.ArrowInvalid:
        is_uuid = pc.all(pc.equal(pc.binary_length(values), UUID_BYTES)).as_py()
        return _each(values, _uuid_texts) if is_uuid else column


def _uuid_texts(array: pa.Array) -> pa.Array:
    """UUIDs of 16 bytes as texts of 36 letters."""
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
