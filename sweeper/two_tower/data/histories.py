"""Finds what each user did before a row, in one index of all rows sorted by user and time.

A deployed system knows every earlier row of a user, including those that came after training. Under
a split by time a row's history therefore contains all earlier rows. Under the random split, whose
held-out rows lie between the training rows, it only contains training rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from cachetools import LRUCache

from sweeper.common.errors import ConfigError
from sweeper.common.result_cache import freeze, get_or_compute
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.data.time_order import MIN_SHARE, by_user_and_time, time_text

NO_ITEM = -1


@dataclass(frozen=True, eq=False)
class Histories:
    """The earlier rows of each row's user, as ranges of one sorted list.

    The history of row r of the data is `items[starts[r]:stops[r]]`, the earliest item first. The
    ranges of one user's rows share the list, so that memory grows with the rows and not with the
    lengths of their histories.

    Attributes:
      items: int32 [known], the candidates of the rows that histories may contain, sorted by user,
        then by time, then by their order in the source.
      times: int64 [known], their times, in seconds since 1970 (UTC).
      starts: int64 [rows], where the user's rows begin in `items`.
      stops: int64 [rows], where the user's rows before the row end.
      holds_held_out_rows: whether histories include held-out rows.
    """

    items: np.ndarray
    times: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    holds_held_out_rows: bool = True

    @property
    def longest(self) -> int:
        """The length of the longest history."""
        return int((self.stops - self.starts).max(initial=0))

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """Returns the number of earlier rows of each row; int64 [len(rows)]."""
        return self.stops[rows] - self.starts[rows]

    def latest(self, rows: np.ndarray, length: int) -> np.ndarray:
        """Returns the last `length` candidates before each row, the most recent one last.

        Args:
          rows: indices into the data, [n].
          length: at least 1.

        Returns:
          int32 [n, length]; shorter histories begin with `NO_ITEM`.
        """
        positions = self.stops[rows][:, None] - np.arange(length, 0, -1)
        is_there = positions >= self.starts[rows][:, None]
        return np.where(is_there, self.items[np.where(is_there, positions, 0)], NO_ITEM).astype(
            np.int32
        )

    def seconds_since_last(self, rows: np.ndarray, timestamps: np.ndarray) -> np.ndarray:
        """Returns the seconds from the latest earlier row to each row; NaN where there is none.

        Args:
          rows: indices into the data, [n].
          timestamps: of every row of the data.

        Returns:
          float64 [n].
        """
        stops = self.stops[rows]
        has_any = stops > self.starts[rows]
        last = self.times[np.where(has_any, stops - 1, 0)]
        return np.where(has_any, (timestamps[rows] - last).astype(np.float64), np.nan)

    def pairs(self, rows: np.ndarray, last: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns every pair of a row and a candidate of its history.

        Args:
          rows: indices into the data, [n].
          last: how many of the latest rows of each history to return; None for all.

        Returns:
          Two arrays [sum of the lengths]: positions in `rows`, and candidates; a
          candidate that is several times in a history is returned as often.
        """
        lengths = self.lengths(rows)
        if last is not None:
            lengths = np.minimum(lengths, last)
        of = np.repeat(np.arange(len(rows)), lengths)
        within = np.arange(len(of)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return of, self.items[np.repeat(self.stops[rows] - lengths, lengths) + within]


# Histories of the largest data are kept as well: finding them takes seconds, and a trial reads them
# several times.
_histories: LRUCache[Hashable, Histories] = LRUCache(2)


def histories_of(
    config: DataConfig, interactions: Interactions, training_rows: np.ndarray
) -> Histories:
    """Returns the histories under the configured split.

    Under a split by time, a history contains all earlier rows of the user, including held-out rows,
    as in a deployed system. Under the random split, whose held-out rows lie between the training
    rows, it only contains training rows. Removed rows of cold-start items are in no history: such
    an item is chosen for the first time in the held-out rows.

    Features, the loss, the ranking and the baselines of one trial all read the histories, so the
    last ones are kept in the process, read-only.

    Args:
      training_rows: indices into the data.

    Raises:
      ConfigError: the data has no times.
    """
    known = _known_rows(config, interactions, training_rows)

    def find() -> Histories:
        found = find_histories(interactions, known, config.same_time == "include")
        freeze(found.items, found.times, found.starts, found.stops)
        return replace(found, holds_held_out_rows=config.split != "random")

    key = _key(config, interactions, known)
    return get_or_compute(_histories, key, find, len(interactions), max_rows=inf)


def histories_key(
    config: DataConfig, interactions: Interactions, training_rows: np.ndarray
) -> Hashable:
    """Returns a key that is the same for the same histories."""
    return _key(config, interactions, _known_rows(config, interactions, training_rows))


def _key(config: DataConfig, interactions: Interactions, known: np.ndarray | None) -> Hashable:
    rows = None if known is None else hashlib.blake2b(np.ascontiguousarray(known).data).digest()
    columns = (interactions.user_column, interactions.item_column, interactions.timestamp_column)
    by_time = config.split != "random"
    return (interactions.fingerprint, columns, by_time, rows, config.same_time)


def _known_rows(
    config: DataConfig, interactions: Interactions, training_rows: np.ndarray
) -> np.ndarray | None:
    """Returns the rows that histories may contain; None for all."""
    if config.split == "random":
        return training_rows
    if not config.cold_start_items:
        return None
    taken_away = split_interactions(config, interactions).taken_away
    # Training on all rows has removed none.
    return all_but(np.setdiff1d(taken_away, training_rows), len(interactions))


def all_but(rows: np.ndarray, num_rows: int) -> np.ndarray:
    """Returns the indices of all `num_rows` rows but these, ascending."""
    return np.delete(np.arange(num_rows), rows)


def find_histories(
    interactions: Interactions,
    known: np.ndarray | None = None,
    same_time: bool = True,
    order: np.ndarray | None = None,
) -> Histories:
    """Sorts the rows by user and time, and finds where each row's history ends.

    Args:
      interactions: rows with times.
      known: indices of the rows that histories may contain; None for all.
      same_time: whether the user's other rows of the same second count as earlier where the
        source lists them before the row. Otherwise only strictly earlier seconds do.
      order: the result of `by_user_and_time`, if the caller has it already.

    Raises:
      ConfigError: the data has no times.
    """
    users, times = interactions.users, interactions.timestamps
    if times is None:
        raise ConfigError(
            "data.columns.timestamp: got null, but a history needs the order of the rows; set "
            "it to the column of times"
        )
    order = by_user_and_time(users, times) if order is None else order
    is_known = np.ones(len(users), bool)
    if known is not None:
        is_known[:] = False
        is_known[known] = True
    # How many known rows stand before each place of the sorted list.
    before = np.zeros(len(users) + 1, np.int64)
    np.cumsum(is_known[order], out=before[1:])
    sorted_users = users[order]
    first = np.flatnonzero(np.diff(sorted_users, prepend=-1))
    counts = np.diff(np.append(first, len(users)))
    ends = np.arange(len(users))
    if not same_time:
        # Every row of a second ends where the first row of that user and second stands.
        starts_second = np.diff(sorted_users, prepend=-1) != 0
        starts_second[1:] |= np.diff(times[order]) != 0
        ends = np.maximum.accumulate(np.where(starts_second, ends, 0))
    starts, stops = np.empty(len(users), np.int64), np.empty(len(users), np.int64)
    starts[order] = np.repeat(before[first], counts)
    stops[order] = before[ends]
    kept = order[is_known[order]]
    return Histories(interactions.items[kept].astype(np.int32), times[kept], starts, stops)


def history_ties(histories: Histories, times: np.ndarray) -> Iterator[str]:
    """Reports if many rows are of the same second as the user's row before them.

    It also reports if no row has a history, as when all rows have the same second and
    `data.same_time` leaves out rows of the same second.

    Args:
      times: [rows], seconds since 1970.
    """
    rows = np.arange(len(times))
    gaps = histories.seconds_since_last(rows, times)
    number, tied = int((~np.isnan(gaps)).sum()), int((gaps == 0).sum())
    if times.min() == times.max():
        what = "hold the user's rows in the order of the data" if number else "are all empty"
        yield (
            f"all rows have the same time, {time_text(times[0])}: the histories that are read "
            f"{what}; give a column of times that differ, or features that read no history"
        )
    elif not number:
        yield (
            "no row has an earlier row of its user: the histories that are read are all empty; "
            "give features that read no history"
        )
    elif tied and tied >= MIN_SHARE * number:
        yield (
            f"{tied:,} of {number:,} rows with a history come in the same second as their user's "
            "row before: the order of the rows in the data decides which is earlier; "
            "data.same_time=exclude leaves the same second's rows out of histories"
        )
