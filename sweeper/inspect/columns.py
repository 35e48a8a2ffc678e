"""Profiles each column: its values, missing values, and role."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata  # type: ignore[import-untyped]

from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.model.features import tokens

# How many distinct values are read to tell texts from single words.
MAX_SAMPLED = 10_000
# The rating of MovieLens and of synthetic data, which `data.columns` doesn't name.
OWN_RATING = "user_rating"
# With fewer rows beyond each owner's first one, equal values may be chance.
MIN_REPEATS = 20
# Most columns differ within this many rows.
COMPARED_AT_ONCE = 250_000
# Spearman's correlation of two orders that are the same except for some rows.
SAME_ORDER = 0.99


@dataclass(frozen=True)
class ColumnProfile:
    """The profile of a column.

    Attributes:
      tower: "query" for one value in each row, or "candidate" for one value for each item.
      holds: "numbers", "words" (one category or text each) or "lists" (of words).
      distinct: the number of distinct values; of lists, the number of distinct words.
      missing: the number of values that are not finite, or empty.
      low, high: the range of the numbers; None if none is finite.
      whole: whether all numbers are whole.
      words: the average number of words in a text.
      is_ascending: whether each row has a greater number than the row before it.
      follows_time: whether the numbers rise, or fall, with the times of the rows.
      constant_for: "user" if all rows of each user have the same value, and the same for "item";
        only for columns of the rows without a role.
      role: "user", "item", "time", "rating", "weight", or "" for other columns.
    """

    name: str
    tower: str
    holds: str
    distinct: int
    missing: int
    low: float | None = None
    high: float | None = None
    whole: bool = False
    words: float | None = None
    is_ascending: bool = False
    follows_time: bool = False
    constant_for: tuple[str, ...] = ()
    role: str = ""


def columns_of(config: DataConfig, interactions: Interactions) -> list[ColumnProfile]:
    """Profiles every column, first those of the rows."""
    roles = roles_of(config, interactions)
    towers = {"query": interactions.query_columns, "candidate": interactions.candidate_columns}
    found = []
    for tower, columns in towers.items():
        for name, column in columns.items():
            profile = _column(name, tower, column, roles.get((tower, name), ""))
            if tower == "query" and not profile.role:
                profile = replace(
                    profile,
                    constant_for=constant_for(column, interactions),
                    follows_time=_follows(column, interactions.timestamps),
                )
            found.append(profile)
    return found


def constant_for(column: Column, interactions: Interactions) -> tuple[str, ...]:
    """Returns "user" if all rows of each user have the same value, and the same for "item".

    Such a column describes the user, or the item that is to be found. If hardly any user, or item,
    has several rows, it is not returned.
    """
    owners = {
        "user": (interactions.users, interactions.num_users),
        "item": (interactions.items, interactions.num_items),
    }
    return tuple(name for name, each in owners.items() if _is_constant(column, *each))


def _is_constant(column: Column, owners: np.ndarray, num_owners: int) -> bool:
    last_row = np.full(num_owners, -1, np.int64)
    last_row[owners] = np.arange(len(owners))
    if len(owners) - np.count_nonzero(last_row >= 0) < MIN_REPEATS:
        return False
    rows = np.arange(len(owners))
    for start in range(0, len(rows), COMPARED_AT_ONCE):
        some = rows[start : start + COMPARED_AT_ONCE]
        if not _equal(column.take(some), column.take(last_row[owners[some]])):
            return False
    return True


def _follows(column: Column, times: np.ndarray | None) -> bool:
    """Tells whether the numbers of evenly spaced rows are in the order of their times, or reversed.

    Order numbers and other times are; they are worth no more than a time.
    """
    if times is None or not isinstance(column, NumericColumn):
        return False
    rows = slice(None, None, -(-len(times) // MAX_SAMPLED))
    values, when = column.values[rows], times[rows]
    if len(values) < MIN_REPEATS or values.min() == values.max() or when.min() == when.max():
        return False
    return bool(abs(np.corrcoef(rankdata(values), rankdata(when))[0, 1]) >= SAME_ORDER)


def _equal(one: Column, other: Column) -> bool:
    """Tells whether two columns with the same categories are equal."""
    if isinstance(one, NumericColumn) and isinstance(other, NumericColumn):
        return np.array_equal(one.values, other.values, equal_nan=True)
    if isinstance(one, CategoricalListColumn) and isinstance(other, CategoricalListColumn):
        same_lengths = np.array_equal(one.offsets, other.offsets)
        return same_lengths and np.array_equal(one.codes, other.codes)
    assert isinstance(one, CategoricalColumn)
    assert isinstance(other, CategoricalColumn)
    return np.array_equal(one.codes, other.codes)


def roles_of(config: DataConfig, interactions: Interactions) -> dict[tuple[str, str], str]:
    """Returns the roles of columns, by tower and name."""
    named = config.columns
    rating = named.rating if config.name == "table" else OWN_RATING
    in_rows = {named.weight: "weight", rating: "rating", named.timestamp: "time"}
    in_rows[interactions.user_column] = "user"
    roles = {("query", name): role for name, role in in_rows.items() if name is not None}
    return roles | {("candidate", interactions.item_column): "item"}


def _column(name: str, tower: str, column: Column, role: str) -> ColumnProfile:
    if isinstance(column, NumericColumn):
        return _numbers(name, tower, column.values, role)
    used = np.bincount(column.codes, minlength=len(column.categories))
    distinct = int(np.count_nonzero(used))
    if not isinstance(column, CategoricalColumn):
        empty = int(np.count_nonzero(np.diff(column.offsets) == 0))
        return ColumnProfile(name, tower, "lists", distinct, empty, role=role)
    # Categories are sorted, so an empty text comes first.
    empty = int(used[0]) if column.categories[:1] == [""] else 0
    sampled = column.categories[:: -(-len(column.categories) // MAX_SAMPLED)]
    words = float(np.mean([len(tokens(text)) for text in sampled]))
    return ColumnProfile(name, tower, "words", distinct, empty, words=words, role=role)


def count_distinct(values: np.ndarray) -> int:
    """Counts distinct values by sorting, which is ten times as fast as hashing."""
    ascending = np.sort(values)
    return int(np.count_nonzero(ascending[1:] != ascending[:-1])) + bool(len(values))


def _numbers(name: str, tower: str, values: np.ndarray, role: str) -> ColumnProfile:
    finite = np.isfinite(values)
    missing = len(values) - int(np.count_nonzero(finite))
    known = values if missing == 0 else values[finite]
    distinct = count_distinct(known)
    if distinct == 0:
        return ColumnProfile(name, tower, "numbers", 0, missing, role=role)
    low, high = float(known.min()), float(known.max())
    whole = known.dtype.kind in "iu" or bool((known == np.rint(known)).all())
    ascending = missing == 0 and bool((known[1:] > known[:-1]).all())
    return ColumnProfile(
        name, tower, "numbers", distinct, missing, low, high, whole,
        is_ascending=ascending, role=role,
    )  # fmt: skip
