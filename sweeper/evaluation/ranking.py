"""Top-k accuracy by counting.

The rank of a row's true candidate is the number of other candidates whose score
is greater than or equal to its own: no sort, and a tie never helps, so that a
model that scores everything alike gets 0. Without ties the figures equal
`tfrs.metrics.FactorizedTopK`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sweeper.config import TOP_K
from sweeper.errors import TrialError

# Scores of about this many (row, candidate) pairs are held at a time.
PAIRS_A_CHUNK = 4_000_000

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


def rank(scorer: Scorer, task: RankingTask, name: str = "the model") -> Ranks:
    """Ranks each row's true candidate among the catalogue, in chunks.

    Raises:
      TrialError: a score is not finite.
    """
    rows_a_chunk = max(1, PAIRS_A_CHUNK // task.num_candidates)
    unfiltered = np.empty(len(task), np.int64)
    seen_filtered = np.empty(len(task), np.int64)
    for start in range(0, len(task), rows_a_chunk):
        stop = min(start + rows_a_chunk, len(task))
        scores = scorer(start, stop)
        if not np.isfinite(scores.min()) or not np.isfinite(scores.max()):
            raise TrialError(
                f"{name} gave a score that is not finite among rows {start} to {stop - 1}; "
                "the training has diverged"
            )
        items = task.items[start:stop]
        own = scores[np.arange(stop - start), items]
        at_least = np.count_nonzero(scores >= own[:, None], axis=1) - 1
        rows, seen = task.seen.of(task.users[start:stop])
        ahead = (scores[rows, seen] >= own[rows]) & (seen != items[rows])
        unfiltered[start:stop] = at_least
        seen_filtered[start:stop] = at_least - np.bincount(
            rows, weights=ahead, minlength=stop - start
        ).astype(np.int64)
    return Ranks(unfiltered, seen_filtered)
