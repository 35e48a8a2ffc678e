"""The tables of an export: its candidates, and what is known about each user."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.common.errors import OutputError
from sweeper.serving.input_names import GAP, HISTORY, TRAINING_ROWS, free_name
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
    to_arrow,
)
from sweeper.two_tower.data.interactions import Interactions

CANDIDATES, USERS, EMBEDDINGS = "candidates.parquet", "users.parquet", "candidates.npy"
INDEX, QUERY_TOWER, CANDIDATE_TOWER = "candidates.faiss", "query_tower", "candidate_tower"
# The items that histories refer to, if the catalogue is a newer one.
HISTORY_ITEMS = "history_items.parquet"
EMBEDDING, SEEN = "embedding", "seen"


def kind_of(column: Column) -> str:
    """Returns the kind of a column's values in a request: "string", "strings" or "number"."""
    kinds = {CategoricalColumn: "string", CategoricalListColumn: "strings", NumericColumn: "number"}
    return kinds[type(column)]


def candidate_table(columns: Mapping[str, Column], embeddings: np.ndarray) -> pa.Table:
    """Makes the table of candidates, in the catalogue's order; the last column is the embedding.

    That column is named `EMBEDDING`, with a number if the data has a column of that name.
    """
    values = pa.array(embeddings.reshape(-1), pa.float32())
    vectors = pa.FixedSizeListArray.from_arrays(values, embeddings.shape[1])
    return pa.table({**_arrow_columns(columns), free_name(EMBEDDING, columns): vectors})


def user_table(interactions: Interactions, rows: np.ndarray, names: Mapping[str, str]) -> pa.Table:
    """Makes a table with a row for each user of the given rows of the data.

    Args:
      rows: such as the training rows.
      names: by column of the interactions, including that of users, the name of its input.

    Returns:
      The value of each of these columns in the user's last row, named as the input, and `seen`:
      the indices of the candidates in these rows, once each, the last chosen last.
    """
    rows = _sorted_by_time(interactions, rows)
    users, items = interactions.users[rows], interactions.items[rows]
    by_user = rows[np.argsort(users, kind="stable")]
    last = by_user[np.append(np.diff(interactions.users[by_user]) > 0, True)]
    known = interactions.users[last]
    # If a pair occurs twice, the later one counts.
    pairs = users[::-1].astype(np.int64) * interactions.num_items + items[::-1]
    kept = len(rows) - 1 - np.sort(np.unique(pairs, return_index=True)[1])[::-1]
    order = kept[np.argsort(users[kept], kind="stable")]
    counts = np.bincount(users[kept], minlength=interactions.num_users)[known]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    seen = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(items[order], pa.int32()))
    columns = {
        name: interactions.query_columns[column].take(last) for column, name in names.items()
    }
    return pa.table({**_arrow_columns(columns), SEEN: seen})


def history_table(
    interactions: Interactions,
    training_rows: np.ndarray,
    names: Mapping[str, str],
    reads: Collection[str],
) -> pa.Table:
    """Makes a table with a row for each user of the data, for an export that reads histories.

    Such a model answers by all that is known about a user, whether it was trained on it or not.

    Args:
      names: as in `user_table`.
      reads: the inputs of a history that the model reads: `HISTORY`, `GAP`.

    Returns:
      The columns of `user_table` for all rows, and `TRAINING_ROWS`, the number of the user's
      training rows; with `HISTORY`, the indices of the candidates in all the user's rows, the
      last chosen last; with `GAP`, the seconds from the user's last row to the newest of all.
    """
    table = user_table(interactions, np.arange(len(interactions)), names)
    rows = _sorted_by_time(interactions, np.arange(len(interactions)))
    by_user = rows[np.argsort(interactions.users[rows], kind="stable")]
    counts = np.bincount(interactions.users, minlength=interactions.num_users)
    known = np.flatnonzero(counts)
    stops = np.cumsum(counts[known])
    trained = np.bincount(interactions.users[training_rows], minlength=interactions.num_users)
    more = {TRAINING_ROWS: pa.array(trained[known])}
    if HISTORY in reads:
        more[HISTORY] = pa.LargeListArray.from_arrays(
            pa.array(np.concatenate([[0], stops])),
            pa.array(interactions.items[by_user], pa.int32()),
        )
    if GAP in reads:
        times = interactions.timestamps
        assert times is not None
        more[GAP] = pa.array((times.max() - times[by_user[stops - 1]]).astype(np.float64))
    for name, values in more.items():
        table = table.append_column(name, values)
    return table


def newest(interactions: Interactions, rows: np.ndarray, name: str | None) -> float | None:
    """Returns the latest time of the rows; None if rows have no time."""
    if name is None or interactions.timestamps is None:
        return None
    return float(interactions.timestamps[rows].max())


def _sorted_by_time(interactions: Interactions, rows: np.ndarray) -> np.ndarray:
    """Sorts rows by time, and rows with equal times, or without times, by their index."""
    rows = np.sort(rows)
    if interactions.timestamps is None:
        return rows
    return rows[np.argsort(interactions.timestamps[rows], kind="stable")]


def _arrow_columns(columns: Mapping[str, Column]) -> dict[str, pa.Array]:
    """Converts columns to Arrow's basic types, so that any reader of Parquet finds strings."""
    tables = {}
    for name, column in columns.items():
        array = to_arrow(column)
        if isinstance(column, CategoricalColumn):
            array = array.cast(pa.string())
        if isinstance(column, CategoricalListColumn):
            array = pa.LargeListArray.from_arrays(array.offsets, array.values.cast(pa.string()))
        tables[name] = array
    return tables


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Reads a table of an export.

    Raises:
      OutputError: it can't be read.
    """
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path}: no table can be read from it: {error}") from error


def read_schema(path: Path) -> pa.Schema:
    """Reads the names and types of the columns of a table of an export.

    Raises:
      OutputError: they can't be read.
    """
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path}: no table can be read from it: {error}") from error
