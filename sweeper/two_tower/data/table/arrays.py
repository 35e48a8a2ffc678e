"""What all readers of Arrow columns need: one array of plain values, its gaps, its types."""

from __future__ import annotations

from collections.abc import Iterator
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
# What a second has of each of Arrow's units.
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SECONDS_A_DAY = 86_400


def combined(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece, of values and not of codes; pandas' NaN and NaT are missing."""
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
    """Names the column of which Arrow can't read a value.

    Raises:
      DataError: in place of Arrow's own error.
    """
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
        words = shortened(" ".join(str(error).split()), 300)
        raise DataError(f"the column {name!r}: a value can't be read: {words}") from error


def is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def filled(array: pa.Array, value: float) -> np.ndarray:
    """NumPy's array, with `value` in place of what is missing."""
    whole = array.fill_null(value) if array.null_count else array
    return np.asarray(whole.to_numpy(zero_copy_only=False))


def texts_of(array: pa.Array) -> pa.Array:
    """Texts that stand for something else, without spaces around them; "", NULL, NaN as missing."""
    array = pc.utf8_trim_whitespace(array)
    return pc.if_else(pc.is_in(array, MISSING), None, array)


def whole_seconds(array: pa.Array) -> np.ndarray:
    """Of dates and times, since 1970 (UTC), rounded down, int64; 0 where they are missing."""
    if pa.types.is_date32(array.type):
        return filled(array.cast(pa.int32()), 0).astype(np.int64) * SECONDS_A_DAY
    unit = "ms" if pa.types.is_date64(array.type) else array.type.unit
    return filled(array.cast(pa.int64()), 0) // PER_SECOND[unit]


def date_of(seconds: int | np.int64) -> str:
    """A time in seconds since 1970 (UTC), for people: "2024-05-31", "2024-05-31 18:30:00"."""
    return str(np.datetime64(int(seconds), "s")).replace("T", " ").removesuffix(" 00:00:00")


def row_of(wrong: pa.Array | np.ndarray) -> int | None:
    """The first row of which `wrong` is true, counted from 1; None: there is none."""
    places = np.flatnonzero(np.asarray(wrong))
    return int(places[0]) + 1 if len(places) else None
