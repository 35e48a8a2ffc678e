"""What each column holds: its values, what is missing, and what it is used as."""

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

# So many distinct values are looked at to tell text from a single word.
MAX_SAMPLED = 10_000
# Of MovieLens and of synthetic data, whose `data.columns` name none.
OWN_RATING = "user_rating"
# With fewer rows beyond each owner's first one, equal values may be chance.
MIN_REPEATS = 20
# Most columns differ within so many rows.
COMPARED_AT_ONCE = 250_000
# Spearman's correlation from which two orders are the same but for some rows.
SAME_ORDER = 0.99


@dataclass(frozen=True)
class ColumnProfile:
    """A column.

    Attributes:
      tower: "query", one value a row, or "candidate", one value an item.
      holds: "numbers", "words" (one category or text each) or "lists" (of words).
      distinct: how many values there are; of lists, how many words.
      missing: numbers that are not finite, empty texts, empty lists.
      low, high: of numbers; None where none is finite.
      whole: whether these are whole numbers.
      words: of texts, how many words one has on average.
      is_ascending: whether each row has a greater number than the row before it.
      follows_time: whether they rise, or fall, with the times of the rows.
      constant_for: "user" and "item", as far as all rows of one have the same value; of columns
        of the rows without a role.
      role: "user", "item", "time", "rating", "weight"; "" of all others.
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
    """Every column, those of the rows first."""
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
    """Returns of "user" and "item" those whose rows all have the same value of a column.

    Such a column of the rows tells of the user, or of the item that is to be found. Where hardly
    any user, or item, has several rows, it is not among them.
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
    """Whether the numbers of some evenly spaced rows have the order of their times, or the reverse.

    So do orders' numbers, and other times; what these are worth, a time is.
    """
    if times is None or not isinstance(column, NumericColumn):
        return False
    rows = slice(None, None, -(-len(times) // MAX_SAMPLED))
    values, when = column.values[rows], times[rows]
    if len(values) < MIN_REPEATS or values.min() == values.max() or when.min() == when.max():
        return False
    return bool(abs(np.corrcoef(rankdata(values), rankdata(when))[0, 1]) >= SAME_ORDER)


def _equal(one: Column, other: Column) -> bool:
    """Whether two columns of the same categories have the same values in all rows."""
    if isinstance(one, NumericColumn) and isinstance(other, NumericColumn):
        return np.array_equal(one.values, other.values, equal_nan=True)
    if isinstance(one, CategoricalListColumn) and isinstance(other, CategoricalListColumn):
        same_lengths = np.array_equal(one.offsets, other.offsets)
        return same_lengths and np.array_equal(one.codes, other.codes)
    assert isinstance(one, CategoricalColumn)
    assert isinstance(other, CategoricalColumn)
    return np.array_equal(one.codes, other.codes)


def roles_of(config: DataConfig, interactions: Interactions) -> dict[tuple[str, str], str]:
    """What columns are used as besides features, by tower and name."""
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
    # Sorted: the empty text, if there is one, comes first.
    empty = int(used[0]) if column.categories[:1] == [""] else 0
    sampled = column.categories[:: -(-len(column.categories) // MAX_SAMPLED)]
    words = float(np.mean([len(tokens(text)) for text in sampled]))
    return ColumnProfile(name, tower, "words", distinct, empty, words=words, role=role)


def count_distinct(values: np.ndarray) -> int:
    """How many different ones there are; a sort, which is ten times as fast as hashing them."""
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
