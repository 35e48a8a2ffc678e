"""Infers the column of times of the interactions from names and values."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import pyarrow as pa

from sweeper.common.errors import ConfigError, DataError
from sweeper.two_tower.data.column_names import ID_NAME, plain
from sweeper.two_tower.data.table.arrays import combined, is_text
from sweeper.two_tower.data.table.times import read_times

# Usual names, in the form of `plain`; the likeliest first.
USUAL = (
    "timestamp", "time", "ts", "datetime", "date", "when", "createdat", "eventtime", "unixtime",
    "datum", "zeit", "zeitpunkt", "zeitstempel", "at",
)  # fmt: skip
# The last words of other names of times, such as "Ordered At", "purchase_time", "InvoiceDate".
LAST_WORDS = ("time", "timestamp", "datetime", "date", "datum", "ts", "at", "on", "day")
JOINED = re.compile(r"(time|timestamp|date|datum|zeitpunkt|zeitstempel)$")
# In seconds since 1970: the times of recorded interactions, from 1980 to 2100.
EARLIEST, LATEST = 315_532_800, 4_102_444_800
# Numbers with another name are only times from 2001 on.
EARLIEST_NAMELESS = 978_307_200
# With fewer rows beyond each owner's first one, equal times may be chance.
MIN_REPEATS = 20


def infer_time(table: pa.Table, taken: Collection[str], owners: Sequence[str]) -> str | None:
    """Infers the column of times; returns None if there is none.

    A usual name is enough. A column with the ending of such a name must contain times, or texts,
    which are then refused by row when they are read. Without such a name, the only column whose
    values are times is chosen.

    Args:
      table: some rows of the interactions.
      taken: columns with another role.
      owners: the columns of users and items. A time that is the same in all rows of a user or an
        item, such as a date of birth, is not the time of the interaction.

    Raises:
      ConfigError: no name shows it, and several columns contain times.
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
    """Tells whether all values can be read as times from `earliest` on."""
    try:
        times = read_times(column, name, "auto", None)
    except (DataError, pa.ArrowException):
        return False
    known = times.seconds[~times.missing]
    return len(known) > 0 and bool(((known >= earliest) & (known < LATEST)).all())


def _is_constant(table: pa.Table, name: str, owner: str) -> bool:
    """Tells whether all rows of each owner have the same value, if owners have several rows."""
    values = pa.table({"owner": combined(table[owner]), "value": combined(table[name])})
    try:
        groups = values.group_by("owner").aggregate([("value", "count_distinct")])
    except pa.ArrowException:  # The type, such as a list, can't be compared.
        return False
    if len(table) - len(groups) < MIN_REPEATS:
        return False
    return bool(groups["value_count_distinct"].to_numpy().max() <= 1)
