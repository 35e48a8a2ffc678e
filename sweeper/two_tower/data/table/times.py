"""Reads a column of times: Arrow's dates, texts in ISO 8601 or another format, or numbers.

Errors name the row, counted from 1 over all files of the table, without header lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.common.errors import DataError, either, shortened
from sweeper.two_tower.config import EXAMPLE_TIME
from sweeper.two_tower.data.table.arrays import (
    SECONDS_A_DAY,
    combined,
    filled,
    is_text,
    row_of,
    texts_of,
    whole_seconds,
)
from sweeper.two_tower.data.table.time_formats import (
    FIRST_SECOND,
    fitting_formats,
    read_words,
)
from sweeper.two_tower.data.table.time_numbers import (
    YEAR_1990,
    YEAR_10000,
    read_digits,
    read_numbers,
    shown,
    whole_numbers,
)
from sweeper.two_tower.data.time_order import time_text

# The plausible years of interactions; their first second, and the first second after them.
FIRST_YEAR, LAST_YEAR = 1950, 2099
FIRST_PLAUSIBLE, FIRST_IMPLAUSIBLE = -631_152_000, 4_102_444_800
NUMBER = r"^[+-]?\d+(\.\d*)?$"
# As ISO 8601 and databases write it: 2024-05-31, 2024-05-31 18:30, 2024-05-31T18:30:00.5+02:00.
ISO = (
    r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
    r"( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?)?$"
)
# What Arrow doesn't read in this form.
NOT_ARROWS = r",|UTC|GMT|:\d{2}(\.\d+)? "
SOME_ROWS = 1_000


@dataclass(frozen=True)
class Times:
    """A column of times.

    Attributes:
      seconds: int64 [rows], since 1970 (UTC), rounded down; 0 where missing.
      missing: bool [rows].
      reading: how the values were read, for people.
    """

    seconds: np.ndarray
    missing: np.ndarray
    reading: str

    @property
    def is_plausible(self) -> np.ndarray:
        """Whether a time is in the plausible years of interactions, bool [rows]."""
        return (self.seconds >= FIRST_PLAUSIBLE) & (self.seconds < FIRST_IMPLAUSIBLE)

    def description(self) -> str:
        """Describes how the values were read, with the first and the last day."""
        known = self.seconds[~self.missing]
        if not len(known):
            return self.reading
        first, last = (time_text(each)[:10] for each in (known.min(), known.max()))
        return f"{self.reading}, {first} to {last}"

    def remark(self) -> str | None:
        """Returns a remark on times around 0 among present ones; None if there are none."""
        known = ~self.missing
        around = known & (np.abs(self.seconds) <= SECONDS_A_DAY)
        row = row_of(around)
        if row is None or self.seconds[known].max() < YEAR_1990:
            return None
        return (
            f"rows of 1970-01-01: {int(around.sum()):,}, the first of them row {row}; a time of 0 "
            "often stands for a missing one"
        )


def read_times(column: pa.ChunkedArray, name: str, unit: str, format_: str | None) -> Times:
    """Reads the times of a column; those without a zone are in UTC.

    Args:
      unit: the unit of numbers, `data.timestamp_unit`.
      format_: the format of texts and of digits, `data.timestamp_format`; None for ISO 8601.

    Raises:
      DataError: a value is not a time, or not in the years 1 to 9999, with its row.
    """
    array = combined(column)
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        if format_ is not None:
            raise DataError(
                f"the column {name!r} has the type {array.type}, which needs no "
                f"data.timestamp_format; got {format_!r}, leave it out"
            )
        times = Times(whole_seconds(array), np.asarray(array.is_null()), "dates")
    elif is_text(array.type):
        times = _of_texts(texts_of(array), name, unit, format_)
    elif not _is_number(array.type):
        raise DataError(
            f"the column {name!r} has the type {array.type}; times must be numbers or dates"
        )
    elif format_ is None:
        times = Times(*read_numbers(array, name, unit))
    else:
        whole, missing = whole_numbers(array, name)
        times = Times(read_digits(whole, missing, name, format_), missing, _form(format_))
    beyond = (times.seconds < FIRST_SECOND) | (times.seconds >= YEAR_10000)
    if row := row_of(beyond & ~times.missing):
        raise DataError(
            f"the column {name!r}, row {row}: got {shown(array, row)}, which is not of the years 1 "
            f"to 9999 (read as {times.reading}); correct it, or set data.timestamp_unit or "
            "data.timestamp_format to what the times are"
        )
    return times


def _is_number(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    return any(is_kind(type_) for is_kind in kinds)


def _form(format_: str) -> str:
    return f"dates of the form {format_}"


def _of_texts(array: pa.Array, name: str, unit: str, format_: str | None) -> Times:
    if format_ is not None:
        return _formatted(array, name, format_)
    if pc.all(pc.match_substring_regex(array, NUMBER)).as_py() is not False:
        return Times(*read_numbers(array, name, unit))
    return Times(_iso(array, name), np.asarray(array.is_null()), "dates")


def _formatted(array: pa.Array, name: str, format_: str) -> Times:
    words = array.dictionary_encode()
    found, wrong = read_words(words.dictionary, format_)
    codes = filled(words.indices, -1)
    # The code -1 of a missing text selects the last ones, which are added here.
    found, wrong = np.append(found, 0), np.append(wrong, False)
    if row := row_of(wrong[codes]):
        raise DataError(
            f"the column {name!r}, row {row}: got {shortened(repr(array[row - 1].as_py()))}; must "
            f"have the form {format_!r} of data.timestamp_format, such as "
            f"{EXAMPLE_TIME.strftime(format_)}"
        )
    return Times(found[codes], codes < 0, _form(format_))


def _iso(array: pa.Array, name: str) -> np.ndarray:
    """Returns seconds since 1970 of ISO 8601 dates, with or without time and zone."""
    is_date, is_number = (pc.match_substring_regex(array, form) for form in (ISO, NUMBER))
    for right in (pc.or_(is_date, is_number), is_date):
        # First what is neither; then numbers, which are not times among dates.
        if row := row_of(filled(pc.invert(right), False)):
            raise _no_time(array, name, row)
    plain = array
    if pc.any(pc.match_substring_regex(array, NOT_ARROWS)).as_py():
        for wrong, right in ((",", "."), (" ?(UTC|GMT|Z)$", "Z"), (r" ([+-]\d+(:\d+)?)$", r"\1")):
            plain = pc.replace_substring_regex(plain, wrong, right)
    # Arrow accepts no digits below the microsecond.
    plain = pc.replace_substring_regex(plain, r"(\.\d{6})\d+", r"\1")
    zoned = pc.match_substring_regex(plain, r":.*(Z|[+-]\d{2}(:?\d{2})?)$")

    def parsed(first: int, last: int) -> np.ndarray:
        rows, is_zoned = plain[first:last], zoned[first:last]
        local = pc.if_else(is_zoned, None, rows).cast(pa.timestamp("us"))
        other = pc.if_else(is_zoned, rows, None).cast(pa.timestamp("us", "UTC"))
        return filled(pc.coalesce(local.cast(pa.int64()), other.cast(pa.int64())), 0)

    try:
        return parsed(0, len(plain)) // 1_000_000
    except pa.ArrowInvalid:
        raise _no_time(array, name, _first_refused(parsed, len(plain))) from None


def _first_refused(parsed: Callable[[int, int], np.ndarray], rows: int) -> int:
    """Returns the row of the first text in the form of a date that isn't one, as 2024-13-01."""
    first, last = 0, rows
    while last - first > 1:
        middle = (first + last) // 2
        try:
            parsed(first, middle)
            first = middle
        except pa.ArrowInvalid:
            last = middle
    return last


def _no_time(array: pa.Array, name: str, row: int) -> DataError:
    """Returns the error for a text that isn't a time, with a format that would fit its like."""
    text = array[row - 1].as_py()
    others = array[:: -(-len(array) // SOME_ROWS)].drop_null().unique().to_pylist()
    forms = [repr(each) for each in fitting_formats([text, *others])]
    form = either(forms) if forms else "the form that the times have, such as '%d.%m.%Y'"
    return DataError(
        f"the column {name!r}, row {row}: got {shortened(repr(text))}; must be an ISO date such as "
        "2024-05-31, 2024-05-31 18:30:00 or 2024-05-31T18:30:00+02:00, or a number of seconds, "
        "milliseconds, microseconds or nanoseconds since 1970; correct it, or set "
        f"data.timestamp_format to {form}"
    )
