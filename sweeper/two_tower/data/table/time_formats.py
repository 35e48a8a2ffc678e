"""Reads, checks and suggests formats of times (`data.timestamp_format`).

The formats are those of Python's `datetime.strptime`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.two_tower.config import EXAMPLE_TIME

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Of the year 1, in seconds since 1970.
FIRST_SECOND = -62_135_596_800
SECOND = timedelta(seconds=1)
# Two numbers with nothing between them: only leading zeros show where the first ends.
ABUTTING = re.compile(r"%[YmdHMSIjyGVu]%[YmdHMSIjyGVu]")
_DAYS = (
    "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y",
    "%B %d, %Y", "%Y-%m-%d", "%G-W%V-%u", "%Y-%m", "%a, %d %b %Y", "%A, %B %d, %Y",
)  # fmt: skip
_CLOCKS = ("", *(
    separator + clock
    for separator in (" ", ", ", "T")
    for clock in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H%M%S", "%I:%M %p", "%I:%M:%S %p")
))  # fmt: skip
# The formats of logs, mails and date(1).
_WHOLE = (
    "%d/%b/%Y:%H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S UTC %Y", "%a %b %d %H:%M:%S %z %Y",
)  # fmt: skip
COMMON = (*_WHOLE, *map("".join, product(_DAYS, _CLOCKS, ("", "%z", " %z"))))


def read_formatted(texts: Sequence[str], format_: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads texts as int64 seconds since 1970 (UTC), rounded down; and which don't fit, bool.

    Times without a zone are in UTC.
    """
    # 1022024 is not the 10th of February under %d%m%Y; what follows %z may be Z or +02:00.
    whole = format_.partition("%z")[0] if ABUTTING.search(format_) else ""
    seconds, wrong = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    for index, text in enumerate(texts):
        try:
            found = datetime.strptime(text, format_)
            if whole:
                padded = found.strftime(whole.replace("%Y", f"{found.year:04}"))
                wrong[index] = not text.lower().startswith(padded.lower())
            seconds[index] = (found.replace(tzinfo=found.tzinfo or UTC) - EPOCH) // SECOND
        except (ValueError, OverflowError):
            wrong[index] = True
    return seconds, wrong


def fitting_formats(texts: Sequence[str]) -> list[str]:
    """Returns the common formats that fit all texts."""
    shape = _shape(texts[0])
    same = (each for each in COMMON if _shape(EXAMPLE_TIME.strftime(each)) == shape)
    return [each for each in same if not read_formatted(texts, each)[1].any()]


def _shape(text: str) -> str:
    """Replaces each number by 0, each word by a, the zone by +0: 31.05.2024 becomes 0.0.0."""
    zoned = re.sub(r"(?<=\d)(\s?)(Z|[+-]\d\d:?\d\d)$", r"\1+0", text)
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", zoned))


# The parts of ISO dates, in order.
DIGITS = ("%Y", "%m", "%d", "%H", "%M", "%S")


def read_words(words: pa.Array, format_: str) -> tuple[np.ndarray, np.ndarray]:
    """Does the same as `read_formatted` faster, by Arrow if it can; no text may be missing."""
    pattern, iso = _as_iso(format_)
    seconds, left = np.zeros(len(words), np.int64), np.ones(len(words), bool)
    if pattern is not None:
        fits = pc.match_substring_regex(words, pattern)
        dates = pc.replace_substring_regex(words.filter(fits), pattern, iso)
        # A day that doesn't exist is left to Python, which finds out which it is.
        with contextlib.suppress(pa.ArrowInvalid):
            known = dates.cast(pa.timestamp("s")).cast(pa.int64())
            left = ~np.asarray(fits)
            seconds[~left] = known.to_numpy(zero_copy_only=False)
            left |= seconds < FIRST_SECOND  # Arrow has a year 0.
    wrong = np.zeros(len(words), bool)
    seconds[left], wrong[left] = read_formatted(words.filter(pa.array(left)).to_pylist(), format_)
    return seconds, wrong


def _as_iso(format_: str) -> tuple[str | None, str]:
    """Returns a pattern of texts in a format of padded numbers, and their ISO replacement."""
    directives = re.findall(r"%.", format_)
    if sorted(directives) not in (sorted(DIGITS[:number]) for number in (3, 5, 6)):
        return None, ""
    pattern = re.escape(format_)
    for directive in DIGITS:
        width = 4 if directive == "%Y" else 2
        pattern = pattern.replace(directive, rf"(\d{{{width}}})")
    places = [f"\\{directives.index(each) + 1}" for each in DIGITS if each in directives]
    clock = f" {':'.join(places[3:])}" if places[3:] else ""
    return f"^{pattern}$", "-".join(places[:3]) + clock
