"""Reads times that are numbers: units since 1970, a spreadsheet's days, or digits of dates.

Whole numbers stay whole, so that no 64-bit float rounds a nanosecond.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.common.errors import DataError, shortened
from sweeper.two_tower.config import EXAMPLE_TIME
from sweeper.two_tower.data.table.arrays import (
    NOT_A_TIME,
    SECONDS_A_DAY,
    filled,
    is_text,
    row_of,
)
from sweeper.two_tower.data.table.time_formats import read_formatted, read_words
from sweeper.two_tower.data.time_order import time_text

# How many of each unit are in a second; the numbers of present times differ by these factors.
PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
# In seconds the year 5138; as many milliseconds are 1973, and so on.
FIRST_OF_NEXT_UNIT = 100_000_000_000
# The day 0 of each, in days since 1970.
DAYS = {"days": 0, "excel_days": -25_569}
READINGS = {
    **{unit: f"{unit} since 1970" for unit in (*PER_SECOND, "days")},
    "excel_days": "days of a spreadsheet (1 is 1900-01-01)",
}
# From 1990 in days since 1970 to 2100 in a spreadsheet's; in seconds all are in one day of 1970.
MIN_DAYS, MAX_DAYS = 7_305, 73_050
# In seconds since 1970.
YEAR_1971, YEAR_1990, YEAR_10000 = 31_536_000, 631_152_000, 253_402_300_800
# The digits of a date, by how many there are.
DIGITS = {
    4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S",
}  # fmt: skip
SOME_ROWS = 1_000
LARGEST = 2.0**63


def whole_numbers(array: pa.Array, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads int64 [rows], rounded down, and where they are missing, bool [rows].

    The smallest int64 stands for a missing time as well.

    Raises:
      DataError: a number is infinite, or too large for int64, with its row.
    """
    missing = np.asarray(array.is_null())
    if pa.types.is_integer(array.type) and array.type != pa.uint64():
        whole = filled(array, 0).astype(np.int64)
    else:
        sizes = filled(array.cast(pa.float64(), safe=False), 0.0)
        smallest = sizes == -LARGEST
        if is_text(array.type):
            smallest &= filled(pc.equal(array, str(NOT_A_TIME)), False)
        if row := row_of(~(np.abs(sizes) < LARGEST) & ~smallest & ~missing):
            raise DataError(
                f"the column {name!r}, row {row}: got {shown(array, row)}; must be a time"
            )
        if pa.types.is_floating(array.type):
            whole = np.floor(sizes).astype(np.int64)
        elif is_text(array.type):
            whole = filled(pc.replace_substring_regex(array, r"^\+|\.\d*$", "").cast(pa.int64()), 0)
            whole = whole - filled(pc.match_substring_regex(array, r"^-.*\.\d*[1-9]"), False)
        else:
            array = pc.floor(array) if pa.types.is_decimal(array.type) else array
            whole = filled(array.cast(pa.int64()), 0)
    missing |= whole == NOT_A_TIME
    return np.where(missing, 0, whole), missing


