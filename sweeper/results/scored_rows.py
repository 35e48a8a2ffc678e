"""The scored rows that trials saved: their ranks, and accuracies on segments of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from sweeper.common.errors import OutputError
from sweeper.results.clustered_tests import interval_over_users
from sweeper.two_tower.config import SEEN_FILTERED
from sweeper.two_tower.evaluation.metrics import row_values
from sweeper.two_tower.evaluation.segments import Segmentation, warm_and_cold

ACCURACY = re.compile(rf"({SEEN_FILTERED})?((?:top|ndcg)_\d+|mrr)")
MODEL = "model"
COLUMNS = ("user", "item", "user_rows", "item_rows", "model_rank", "model_seen_filtered_rank")
NUM_DECILES = 10


def read_ranks(path: Path) -> pyarrow.Table:
    """Reads a table of `sweeper.two_tower.evaluation.rows.row_table`.

    Raises:
      OutputError: it is missing, or can't be read.
    """
    if not path.exists():
        raise OutputError(f"{path}: is missing")
    try:
        ranks = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise OutputError(f"{path}: no ranks can be read from it: {error}") from error
    missing = [name for name in COLUMNS if name not in ranks.column_names]
    if missing:
        raise OutputError(f"{path}: has no column {', '.join(missing)}; not of this version")
    return ranks


def is_accuracy(metric: str) -> bool:
    """Returns whether a metric is a mean over scored rows, unlike the number of parameters."""
    return ACCURACY.fullmatch(metric) is not None


def both_metrics(metric: str) -> tuple[str, str]:
    """Returns the metric unfiltered and seen-filtered."""
    bare = metric.removeprefix(SEEN_FILTERED)
    return bare, f"{SEEN_FILTERED}{bare}"


def hits(ranks: pyarrow.Table, metric: str, scorer: str = MODEL) -> np.ndarray:
    """Returns what each row contributes to a metric, [rows]; for `top_k`, whether it is a hit.

    See `sweeper.two_tower.evaluation.metrics`.
    """
    found = ACCURACY.fullmatch(metric)
    assert found is not None, metric
    return row_values(found[2], np.asarray(ranks[f"{scorer}_{found[1] or ''}rank"]))


@dataclass(frozen=True)
class Decile:
    """Rows whose user, or candidate, has between `low` and `high` training rows."""

    low: int
    high: int
    rows: int
    accuracies: dict[str, float]


@dataclass(frozen=True)
class Segment:
    """A segment of the rows.

    Attributes:
      name: "warm", "cold_user" or "cold_item"; "repeat" or "new"; or one of a segmentation
        (`sweeper.two_tower.evaluation.segments`).
      intervals: 95 % confidence intervals over users, by the same names; None if the rows are of
        a single user. Only `by_parts` computes them.
    """

    name: str
    rows: int
    share: float
    accuracies: dict[str, float]
    intervals: dict[str, tuple[float, float] | None] = field(default_factory=dict)


def by_cold_start(ranks: pyarrow.Table, hits: Mapping[str, np.ndarray]) -> list[Segment]:
    """Returns accuracies on warm and on cold rows, for those that exist.

    Args:
      ranks, hits: as in `by_training_rows`.
    """
    return _by_part(
        warm_and_cold(np.asarray(ranks["user_rows"]), np.asarray(ranks["item_rows"])), hits
    )


def by_repetition(ranks: pyarrow.Table, hits: Mapping[str, np.ndarray]) -> list[Segment]:
    """Returns accuracies on repeat rows and on new pairs, for those that exist.

    Empty if an earlier version wrote the ranks, which did not distinguish them.

    Args:
      ranks, hits: as in `by_training_rows`.
    """
    if "is_repeat" not in ranks.column_names:
        return []
    is_repeat = np.asarray(ranks["is_repeat"])
    return _by_part({"repeat": is_repeat, "new": ~is_repeat}, hits)


def by_parts(
    parts: Segmentation, ranks: pyarrow.Table, hits: Mapping[str, np.ndarray]
) -> list[Segment]:
    """Returns accuracies on each part that has rows, with intervals over users.

    Empty if the ranks lack the column that defines the parts.

    Args:
      ranks, hits: as in `by_training_rows`.
    """
    if parts.column not in ranks.column_names:
        return []
    users, found = np.asarray(ranks["user"]), parts.masks(np.asarray(ranks[parts.column]))
    return [
        replace(
            part,
            intervals={
                name: _interval(values[found[part.name]], users[found[part.name]])
                for name, values in hits.items()
            },
        )
        for part in _by_part(found, hits)
    ]


def _interval(hits: np.ndarray, users: np.ndarray) -> tuple[float, float] | None:
    """Clips the interval to [0, 1]: Student's interval of few users may exceed it."""
    interval = interval_over_users(hits, users)
    return (max(interval[0], 0.0), min(interval[1], 1.0)) if interval else None


def _by_part(parts: Mapping[str, np.ndarray], hits: Mapping[str, np.ndarray]) -> list[Segment]:
    return [
        Segment(
            part,
            int(of.sum()),
            float(of.mean()),
            {name: float(values[of].mean()) for name, values in hits.items()},
        )
        for part, of in parts.items()
        if of.any()
    ]


def by_training_rows(ranks: pyarrow.Table, of: str, hits: Mapping[str, np.ndarray]) -> list[Decile]:
    """Returns accuracies on tenths of the rows, fewest training rows first.

    Args:
      ranks: the rows, see `sweeper.two_tower.evaluation.rows.row_table`.
      of: "user" for how active the user is, "item" for how popular the candidate is.
      hits: by name, how well each row was answered, [rows].
    """
    counts = np.asarray(ranks[f"{of}_rows"])
    return [
        Decile(
            int(counts[rows].min()),
            int(counts[rows].max()),
            len(rows),
            {name: float(values[rows].mean()) for name, values in hits.items()},
        )
        for rows in _tenths(counts)
    ]


def _tenths(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the positions of ten parts of about equal size; equal counts stay together."""
    order = np.argsort(counts, kind="stable")
    edges = [counts[order[len(order) * part // NUM_DECILES]] for part in range(1, NUM_DECILES)]
    group = np.searchsorted(np.unique(edges), counts, side="right")
    for part in np.unique(group):
        yield np.flatnonzero(group == part)
