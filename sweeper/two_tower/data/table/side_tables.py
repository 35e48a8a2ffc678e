"""Reads a table of items or of users, with a row each, and joins it by its key."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sweeper.common.errors import DataError, shortened
from sweeper.two_tower.config import SideTableConfig
from sweeper.two_tower.data.column_names import NAMELESS, is_row_number_name
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)
from sweeper.two_tower.data.table.arrays import row_of
from sweeper.two_tower.data.table.cleaning import EXAMPLES
from sweeper.two_tower.data.table.feature_columns import feature_columns
from sweeper.two_tower.data.table.files import find_files
from sweeper.two_tower.data.table.reading import error_context, read_table
from sweeper.two_tower.data.table.roles import column_of, ids


@dataclass(frozen=True)
class SideTable:
    """The rows of a table by their keys.

    Attributes:
      row_of: the row of each key.
      columns: the columns that features can read, [rows] each.
    """

    row_of: dict[str, int]
    columns: dict[str, Column]

    def known(self, categories: list[str]) -> np.ndarray:
        """Tells which of the words are keys, bool [categories]."""
        return np.array([category in self.row_of for category in categories], bool)

    def joined(self, categories: list[str], missing: str, role: str) -> dict[str, Column]:
        """Returns the columns with a row for each word, in the words' order.

        A word that isn't a key gets the empty word, an empty list, and the mean of the numbers.

        Raises:
          DataError: under "error", if a number would be missing.
        """
        rows = np.array([self.row_of.get(category, -1) for category in categories], np.int64)
        if (rows < 0).any():
            return {
                name: _with_gaps(column, rows, name, missing, role)
                for name, column in self.columns.items()
            }
        return {name: column.take(rows) for name, column in self.columns.items()}


def read_side_table(
    role: str,
    config: SideTableConfig,
    key: str,
    used: Collection[str],
    missing: str,
    say: Callable[[str], None],
) -> SideTable:
    """Reads `data.items` or `data.users`.

    Args:
      role: "items" or "users".
      key: the column of ids, unless the configuration names another.
      used: names of columns of the interactions, which no column here may have.
      missing: what to do with missing numbers, see `feature_column`.

    Raises:
      DataError: the table can't be read, a key is missing or repeated, or a column is in both
        tables.
    """
    assert config.path is not None
    key = config.key or key
    files = find_files(f"data.{role}.path", config.path, config.format)
    table = read_table(files, config.csv, [key], lambda text: say(f"{role}: {text}"))
    with error_context(f"data.{role}.path ({config.path})"):
        return _encoded(role, config, table, key, used, missing, say)


def _encoded(
    role: str,
    config: SideTableConfig,
    table: pa.Table,
    key: str,
    used: Collection[str],
    missing: str,
    say: Callable[[str], None],
) -> SideTable:
    keys = ids(column_of(table, key, f"data.{role}.key"), key)
    check_keys(keys, key)
    others = [name for name in table.column_names if name != key]
    # Programs number the rows of every table that they write, under the same name.
    for name in [each for each in others if each in used and is_row_number_name(each)]:
        say(f"{role}: {name or NAMELESS}: is left out: the rows of both tables are numbered so")
        others.remove(name)
    if clash := [name for name in others if name in used]:
        raise DataError(
            f"has the column {clash[0]!r}, which the interactions or the other table also have; "
            "keep it in one of them, or leave it out of data.columns.others"
        )
    if unknown := [name for name in config.lists if name not in others]:
        column_of(table.drop_columns(key), unknown[0], f"data.{role}.lists")
    columns = feature_columns(
        table, others, missing, lambda text: say(f"{role}: {text}"), config.lists
    )
    words = keys.dictionary.to_pylist()
    return SideTable(
        {words[code]: row for row, code in enumerate(keys.indices.to_pylist())}, columns
    )


def check_keys(keys: pa.DictionaryArray, key: str) -> None:
    """Checks that no key is missing or repeated.

    Raises:
      DataError: with the first row without a key, or some of the repeated keys.
    """
    if keys.null_count:
        raise DataError(
            f"the column {key!r} has {keys.null_count:,} missing keys, the first in row "
            f"{row_of(keys.is_null())}; must have none"
        )
    counts = np.bincount(keys.indices.to_numpy(), minlength=len(keys.dictionary))
    twice = np.flatnonzero(counts > 1)
    if len(twice):
        words = keys.dictionary.to_pylist()
        examples = ", ".join(
            f"{shortened(repr(words[code]))} {counts[code]} times" for code in twice[:EXAMPLES]
        )
        raise DataError(
            f"{len(twice):,} keys are in the column {key!r} more than once: {examples}; "
            "must have each once"
        )


def _with_gaps(column: Column, rows: np.ndarray, name: str, missing: str, role: str) -> Column:
    """Returns the column's rows, with a stand-in for a missing value where `rows` is -1."""
    gaps = rows < 0
    if isinstance(column, NumericColumn):
        if missing == "error":
            raise DataError(
                f"{int(gaps.sum()):,} {role} that data.filter.unknown_{role}=keep keeps have no "
                f"{name!r}; add them, or set data.filter.missing_features to 'fill'"
            )
        values = column.values.astype(np.float64)
        return NumericColumn(np.where(gaps, values.mean(), values[rows]))
    if isinstance(column, CategoricalListColumn):
        # An empty list at the end, for -1 to name.
        offsets = np.append(column.offsets, column.offsets[-1])
        return CategoricalListColumn(column.codes, offsets, column.categories).take(rows)
    return _with_empty_word(column, rows, gaps)


def _with_empty_word(
    column: CategoricalColumn, rows: np.ndarray, gaps: np.ndarray
) -> CategoricalColumn:
    if column.categories[0] == "":
        return CategoricalColumn(np.where(gaps, 0, column.codes[rows]), column.categories)
    # The empty word is sorted before all others.
    codes = np.where(gaps, 0, column.codes[rows] + 1)
    return CategoricalColumn(codes.astype(np.int32), ["", *column.categories])