def read_numbers(array: pa.Array, name: str, unit: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns seconds since 1970, int64 [rows]; where they are missing; how they were read.

    Args:
      unit: `data.timestamp_unit`.

    Raises:
      DataError: a number isn't a time, or under "auto" has another unit than others.
    """
    whole, missing = whole_numbers(array, name)
    if unit == "auto" and not missing.all():
        # 0 and -1 often stand for a missing time: they hide neither dates nor days.
        is_likely = ~missing & (whole != 0) & (whole != -1)
        if digits := _digits_of_dates(whole[is_likely], name):
            seconds = read_digits(whole, missing, name, digits)
            return seconds, missing, f"dates of the form {digits}"
        unit = _unit_by_size(whole[~missing])
        if unit == "seconds":
            _check_days(array, whole, is_likely, name)
        _check_same_unit(array, whole, missing, name, unit)
    elif unit == "auto":
        unit = "seconds"
    if unit in DAYS:
        days = filled(array.cast(pa.float64(), safe=False), 0.0) + DAYS[unit]
        # A fraction of a day is exact to 1e-11 of it, so the milliseconds are right. Days that are
        # out of reach don't overflow, but are refused like any beyond the year 9999.
        milliseconds = np.round(np.clip(days, -1e7, 1e7) * SECONDS_A_DAY * 1_000).astype(np.int64)
        return np.where(missing, 0, milliseconds // 1_000), missing, READINGS[unit]
    return whole // PER_SECOND[unit], missing, READINGS[unit]


def read_digits(whole: np.ndarray, missing: np.ndarray, name: str, format_: str) -> np.ndarray:
    """Returns seconds since 1970 of numbers whose digits are dates, int64 [rows]; 0 if missing.

    Raises:
      DataError: a number has another format, with its row.
    """
    distinct, codes = np.unique(whole[~missing], return_inverse=True)
    # A number has no leading zeros.
    width = len(EXAMPLE_TIME.strftime(format_))
    words = pc.utf8_lpad(pa.array(distinct).cast(pa.string()), width, "0")
    found, wrong = read_words(words, format_)
    if wrong.any():
        at_fault = np.zeros(len(whole), bool)
        at_fault[~missing] = wrong[codes]
        row = row_of(at_fault) or 1
        raise DataError(
            f"the column {name!r}, row {row}: got {whole[row - 1]}; must have the form "
            f"{format_!r}, such as {EXAMPLE_TIME.strftime(format_)}; correct it, or set "
            "data.timestamp_unit or data.timestamp_format to what the numbers are"
        )
    seconds = np.zeros(len(whole), np.int64)
    seconds[~missing] = found[codes]
    return seconds


def _digits_of_dates(known: np.ndarray, name: str) -> str | None:
    """Returns the format of dates if the digits of most numbers are dates, else None.

    Hardly any number is a date by chance: of numbers with eight digits, one in 28; and of seconds,
    those of two weeks in 1970.

    Raises:
      DataError: the numbers may be years.
    """
    if not len(known):
        return None
    sample = [str(each) for each in known[:: -(-len(known) // SOME_ROWS)]]
    length, _ = Counter(map(len, sample)).most_common(1)[0]
    if length not in DIGITS:
        return None
    alike = [each for each in sample if len(each) == length]
    seconds, wrong = read_formatted(alike, DIGITS[length])
    years = seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    if 2 * np.count_nonzero(~wrong & (years >= 1950) & (years < 2100)) <= len(sample):
        return None
    if length == 4:
        raise DataError(
            f"the column {name!r}: got numbers such as {alike[0]}, which may be years; set "
            "data.timestamp_format to '%Y' if they are, or data.timestamp_unit to 'seconds' if "
            "they count from 1970 or only give the order"
        )
    return DIGITS[length]


def _unit_by_size(known: np.ndarray) -> str:
    largest = int(np.abs(known).max())
    return next(
        unit
        for unit, number in reversed(PER_SECOND.items())
        if number == 1 or largest >= FIRST_OF_NEXT_UNIT * (number // 1_000)
    )


def _check_days(array: pa.Array, whole: np.ndarray, is_likely: np.ndarray, name: str) -> None:
    """Raises DataError if all likely numbers may be days; as seconds they'd be in a day of 1970."""
    known, row = whole[is_likely], row_of(is_likely)
    if row is None or known.min() < MIN_DAYS or known.max() >= MAX_DAYS:
        return
    dates = {unit: time_text((known[0] + first) * SECONDS_A_DAY) for unit, first in DAYS.items()}
    others = "" if is_likely.all() else " but 0, -1 and missing ones"
    raise DataError(
        f"the column {name!r}, row {row}: got {shown(array, row)}, and all numbers of it{others} "
        f"may be days; set data.timestamp_unit to 'excel_days' if row {row} is of "
        f"{dates['excel_days']}, to 'days' if it is of {dates['days']}, or to 'seconds' if they "
        "count from 1970 or only give the order"
    )


def _check_same_unit(
    array: pa.Array, whole: np.ndarray, missing: np.ndarray, name: str, unit: str
) -> None:
    """Raises DataError if some numbers are far too small for the unit of the largest."""
    seconds = whole // PER_SECOND[unit]
    large = int(seconds.argmax())
    small = row_of((whole > 0) & (seconds < YEAR_1971) & ~missing)
    if small is None or (unit == "seconds" and seconds[large] < YEAR_1990):
        return
    raise DataError(
        f"the column {name!r}: got {shown(array, small)} in row {small} and "
        f"{shown(array, large + 1)} in row {large + 1}, which by their sizes can't both be "
        f"{READINGS[unit]}; bring all to one unit, or set data.timestamp_unit to theirs"
    )


def shown(array: pa.Array, row: int) -> str:
    """Returns a number or a date for an error message."""
    try:
        value = array[row - 1].as_py()
    except (OverflowError, ValueError):  # Python's dates end with the year 9999.
        value = f"{array[row - 1 : row].cast(pa.int64())[0]} ({array.type})"
    return f"{value:.15g}" if isinstance(value, float) else shortened(str(value))
