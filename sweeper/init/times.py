"""Which column of the interactions tells when, by its name and by its values."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import pyarrow as pa

from sweeper.common.errors import ConfigError, DataError
from sweeper.two_tower.data.column_names import ID_NAME, plain
from sweeper.two_tower.data.table.arrays import combined, is_text
from sweeper.two_tower.data.table.times import read_times

# Names that tell it by themselves, without case, spaces and underscores; the likeliest first.
USUAL = (
    "timestamp", "time", "ts", "datetime", "date", "when", "createdat", "eventtime", "unixtime",
    "datum", "zeit", "zeitpunkt", "zeitstempel", "at",
)  # fmt: skip
# What other names of times end in, as "Ordered At", "purchase_time", "InvoiceDate".
LAST_WORDS = ("time", "timestamp", "datetime", "date", "datum", "ts", "at", "on", "day")
JOINED = re.compile(r"(time|timestamp|date|datum|zeitpunkt|zeitstempel)$")
# In seconds since 1970: what interactions are recorded in, from 1980 to 2100.
EARLIEST, LATEST = 315_532_800, 4_102_444_800
# From 2001 on: numbers under a name that tells nothing are times within these.
EARLIEST_NAMELESS = 978_307_200
# With fewer rows beyond each owner's first one, equal times may be chance.
MIN_REPEATS = 20


def infer_time(table: pa.Table, taken: Collection[str], owners: Sequence[str]) -> str | None:
    """The column that tells when; None: there is none.

    A usual name is enough; another name that ends as one must have values that are times, or
    texts, which are then refused by row when they are read. Without such a name the only column
    whose values are times is it.

    Args:
      table: some rows of the interactions.
      taken: columns that are something else.
      owners: the columns of users and items. What is the same for each of one's rows, as a date
        of birth, is not when it happened.

    Raises:
      ConfigError: no name tells it, and several columns hold times.
    """
    free = [name for name in table.column_names if name not in taken]
    by_name = {plain(name): name for name in reversed(free)}
    if usual := [by_name[name] for name in USUAL if name in by_name]:
        return usual[0]
    moving = [name for name in free if not any(_is_constant(table, name, of) for of in owners)]
    named = [name for name in moving if _ends_as_a_time(name)]
    for name in named:
        if _are_times(table[name], name, EARLIEST):
            return name
    for name in named:
        if is_text(combined(table[name]).type):
            return name
    found = [
        name
        for name in moving
        if name not in named
        and not ID_NAME.search(name)
        and _are_times(table[name], name, EARLIEST_NAMELESS)
    ]
    if len(found) > 1:
        raise ConfigError(
            f"data.columns.timestamp: {', '.join(found)} hold times; must be given as one of "
            "them, or null"
        )
    return found[0] if found else None


def _ends_as_a_time(name: str) -> bool:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    is_word = len(words) > 1 and words[-1].lower() in LAST_WORDS
    return is_word or bool(JOINED.search(plain(name)))


def _are_times(column: pa.ChunkedArray, name: str, earliest: int) -> bool:
    """Whether all values can be read as times, from `earliest` on."""
    try:
        times = read_times(column, name, "auto", None)
    except (DataError, pa.ArrowException):
        return False
    known = times.seconds[~times.missing]
    return len(known) > 0 and bool(((known >= earliest) & (known < LATEST)).all())


def _is_constant(table: pa.Table, name: str, owner: str) -> bool:
    """Whether all rows of each user, or item, have the same value, and there are several."""
    values = pa.table({"owner": combined(table[owner]), "value": combined(table[name])})
    try:
        groups = values.group_by("owner").aggregate([("value", "count_distinct")])
    except pa.ArrowException:  # A type that can't be compared, as a list.
        return False
    if len(table) - len(groups) < MIN_REPEATS:
        return False
    return bool(groups["value_count_distinct"].to_numpy().max() <= 1)
