"""What each column holds: its values, what is missing, and what it is used as."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sweeper.config import DataConfig
from sweeper.data.columns import CategoricalColumn, Column, NumericColumn
from sweeper.data.interactions import Interactions
from sweeper.model.features import tokens

# So many distinct values are looked at to tell text from a single word.
MOST_SAMPLED = 10_000
# Of MovieLens and of synthetic data, whose `data.columns` name none.
OWN_RATING = "user_rating"


@dataclass(frozen=True)
class ColumnFacts:
    """A column.

    Attributes:
      tower: "query", one value a row, or "candidate", one value an item.
      holds: "numbers", "words" (one category or text each) or "lists" (of words).
      distinct: how many values there are; of lists, how many words.
      missing: numbers that are not finite, empty texts, empty lists.
      low, high: of numbers; None where none is finite.
      whole: whether these are whole numbers.
      words: of texts, how many words one has on average.
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
    role: str = ""


def columns_of(config: DataConfig, interactions: Interactions) -> list[ColumnFacts]:
    """Every column, those of the rows first."""
    roles = roles_of(config, interactions)
    towers = {"query": interactions.query_columns, "candidate": interactions.candidate_columns}
    return [
        _column(name, tower, column, roles.get((tower, name), ""))
        for tower, columns in towers.items()
        for name, column in columns.items()
    ]


def roles_of(config: DataConfig, interactions: Interactions) -> dict[tuple[str, str], str]:
    """What columns are used as besides features, by tower and name."""
    named = config.columns
    rating = named.rating if config.name == "table" else OWN_RATING
    in_rows = {named.weight: "weight", rating: "rating", named.timestamp: "time"}
    in_rows[interactions.user_column] = "user"
    roles = {("query", name): role for name, role in in_rows.items() if name is not None}
    return roles | {("candidate", interactions.item_column): "item"}


def _column(name: str, tower: str, column: Column, role: str) -> ColumnFacts:
    if isinstance(column, NumericColumn):
        return _numbers(name, tower, column.values, role)
    used = np.bincount(column.codes, minlength=len(column.categories))
    distinct = int(np.count_nonzero(used))
    if not isinstance(column, CategoricalColumn):
        empty = int(np.count_nonzero(np.diff(column.offsets) == 0))
        return ColumnFacts(name, tower, "lists", distinct, empty, role=role)
    # Sorted: the empty text, if there is one, comes first.
    empty = int(used[0]) if column.categories[:1] == [""] else 0
    sampled = column.categories[:: -(-len(column.categories) // MOST_SAMPLED)]
    words = float(np.mean([len(tokens(text)) for text in sampled]))
    return ColumnFacts(name, tower, "words", distinct, empty, words=words, role=role)


def count_distinct(values: np.ndarray) -> int:
    """How many different ones there are; a sort, which is ten times as fast as hashing them."""
    ascending = np.sort(values)
    return int(np.count_nonzero(ascending[1:] != ascending[:-1])) + bool(len(values))


def _numbers(name: str, tower: str, values: np.ndarray, role: str) -> ColumnFacts:
    finite = np.isfinite(values)
    missing = len(values) - int(np.count_nonzero(finite))
    known = values if missing == 0 else values[finite]
    distinct = count_distinct(known)
    if distinct == 0:
        return ColumnFacts(name, tower, "numbers", 0, missing, role=role)
    low, high = float(known.min()), float(known.max())
    whole = known.dtype.kind in "iu" or bool((known == np.rint(known)).all())
    return ColumnFacts(name, tower, "numbers", distinct, missing, low, high, whole, role=role)
