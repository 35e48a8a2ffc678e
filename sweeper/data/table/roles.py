"""Turns columns of a table into what they stand for: times, ratings and weights.

Errors name the row, counted from 1 over all of the table's files, without lines of names.
"""

from __future__ import annotations

import json
import shlex

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.data.table.arrays import combined, filled, is_text, row_of, whole_seconds
from sweeper.data.table.csv_dialect import DELIMITERS
from sweeper.errors import DataError, closest, shortened

# In seconds this is the year 5138; in milliseconds, 1973.
FIRST_MILLISECOND = 100_000_000_000
# In seconds, the year 10000.
FIRST_BEYOND = 253_402_300_800
DATE = (
    r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?"
    r"(Z|[+-]\d{2}:?\d{2})?$"
)
ZONE = r"(Z|[+-]\d{2}:?\d{2})$"
NUMERIC = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean,
    pa.types.is_null,
)  # fmt: skip
NUMBER = r"^[+-]?\d+(\.\d*)?$"


def column_of(table: pa.Table, name: str, key: str) -> pa.ChunkedArray:
    """The column that a YAML key names.

    Raises:
      DataError: the table lacks it; names those that it has.
    """
    names = table.column_names
    if name not in names:
        # A whole line in place of its values.
        others = [each for each in DELIMITERS if len(names) == 1 and each in names[0]]
        hint = closest(name, names)
        if others:
            table_key = key.rpartition(".")[0].removesuffix(".columns")
            override = f"{table_key}.csv.delimiter={json.dumps(others[0])}"
            hint = f". Is {others[0]!r} the delimiter? Then give {shlex.quote(override)}"
        raise DataError(f"{key}: got {name!r}; must be one of {', '.join(names)}{hint}")
    return table[name]


def timestamps(column: pa.ChunkedArray, name: str, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since 1970 (UTC), int64 [rows], rounded down, and where they are missing.

    Args:
      unit: of numbers: "seconds", "milliseconds", or "auto", which takes them for milliseconds
        if any is beyond the year 5138 in seconds. Dates without a zone are in UTC.

    Raises:
      DataError: a value that is no time, with its row.
    """
    array = combined(column)
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        return whole_seconds(array), _missing(array)
    if is_text(array.type):
        array = pc.if_else(pc.equal(array, ""), None, array)
        if not pc.all(pc.match_substring_regex(array, NUMBER)).as_py():
            return _parsed(array, name), _missing(array)
        array = array.cast(pa.float64())
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise DataError(
            f"the column {name!r} has the type {array.type}; times must be numbers or dates"
        )
    missing = _missing(array)
    numbers = filled(array, 0)
    if row := row_of(~np.isfinite(numbers)):
        raise DataError(f"the column {name!r}, row {row}: got {numbers[row - 1]:g}; must be a time")
    is_milliseconds = unit == "milliseconds" or (
        unit == "auto" and len(numbers) > 0 and np.abs(numbers).max() >= FIRST_MILLISECOND
    )
    small = (numbers > 0) & (numbers < FIRST_MILLISECOND / 10) & ~missing
    if is_milliseconds and unit == "auto" and small.any():
        large = int(np.abs(numbers).argmax())
        raise DataError(
            f"the column {name!r}: got {numbers[small][0]:.0f} in row {row_of(small)} and "
            f"{numbers[large]:.0f} in row {large + 1}, which are seconds and milliseconds by their "
            "sizes; must be one of them, or data.timestamp_unit say which they are"
        )
    seconds = np.floor_divide(numbers, 1_000 if is_milliseconds else 1).astype(np.int64)
    if row := row_of(np.abs(seconds) >= FIRST_BEYOND):
        raise DataError(
            f"the column {name!r}, row {row}: got {numbers[row - 1]:.0f}, which as "
            f"{'milliseconds' if is_milliseconds else 'seconds'} is beyond the year 9999; must be "
            "seconds or milliseconds since 1970, no microseconds"
        )
    return seconds, missing


def _parsed(array: pa.Array, name: str) -> np.ndarray:
    """Dates, with or without time and zone, as ISO 8601 writes them."""
    is_date, is_number = (pc.match_substring_regex(array, form) for form in (DATE, NUMBER))
    for wrong in (pc.or_(is_date, is_number), is_date):
        # What is neither, first; then numbers, which are none among dates.
        if row := row_of(filled(pc.invert(wrong), False)):
            raise _no_date(array, name, row)
    # Of a second's parts below the microsecond Arrow wants none.
    array = pc.replace_substring_regex(array, r"(\.\d{6})\d+", r"\1")
    zoned = pc.match_substring_regex(array, r"\d{2}:\d{2}.*" + ZONE)
    try:
        plain = pc.if_else(zoned, None, array).cast(pa.timestamp("us"))
        other = pc.if_else(zoned, array, None).cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        raise _no_date(array, name, _first_refused(array)) from None
    seconds = pc.coalesce(plain.cast(pa.int64()), other.cast(pa.int64()))
    return filled(seconds, 0) // 1_000_000


def _first_refused(array: pa.Array) -> int:
    """The row of the first text that has the form of a date and is none, as 2024-13-01."""
    for row, text in enumerate(array, start=1):
        for type_ in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                text.cast(type_)
                break
            except pa.ArrowInvalid:
                continue
        else:
            return row
    return 1


def _no_date(array: pa.Array, name: str, row: int) -> DataError:
    return DataError(
        f"the column {name!r}, row {row}: got {shortened(repr(array[row - 1].as_py()))}; must be a "
        "number of seconds or milliseconds since 1970, or a date such as 2024-05-31, 2024-05-31 "
        "18:30:00 or 2024-05-31T18:30:00Z"
    )


def numbers(
    column: pa.ChunkedArray, name: str, least: float = -np.inf, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """float64 [rows], and where they are missing.

    Raises:
      DataError: a value that is no finite number, or not from `least` to `most`, with its row.
    """
    array = combined(column)
    if is_text(array.type):
        array = pc.if_else(pc.equal(array, ""), None, array)
        fits = pc.match_substring_regex(array, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
        if row := row_of(filled(pc.invert(fits), False)):
            raise DataError(
                f"the column {name!r}, row {row}: got {shortened(repr(array[row - 1].as_py()))}; "
                "must be a number"
            )
    elif not any(fits(array.type) for fits in NUMERIC):
        raise DataError(f"the column {name!r} has the type {array.type}; must be numbers")
    missing = _missing(array)
    values = filled(array.cast(pa.float64()), 0.0)
    if row := row_of(~np.isfinite(values) | (values < least) | (values > most)):
        words = f"a number from {least:g} to {most:g}" if least > -np.inf else "a finite number"
        raise DataError(f"the column {name!r}, row {row}: got {values[row - 1]:g}; must be {words}")
    return values, missing


def _missing(array: pa.Array) -> np.ndarray:
    return np.asarray(array.is_null())
