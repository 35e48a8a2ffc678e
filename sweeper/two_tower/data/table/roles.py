"""Turns columns of a table into what they stand for: ratings and weights.

Errors name the row, counted from 1 over all of the table's files, without lines of names.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.common.errors import DataError, closest, shortened
from sweeper.two_tower.config import ColumnsConfig
from sweeper.two_tower.data.column_names import listed_names
from sweeper.two_tower.data.table.arrays import combined, filled, is_text, row_of, texts_of
from sweeper.two_tower.data.table.csv_dialect import DELIMITERS

NUMERIC = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean,
    pa.types.is_null,
)  # fmt: skip
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def column_of(table: pa.Table, name: str, key: str) -> pa.ChunkedArray:
    """The column that a YAML key names.

    Raises:
      DataError: the table lacks it; names those that it has.
    """
    names = table.column_names
    if name not in names:
        table_key = key.rpartition(".")[0].removesuffix(".columns")
        hint = delimiter_hint(names, table_key) or closest(name, names)
        raise DataError(f"{key}: got {name!r}; must be one of {listed_names(names)}{hint}")
    return table[name]


def delimiter_hint(names: Sequence[str], key: str) -> str:
    """What ends an error of a missing column where a whole line is the only name, or "".

    Args:
      key: of the table, whose `csv.delimiter` is to be given.
    """
    others = [each for each in DELIMITERS if len(names) == 1 and each in names[0]]
    if not others:
        return ""
    override = f"{key}.csv.delimiter={json.dumps(others[0])}"
    return f". Is {others[0]!r} the delimiter? Then give {shlex.quote(override)}"


def check_columns(table: pa.Table, columns: ColumnsConfig) -> None:
    """Refuses a table that lacks any of the columns that stand for something.

    Raises:
      DataError: with a line for each of them.
    """
    problems = []
    for role in ("user", "item", "timestamp", "rating", "weight"):
        name = getattr(columns, role)
        try:
            if name is not None:
                column_of(table, name, f"data.columns.{role}")
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)


def numbers(
    column: pa.ChunkedArray, name: str, least: float = -np.inf, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """float64 [rows], and where they are missing.

    Raises:
      DataError: a value that is no finite number, or not from `least` to `most`, with its row.
    """
    array = combined(column)
    if is_text(array.type):
        array = texts_of(array)
        fits = pc.match_substring_regex(array, NUMBER)
        if row := row_of(filled(pc.invert(fits), False)):
            raise DataError(
                f"the column {name!r}, row {row}: got {shortened(repr(array[row - 1].as_py()))}; "
                "must be a number such as 4 or 3.5, with a point and without a unit"
            )
    elif not any(fits(array.type) for fits in NUMERIC):
        raise DataError(f"the column {name!r} has the type {array.type}; must be numbers")
    missing = np.asarray(array.is_null())
    # A whole number beyond 2^53 is rounded.
    values = filled(array.cast(pa.float64(), safe=False), 0.0)
    if row := row_of(~np.isfinite(values) | (values < least) | (values > most)):
        words = f"a number from {least:g} to {most:g}" if least > -np.inf else "a finite number"
        raise DataError(f"the column {name!r}, row {row}: got {values[row - 1]:g}; must be {words}")
    return values, missing
