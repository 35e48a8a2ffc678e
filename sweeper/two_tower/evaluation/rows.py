"""The ranks of each scored row, their metrics by segment, and the catalogue coverage."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow
import pyarrow.parquet

from sweeper.two_tower.config import SEEN_FILTERED
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.evaluation.metrics import SHOWN
from sweeper.two_tower.evaluation.ranking import EVERY, RankingTask, Ranks, Scorer, rows_a_chunk
from sweeper.two_tower.evaluation.segments import (
    HISTORY_LENGTH,
    TIME_SINCE_TRAINING,
    Segmentation,
    warm_and_cold,
)

# All metrics of each segment and scorer would be most of a trial's record.
SEGMENT_METRICS = tuple(
    f"{prefix}{name}" for prefix in ("", SEEN_FILTERED) for name in ("top_10", "top_100", "ndcg_10")
)


def row_table(
    ranks: Mapping[str, Ranks],
    task: RankingTask,
    interactions: Interactions,
    training_rows: np.ndarray,
) -> pyarrow.Table:
    """Tabulates the ranks of each row's true candidate and what training knew of its user and it.

    Args:
      ranks: the ranks of the task's rows, by scorer.

    Returns:
      A row for each of the task: `user` and `item`, their numbers of training rows
      `user_rows` and `item_rows`, whether its user has its candidate already (`is_repeat`, see
      `RankingTask.seen_by`), and of each scorer `NAME_rank` and `NAME_seen_filtered_rank`,
      from 0. The latter is 2,147,483,647 (`NEVER_SHOWN`) in repeat rows; files written
      before `is_repeat` was a column have the rank among unseen candidates there. Data with times
      also has `history_length`, the number of rows that the row's user had before it (see
      `data.histories`), and, where all rows come after training, `seconds_since_training`, the
      time from the last training row to the row.
    """

    def training_counts(column: np.ndarray, size: int) -> np.ndarray:
        return np.bincount(column[training_rows], minlength=size).astype(np.int32)

    columns = {
        "user": task.users,
        "item": task.items,
        "user_rows": training_counts(interactions.users, interactions.num_users)[task.users],
        "item_rows": training_counts(interactions.items, interactions.num_items)[task.items],
    }
    columns["is_repeat"] = next(iter(ranks.values())).is_repeat
    times = interactions.timestamps
    if times is not None and task.histories is not None and task.rows is not None:
        columns[HISTORY_LENGTH.column] = task.histories.lengths(task.rows)
        seconds = times[task.rows] - times[training_rows].max()
        if (seconds >= 0).all():
            columns[TIME_SINCE_TRAINING.column] = seconds
    for name, each in ranks.items():
        columns[f"{name}_rank"] = each.unfiltered
        columns[f"{name}_seen_filtered_rank"] = each.seen_filtered
    return pyarrow.table(columns)


def metrics_by_cold_start(ranks: Ranks, table: pyarrow.Table) -> dict[str, dict[str, float]]:
    """Computes the number `rows` and the metrics of warm and of cold rows, where there are any.

    Args:
      ranks: of the model or of a baseline.
      table: of the same rows, see `row_table`.
    """
    return _metrics_of_masks(
        ranks, warm_and_cold(np.asarray(table["user_rows"]), np.asarray(table["item_rows"]))
    )


def metrics_by_repetition(ranks: Ranks) -> dict[str, dict[str, float]]:
    """Computes the number and the metrics of "repeat" rows and "new" pairs, where there are any.

    The user of a repeat row has its candidate already, see `RankingTask.seen_by`.
    """
    return _metrics_of_masks(ranks, {"repeat": ranks.is_repeat, "new": ~ranks.is_repeat})


def metrics_by_segment(
    segmentation: Segmentation, ranks: Ranks, table: pyarrow.Table, metric: str
) -> dict[str, dict[str, float]]:
    """Computes the number of rows and the `SEGMENT_METRICS` of each segment that has rows.

    Args:
      ranks: of the model or of a baseline.
      table: of the same rows, see `row_table`; it has the column of the segmentation.
      metric: a further metric to compute.
    """
    wanted = ("rows", *SEGMENT_METRICS, metric)
    masks = segmentation.masks(np.asarray(table[segmentation.column]))
    return {
        segment: {name: value for name, value in metrics.items() if name in wanted}
        for segment, metrics in _metrics_of_masks(ranks, masks).items()
    }


def _metrics_of_masks(ranks: Ranks, masks: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    return {
        segment: {"rows": float(mask.sum()), **ranks.only(mask).metrics()}
        for segment, mask in masks.items()
        if mask.any()
    }


def as_parquet(table: pyarrow.Table) -> bytes:
    """Returns the content of a Parquet file."""
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def coverage(scorer: Scorer, task: RankingTask, threads: int = 1) -> float:
    """Computes the share of the catalogue that is among the first `SHOWN` of at least one row."""
    size = rows_a_chunk(task.num_candidates)
    first = min(SHOWN, task.num_candidates)

    def shown(start: int) -> np.ndarray:
        scores = scorer(start, min(start + size, len(task)), EVERY)
        is_shown = np.zeros(task.num_candidates, bool)
        is_shown[np.argpartition(scores, -first, axis=1)[:, -first:]] = True
        return is_shown

    with ThreadPoolExecutor(threads) as pool:
        chunks = list(pool.map(shown, range(0, len(task), size)))
    return int(np.any(chunks, axis=0).sum()) / task.num_candidates
