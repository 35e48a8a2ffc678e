"""Top-k accuracy by counting.

The rank of a row's true candidate is the number of other candidates whose score
is greater than or equal to its own: no sort, and a tie never helps, so that a
model that scores everything alike gets 0. Without ties the figures equal
`tfrs.metrics.FactorizedTopK`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from sweeper.config import TOP_K
from sweeper.data.interactions import Interactions
from sweeper.data.split import Split
from sweeper.errors import TrialError

# A thread holds the scores of about this many (row, candidate) pairs at a time.
PAIRS_A_CHUNK = 1_000_000

# Scores of the rows between two positions: (start, stop) -> [stop - start, candidates].
Scorer = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class SeenItems:
    """The distinct candidates that each user has in the training rows.

    Attributes:
      offsets: [users + 1]; user u has items[offsets[u]:offsets[u + 1]].
      items: [pairs] candidate indices.
    """

    offsets: np.ndarray
    items: np.ndarray

    @classmethod
    def from_rows(
        cls, users: np.ndarray, items: np.ndarray, num_users: int, num_candidates: int
    ) -> SeenItems:
        """From the user and the candidate of each training row."""
        pairs = np.unique(users.astype(np.int64) * num_candidates + items)
        counts = np.bincount(pairs // num_candidates, minlength=num_users)
        return cls(np.concatenate([[0], np.cumsum(counts)]), pairs % num_candidates)

    def of(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row, item) of every candidate seen by the user of each row, two arrays."""
        counts = self.offsets[users + 1] - self.offsets[users]
        rows = np.repeat(np.arange(len(users)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self.items[np.repeat(self.offsets[users], counts) + within]


@dataclass(frozen=True)
class RankingTask:
    """The rows to score: who asks, and what the right answer is.

    Attributes:
      users, items: [rows], the user and the true candidate of each row.
      num_candidates: the size of the catalogue.
      seen: what is left out of the competition in the filtered figures.
    """

    users: np.ndarray
    items: np.ndarray
    num_candidates: int
    seen: SeenItems

    def __len__(self) -> int:
        return len(self.users)


def ranking_tasks(interactions: Interactions, split: Split) -> dict[str, RankingTask]:
    """A task for each part that is held out and not empty, "validation" and "test"."""
    users, items = interactions.users, interactions.items
    seen = SeenItems.from_rows(
        users[split.train], items[split.train], interactions.num_users, interactions.num_items
    )
    return {
        name: RankingTask(users[rows], items[rows], interactions.num_items, seen)
        for name, rows in (("validation", split.validation), ("test", split.test))
        if len(rows)
    }


@dataclass(frozen=True)
class Ranks:
    """The rank of each row's true candidate, from 0; [rows] each.

    `seen_filtered` leaves out the candidates that the user has in the training
    rows, except the true one.
    """

    unfiltered: np.ndarray
    seen_filtered: np.ndarray

    def metrics(self) -> dict[str, float]:
        """Shares of rows with a rank below k: `top_100`, `seen_filtered_top_100`, ..."""
        parts = {"": self.unfiltered, "seen_filtered_": self.seen_filtered}
        return {
            f"{prefix}top_{k}": float(np.mean(ranks < k))
            for prefix, ranks in parts.items()
            for k in TOP_K
        }


def rank(scorer: Scorer, task: RankingTask, name: str = "the model", threads: int = 1) -> Ranks:
    """Ranks each row's true candidate among the catalogue, in chunks side by side.

    Args:
      scorer: gives the scores of a run of rows; called from several threads.
      task: the rows.
      name: whose scores they are, for errors.
      threads: how many chunks are in work at a time.

    Raises:
      TrialError: a score is not finite.
    """
    size = max(1, PAIRS_A_CHUNK // task.num_candidates)
    starts = range(0, len(task), size)
    with ThreadPoolExecutor(threads) as pool:
        chunks = list(
            pool.map(lambda start: _rank_chunk(scorer, task, start, start + size, name), starts)
        )
    return Ranks(
        np.concatenate([unfiltered for unfiltered, _ in chunks]),
        np.concatenate([seen_filtered for _, seen_filtered in chunks]),
    )


def _rank_chunk(
    scorer: Scorer, task: RankingTask, start: int, stop: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Both ranks of the rows from `start` to `stop`."""
    stop = min(stop, len(task))
    scores = np.ascontiguousarray(scorer(start, stop))
    # Not a number and either infinity all make the sum not finite.
    if not np.isfinite(scores.sum()):
        raise TrialError(
            f"{name} gave a score that is not finite among rows {start} to {stop - 1}; "
            "the training has diverged"
        )
    every, items = np.arange(stop - start), task.items[start:stop]
    ahead = scores >= scores[every, items][:, None]
    ahead[every, items] = False
    unfiltered = ahead.sum(axis=1, dtype=np.int32)
    rows, seen = task.seen.of(task.users[start:stop])
    seen_ahead = rows[ahead.reshape(-1).take(rows * task.num_candidates + seen)]
    return unfiltered, unfiltered - np.bincount(seen_ahead, minlength=stop - start)
