"""Interactions: which user chose which item, and when."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sweeper.common.errors import DataChangedError, DataError
from sweeper.two_tower.data.columns import CategoricalColumn, Column, NumericColumn


@dataclass(frozen=True, eq=False)
class Interactions:
    """Rows of a user and a candidate, and the catalogue of candidates.

    Attributes:
      query_columns: columns with one entry for each row: the user, the time, the rating, and
        features of the user, in the order of the source.
      candidate_columns: columns with one entry for each candidate; candidates are distinct, and
        sorted by `item_column`.
      users: int32 [num_rows], the row's user, from 0 to num_users - 1.
      items: int32 [num_rows], the row's candidate, from 0 to num_items - 1.
      timestamps: int64 [num_rows], seconds since 1970 (UTC); None if there are none.
      user_column: the name of the column of users in `query_columns`.
      item_column: the name of the column of candidates in `candidate_columns`.
      timestamp_column: the name of the column of times in `query_columns`; None if there is none.
      source: where the rows came from, for people.
      fingerprint: SHA-256 of the contents (not of `source`), in hexadecimal.
      weights: float32 [num_rows], the weight of each row in the loss; None if all weigh 1.
      dropped: the number of dropped rows of the source, by reason.
    """

    query_columns: dict[str, Column]
    candidate_columns: dict[str, Column]
    users: np.ndarray
    items: np.ndarray
    timestamps: np.ndarray | None
    user_column: str
    item_column: str
    source: str
    fingerprint: str
    timestamp_column: str | None = "timestamp"
    weights: np.ndarray | None = None
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def num_users(self) -> int:
        return len(_categorical(self.query_columns, self.user_column).categories)

    @property
    def num_items(self) -> int:
        return len(self.item_names)

    @property
    def item_names(self) -> list[str]:
        """The value of each candidate in `item_column`."""
        return _categorical(self.candidate_columns, self.item_column).categories


def check_contents(interactions: Interactions, expected: str | None) -> None:
    """Raises DataChangedError if the fingerprint isn't the expected one; None accepts any."""
    if expected not in (None, interactions.fingerprint):
        raise DataChangedError(
            f"data: {interactions.source}, as {socket.gethostname()} has it, isn't the data that "
            f"the study began with (its fingerprint is {interactions.fingerprint:.12}, and was "
            f"{expected:.12}); put that data back, on every machine, or start anew with another "
            "study.name or hydra.sweep.dir"
        )


def assemble(
    query_columns: dict[str, Column],
    items: np.ndarray,
    candidate_columns: dict[str, Column],
    source: str,
    fingerprint: str | None = None,
    user_column: str = "user_id",
    item_column: str = "movie_title",
    timestamp_column: str | None = "timestamp",
    weights: np.ndarray | None = None,
    dropped: dict[str, int] | None = None,
) -> Interactions:
    """Combines columns into interactions; computes the fingerprint if it isn't given.

    Raises:
      DataError: the columns don't fit together.
    """
    timestamps = None
    if timestamp_column is not None:
        times = query_columns[timestamp_column]
        if not isinstance(times, NumericColumn):
            raise DataError(f"The column {timestamp_column!r} should hold numbers.")
        timestamps = times.values
    lengths = {name: len(column) for name, column in query_columns.items()}
    if set(lengths.values()) != {len(items)} or len(items) == 0:
        raise DataError(f"Columns of different lengths, or empty ones: {lengths}.")
    if fingerprint is None:
        fingerprint = _fingerprint(query_columns, items, candidate_columns, weights)
    return Interactions(
        query_columns=query_columns,
        candidate_columns=candidate_columns,
        users=_categorical(query_columns, user_column).codes,
        items=items,
        timestamps=timestamps,
        user_column=user_column,
        item_column=item_column,
        source=source,
        fingerprint=fingerprint,
        timestamp_column=timestamp_column,
        weights=weights,
        dropped=dropped or {},
    )


def _categorical(columns: dict[str, Column], name: str) -> CategoricalColumn:
    column = columns[name]
    if not isinstance(column, CategoricalColumn):
        raise DataError(f"The column {name!r} should hold one word a row.")
    return column


def _fingerprint(
    query_columns: dict[str, Column],
    items: np.ndarray,
    candidate_columns: dict[str, Column],
    weights: np.ndarray | None,
) -> str:
    digest = hashlib.sha256()

    def add(part: str | np.ndarray) -> None:
        if isinstance(part, str):
            data: Any = part.encode()
        else:
            digest.update(str(part.dtype).encode())
            data = np.ascontiguousarray(part).view(np.uint8)
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)

    add(items)
    if weights is not None:
        add(weights)
    for role, columns in (("query", query_columns), ("candidate", candidate_columns)):
        for name, column in columns.items():
            add(f"{role}:{name}:{type(column).__name__}")
            for part in vars(column).values():
                if isinstance(part, np.ndarray):
                    add(part)
                else:
                    add("\0".join([str(len(part)), *part]))
    return digest.hexdigest()
