"""The tables beside an exported model: its candidates, and what is known of each user."""

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
# The items that histories are of, where the catalogue is a newer one.
HISTORY_ITEMS = "history_items.parquet"
EMBEDDING, SEEN = "embedding", "seen"


def kind_of(column: Column) -> str:
    """What a request has of a column: "string", "strings" or "number"."""
    kinds = {CategoricalColumn: "string", CategoricalListColumn: "strings", NumericColumn: "number"}
    return kinds[type(column)]


def candidate_table(columns: Mapping[str, Column], embeddings: np.ndarray) -> pa.Table:
    """All that is known of each candidate, in the catalogue's order, and last its embedding.

    The column of embeddings is called `EMBEDDING`, with a number if the data has a column of that
    name.
    """
    values = pa.array(embeddings.reshape(-1), pa.float32())
    vectors = pa.FixedSizeListArray.from_arrays(values, embeddings.shape[1])
    return pa.table({**_plain(columns), free_name(EMBEDDING, columns): vectors})


def user_table(interactions: Interactions, rows: np.ndarray, names: Mapping[str, str]) -> pa.Table:
    """A row for each user that the given rows of the data have, such as the training rows.

    Args:
      names: by column of the interactions, the user's among them, the name of its input.

    Returns:
      Each of these columns, named as its input, as the last of the user's rows has it, and
      `seen`: the candidates of these rows by their index, once each, the last chosen last.
    """
    rows = _by_time(interactions, rows)
    users, items = interactions.users[rows], interactions.items[rows]
    by_user = rows[np.argsort(users, kind="stable")]
    last = by_user[np.append(np.diff(interactions.users[by_user]) > 0, True)]
    known = interactions.users[last]
    # Of a pair that is there twice, the later one counts.
    pairs = users[::-1].astype(np.int64) * interactions.num_items + items[::-1]
    kept = len(rows) - 1 - np.sort(np.unique(pairs, return_index=True)[1])[::-1]
    order = kept[np.argsort(users[kept], kind="stable")]
    counts = np.bincount(users[kept], minlength=interactions.num_users)[known]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    seen = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(items[order], pa.int32()))
    columns = {
        name: interactions.query_columns[column].take(last) for column, name in names.items()
    }
    return pa.table({**_plain(columns), SEEN: seen})


def history_table(
    interactions: Interactions,
    training_rows: np.ndarray,
    names: Mapping[str, str],
    reads: Collection[str],
) -> pa.Table:
    """A row for each user of the data, for an export that reads histories.

    What such a model is asked is answered by all that is known of a user, whether it was trained
    on it or not.

    Args:
      names: as `user_table` has them.
      reads: what a request has of the history: `HISTORY`, `GAP`.

    Returns:
      As `user_table` of all rows, and `TRAINING_ROWS`, how many of the user's rows are training
      rows. With `HISTORY` the candidates of all the user's rows by their index, the last chosen
      last; with `GAP` the seconds from the user's last row to the newest of all.
    """
    table = user_table(interactions, np.arange(len(interactions)), names)
    rows = _by_time(interactions, np.arange(len(interactions)))
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
    """The last time among the rows; None where rows have none."""
    if name is None or interactions.timestamps is None:
        return None
    return float(interactions.timestamps[rows].max())


def _by_time(interactions: Interactions, rows: np.ndarray) -> np.ndarray:
    """The rows in the order of time, and of the data where times are equal or there are none."""
    rows = np.sort(rows)
    if interactions.timestamps is None:
        return rows
    return rows[np.argsort(interactions.timestamps[rows], kind="stable")]


def _plain(columns: Mapping[str, Column]) -> dict[str, pa.Array]:
    """As Arrow's own types, so that any reader of Parquet finds strings."""
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
    """A table of an export.

    Raises:
      OutputError: it can't be read.
    """
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path}: no table can be read from it: {error}") from error


def read_schema(path: Path) -> pa.Schema:
    """The columns of a table of an export.

    Raises:
      OutputError: they can't be read.
    """
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path}: no table can be read from it: {error}") from error
