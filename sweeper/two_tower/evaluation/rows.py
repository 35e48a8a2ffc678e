"""What became of each row that was scored, and of each candidate, for a report to look into."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow
import pyarrow.parquet

from sweeper.two_tower.config import SEEN_FILTERED
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.evaluation.cold_start import warm_and_cold
from sweeper.two_tower.evaluation.metrics import SHOWN
from sweeper.two_tower.evaluation.ranking import EVERY, RankingTask, Ranks, Scorer, rows_a_chunk
from sweeper.two_tower.evaluation.row_parts import HISTORY_LENGTH, TIME_SINCE_TRAINING, Parts

# Of each scorer there are so many parts that all metrics would make the most of a trial's record.
METRICS_OF_PARTS = tuple(
    f"{prefix}{name}" for prefix in ("", SEEN_FILTERED) for name in ("top_10", "top_100", "ndcg_10")
)


def row_table(
    ranks: Mapping[str, Ranks],
    task: RankingTask,
    interactions: Interactions,
    training_rows: np.ndarray,
) -> pyarrow.Table:
    """The ranks of each row's true candidate, and how much is known of its user and candidate.

    Args:
      ranks: by name, those of the task's rows.

    Returns:
      A row for each of the task: `user` and `item`, their numbers of training rows
      `user_rows` and `item_rows`, whether its user has its candidate already (`is_repeat`, see
      `RankingTask.seen_by`), and by each name `NAME_rank` and `NAME_seen_filtered_rank`,
      from 0. The latter is 2,147,483,647 (`NEVER_SHOWN`) in repeat rows. Files written before
      `is_repeat` was a column have the rank among unseen candidates there. Of data with times
      also `history_length`, the number of rows that the row's user had before it (see
      `data.histories`); and where all rows come after training, `seconds_since_training`,
      the time from the last training row to each.
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
    columns |= _columns_of_time(task, interactions, training_rows)
    for name, each in ranks.items():
        columns[f"{name}_rank"] = each.unfiltered
        columns[f"{name}_seen_filtered_rank"] = each.seen_filtered
    return pyarrow.table(columns)


def _columns_of_time(
    task: RankingTask, interactions: Interactions, training_rows: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of `row_table` that data with times have."""
    times = interactions.timestamps
    if times is None or task.histories is None or task.rows is None:
        return {}
    columns = {HISTORY_LENGTH.column: task.histories.lengths(task.rows)}
    seconds = times[task.rows] - times[training_rows].max()
    if (seconds >= 0).all():
        columns[TIME_SINCE_TRAINING.column] = seconds
    return columns


def metrics_by_cold_start(ranks: Ranks, table: pyarrow.Table) -> dict[str, dict[str, float]]:
    """Of warm rows and of cold ones, as far as there are any, their number `rows` and metrics.

    Args:
      ranks: the model's, or a baseline's.
      table: of the same rows, see `row_table`.
    """
    return _metrics_by_part(
        ranks, warm_and_cold(np.asarray(table["user_rows"]), np.asarray(table["item_rows"]))
    )


def metrics_by_repetition(ranks: Ranks) -> dict[str, dict[str, float]]:
    """Of "repeat" rows and of "new" pairs, as far as there are any, their number and metrics.

    A repeat row's user has its candidate already, see `RankingTask.seen_by`.
    """
    return _metrics_by_part(ranks, {"repeat": ranks.is_repeat, "new": ~ranks.is_repeat})


def metrics_by(
    parts: Parts, ranks: Ranks, table: pyarrow.Table, metric: str
) -> dict[str, dict[str, float]]:
    """By part, as far as there are any such rows, their number and the `METRICS_OF_PARTS`.

    Args:
      ranks: the model's, or a baseline's.
      table: of the same rows, see `row_table`; it has the column that the parts go by.
      metric: one more that is wanted.
    """
    wanted = ("rows", *METRICS_OF_PARTS, metric)
    found = _metrics_by_part(ranks, parts.of(np.asarray(table[parts.column])))
    return {
        part: {name: value for name, value in metrics.items() if name in wanted}
        for part, metrics in found.items()
    }


def _metrics_by_part(ranks: Ranks, parts: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    return {
        part: {"rows": float(of.sum()), **ranks.only(of).metrics()}
        for part, of in parts.items()
        if of.any()
    }


def as_parquet(table: pyarrow.Table) -> bytes:
    """The content of a Parquet file."""
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def coverage(scorer: Scorer, task: RankingTask, threads: int = 1) -> float:
    """The share of the catalogue that is among the first `SHOWN` of at least one row."""
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
