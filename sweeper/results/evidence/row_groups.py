"""Accuracy on parts of the scored rows: by popularity, activity, history, age; warm, repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow

from sweeper.results.evidence.clustered_tests import interval_over_users
from sweeper.two_tower.evaluation.segments import Segmentation, warm_and_cold

GROUPS = 10


@dataclass(frozen=True)
class Group:
    """Rows whose user, or candidate, has between `low` and `high` training rows."""

    low: int
    high: int
    rows: int
    accuracies: dict[str, float]


@dataclass(frozen=True)
class Part:
    """Some of the rows.

    Attributes:
      part: "warm", "cold_user" or "cold_item" (`evaluation.segments`); "repeat" or "new"; or
        one of `sweeper.two_tower.evaluation.segments`.
      intervals: as the accuracies, those of 95 %, had other users been asked; None where the
        rows are of a single user. Of the last kind of part alone.
    """

    part: str
    rows: int
    share: float
    accuracies: dict[str, float]
    intervals: dict[str, tuple[float, float] | None] = field(default_factory=dict)


def by_cold_start(ranks: pyarrow.Table, hits: Mapping[str, np.ndarray]) -> list[Part]:
    """Accuracies on warm rows and on cold ones, as far as there are any.

    Args:
      ranks, hits: as `by_training_rows` has them.
    """
    return _by_part(
        warm_and_cold(np.asarray(ranks["user_rows"]), np.asarray(ranks["item_rows"])), hits
    )


def by_repetition(ranks: pyarrow.Table, hits: Mapping[str, np.ndarray]) -> list[Part]:
    """Accuracies on repeat rows and on new pairs, as far as there are any.

    Empty where the ranks are of an earlier version, which didn't tell these apart.

    Args:
      ranks, hits: as `by_training_rows` has them.
    """
    if "is_repeat" not in ranks.column_names:
        return []
    is_repeat = np.asarray(ranks["is_repeat"])
    return _by_part({"repeat": is_repeat, "new": ~is_repeat}, hits)


def by_parts(
    parts: Segmentation, ranks: pyarrow.Table, hits: Mapping[str, np.ndarray]
) -> list[Part]:
    """Accuracies on each part that has rows, with intervals over users.

    Empty where the ranks don't have the column that the parts go by.

    Args:
      ranks, hits: as `by_training_rows` has them.
    """
    if parts.column not in ranks.column_names:
        return []
    users, found = np.asarray(ranks["user"]), parts.masks(np.asarray(ranks[parts.column]))
    return [
        replace(
            part,
            intervals={
                name: _interval(values[found[part.part]], users[found[part.part]])
                for name, values in hits.items()
            },
        )
        for part in _by_part(found, hits)
    ]


def _interval(hits: np.ndarray, users: np.ndarray) -> tuple[float, float] | None:
    """Of an accuracy, which is never below 0 or above 1; Student's of few users may be."""
    interval = interval_over_users(hits, users)
    return (max(interval[0], 0.0), min(interval[1], 1.0)) if interval else None


def _by_part(parts: Mapping[str, np.ndarray], hits: Mapping[str, np.ndarray]) -> list[Part]:
    return [
        Part(
            part,
            int(of.sum()),
            float(of.mean()),
            {name: float(values[of].mean()) for name, values in hits.items()},
        )
        for part, of in parts.items()
        if of.any()
    ]


def by_training_rows(ranks: pyarrow.Table, of: str, hits: Mapping[str, np.ndarray]) -> list[Group]:
    """Accuracies on tenths of the rows, fewest training rows first.

    Args:
      ranks: the rows, see `sweeper.two_tower.evaluation.rows.row_table`.
      of: "user" for how active the user is, "item" for how popular the candidate is.
      hits: by name, how well each row was answered, [rows].
    """
    counts = np.asarray(ranks[f"{of}_rows"])
    return [
        Group(
            int(counts[rows].min()),
            int(counts[rows].max()),
            len(rows),
            {name: float(values[rows].mean()) for name, values in hits.items()},
        )
        for rows in _tenths(counts)
    ]


def _tenths(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Positions in ten parts of about equal size; equal counts stay together."""
    order = np.argsort(counts, kind="stable")
    edges = [counts[order[len(order) * part // GROUPS]] for part in range(1, GROUPS)]
    group = np.searchsorted(np.unique(edges), counts, side="right")
    for part in np.unique(group):
        yield np.flatnonzero(group == part)
