"""The rank of each row's true candidate, by counting.

The rank is the number of other candidates whose score is at least its own. There is no sort, and a
tie never helps: a model that gives everything the same score ranks last. Without ties the top-k
accuracies equal `tfrs.metrics.FactorizedTopK`. Each row counts once, whatever its weight in the
loss.

Seen-filtered ranks are those of a product that never shows what the user has already: such
candidates don't compete, and a row whose own candidate is one of them is always a miss.
`sweeper.serving` filters in the same way. `evaluation.seen` says whether a user has the items of
the training rows, or all items from before the row.

Where only a sample of the catalogue competes, ranks are smaller and may order models in another
way: Krichene and Rendle, "On sampled metrics for item
recommendation", KDD 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from sweeper.common.errors import ConfigError, TrialError
from sweeper.two_tower.config import (
    SEEN_FILTERED,
    UNFILTERED_METRICS,
    DataConfig,
    EvaluationConfig,
    seen_reading,
)
from sweeper.two_tower.data.histories import Histories, histories_of
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import Split
from sweeper.two_tower.evaluation.metrics import NEVER_SHOWN, row_values

# A thread scores about PAIRS_A_CHUNK (row, candidate) pairs at a time, but at least ROWS_A_CHUNK
# rows, so that the product of matrices is efficient.
PAIRS_A_CHUNK, ROWS_A_CHUNK = 1_000_000, 64

# A scorer returns the scores of the rows between two positions, for chosen candidates or for all
# (`slice(None)`): (start, stop, candidates) -> [stop - start, candidates].
Candidates = np.ndarray | slice
Scorer = Callable[[int, int, Candidates], np.ndarray]
EVERY = slice(None)


@dataclass(frozen=True)
class SeenItems:
    """The distinct candidates that each user has in the training rows.

    Attributes:
      offsets: [users + 1]; user u has items[offsets[u]:offsets[u + 1]].
      items: int32 [pairs], candidate indices.
    """

    offsets: np.ndarray
    items: np.ndarray

    @classmethod
    def from_rows(
        cls, users: np.ndarray, items: np.ndarray, num_users: int, num_candidates: int
    ) -> SeenItems:
        """Makes them from the user and the candidate of each training row."""
        pairs = _distinct(users.astype(np.int64) * num_candidates + items)
        counts = np.bincount(pairs // num_candidates, minlength=num_users)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return cls(offsets, (pairs % num_candidates).astype(np.int32))

    def counts(self, users: np.ndarray) -> np.ndarray:
        """Returns the number of candidates that the user of each row has seen, [rows]."""
        return self.offsets[users + 1] - self.offsets[users]

    def of(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns two arrays, (row, item) of every candidate seen by the user of each row."""
        counts = self.counts(users)
        rows = np.repeat(np.arange(len(users)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self.items[np.repeat(self.offsets[users], counts) + within]


@dataclass(frozen=True)
class RankingTask:
    """The rows to score: the user and the right answer of each.

    Attributes:
      users, items: [rows], the user and the true candidate of each row.
      num_candidates: the size of the catalogue.
      seen: what the filtered metrics never show, unless `hides_before`.
      sample: [sampled] sorted; the candidates that compete with the true one. None: all.
      rows: [rows], each row's index in the data; None: the rows belong to no data.
      histories: what each row's user had before it, by its index in the data; None: the data has
        no times.
      hides_before: whether the filtered metrics never show what is in a row's history.
    """

    users: np.ndarray
    items: np.ndarray
    num_candidates: int
    seen: SeenItems
    sample: np.ndarray | None = None
    rows: np.ndarray | None = None
    histories: Histories | None = None
    hides_before: bool = False

    def __len__(self) -> int:
        return len(self.users)

    def seen_by(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns (row, item) of each candidate that the rows `start` to `stop` are never shown.

        Rows count from 0 at `start`, and all pairs are distinct.
        """
        if not self.hides_before:
            return self.seen.of(self.users[start:stop])
        assert self.histories is not None
        assert self.rows is not None
        rows, items = self.histories.pairs(self.rows[start:stop])
        return np.divmod(_distinct(rows * self.num_candidates + items), self.num_candidates)

    def largest_rank(self, is_filtered: bool) -> int:
        """Returns the largest rank that any row but a repeat row can have, whatever the scores."""
        if self.sample is not None:
            return len(self.sample) - int(np.isin(self.items, self.sample).all())
        hidden = 0
        if is_filtered and not self.hides_before:
            hidden = int(self.seen.counts(self.users).min())
        return self.num_candidates - 1 - hidden


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """Returns the distinct non-negative numbers, sorted."""
    # np.unique hashes integers and takes 36 s for 17 M; this takes 0.7 s.
    numbers = np.sort(numbers)
    return numbers[np.diff(numbers, prepend=-1) > 0]


def ranking_tasks(
    data: DataConfig, evaluation: EvaluationConfig, interactions: Interactions, split: Split
) -> dict[str, RankingTask]:
    """Makes a task for each held-out part that has rows, "validation" and "test".

    Raises:
      ConfigError: the catalogue has no more candidates than should be sampled; or what came before
        a row should be hidden, and the data has no times.
    """
    users, items = interactions.users, interactions.items
    seen = SeenItems.from_rows(
        users[split.train], items[split.train], interactions.num_users, interactions.num_items
    )
    sample = draw_sample(evaluation.sampled_candidates, interactions.num_items)
    histories = None
    hides_before = seen_reading(data.split, evaluation.seen) == "before"
    if hides_before and interactions.timestamps is None:
        raise ConfigError(
            "evaluation.seen: got 'before', and the data has no times; must be 'training', or "
            "data.columns.timestamp a column of it"
        )
    if interactions.timestamps is not None:
        histories = histories_of(data, interactions, split.train)
    return {
        name: RankingTask(
            users[rows],
            items[rows],
            interactions.num_items,
            seen,
            sample,
            rows,
            histories,
            hides_before,
        )
        for name, rows in (("validation", split.validation), ("test", split.test))
        if len(rows)
    }


def draw_sample(size: int | None, num_candidates: int) -> np.ndarray | None:
    """Draws distinct candidates uniformly and sorts them, [size]; each call draws the same."""
    if size is None:
        return None
    if size >= num_candidates:
        raise ConfigError(
            f"evaluation.sampled_candidates: got {size:,} of a catalogue of {num_candidates:,}; "
            "must be fewer, or null for all"
        )
    return np.sort(np.random.default_rng(size).choice(num_candidates, size, replace=False))


@dataclass(frozen=True)
class Ranks:
    """The rank of each row's true candidate, from 0; int32 [rows] each.

    Attributes:
      unfiltered: the rank among all candidates.
      seen_filtered: the rank among those that the user doesn't have already, see
        `RankingTask.seen_by`; `NEVER_SHOWN` in rows whose true candidate the user has.
    """

    unfiltered: np.ndarray
    seen_filtered: np.ndarray

    @property
    def is_repeat(self) -> np.ndarray:
        """Whether the row's user has its candidate already, bool [rows]."""
        return self.seen_filtered == NEVER_SHOWN

    def only(self, rows: np.ndarray) -> Ranks:
        """Returns the ranks of chosen rows; `rows` is a mask or has positions."""
        return Ranks(self.unfiltered[rows], self.seen_filtered[rows])

    def metrics(self) -> dict[str, float]:
        """Computes all `sweeper.two_tower.config.METRICS`, by name: their means over the rows."""
        parts = {"": self.unfiltered, SEEN_FILTERED: self.seen_filtered}
        return {
            f"{prefix}{name}": float(np.mean(row_values(name, ranks)))
            for prefix, ranks in parts.items()
            for name in UNFILTERED_METRICS
        }


def rank(scorer: Scorer, task: RankingTask, name: str = "the model", threads: int = 1) -> Ranks:
    """Ranks each row's true candidate among the catalogue, in chunks side by side.

    Args:
      scorer: returns the scores of a run of rows; called from several threads.
      task: the rows.
      name: the scorer's name, for errors.
      threads: the number of chunks that are computed at a time.

    Raises:
      TrialError: a score is not finite.
    """
    size = rows_a_chunk(task.num_candidates if task.sample is None else len(task.sample))
    starts = range(0, len(task), size)
    with ThreadPoolExecutor(threads) as pool:
        chunks = list(
            pool.map(lambda start: _rank_chunk(scorer, task, start, start + size, name), starts)
        )
    return Ranks(
        np.concatenate([unfiltered for unfiltered, _ in chunks]),
        np.concatenate([seen_filtered for _, seen_filtered in chunks]),
    )


def rows_a_chunk(num_candidates: int) -> int:
    """Returns the number of rows that are scored at a time."""
    return max(PAIRS_A_CHUNK // num_candidates, ROWS_A_CHUNK)


def _rank_chunk(
    scorer: Scorer, task: RankingTask, start: int, stop: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Computes both ranks of the rows from `start` to `stop`."""
    stop = min(stop, len(task))
    every, own = np.arange(stop - start), task.items[start:stop]
    rows, seen = task.seen_by(start, stop)
    is_repeat = np.zeros(stop - start, bool)
    is_repeat[rows[seen == own[rows]]] = True
    candidates: Candidates = EVERY
    outside = None
    if task.sample is not None:
        # Each row's own candidate is scored with the sample but competes in no other row.
        competing = np.union1d(task.sample, own)
        outside = np.isin(competing, task.sample, invert=True)
        there = np.isin(seen, competing)
        rows, seen = rows[there], np.searchsorted(competing, seen[there])
        own, candidates = np.searchsorted(competing, own), competing
    scores = np.ascontiguousarray(scorer(start, stop, candidates))
    # NaN and either infinity make the sum not finite.
    if not np.isfinite(scores.sum()):
        raise TrialError(
            f"{name} gave a score that is not finite among rows {start} to {stop - 1}; "
            "the training has diverged"
        )
    ahead = scores >= scores[every, own][:, None]
    if outside is not None:
        ahead[:, outside] = False
    ahead[every, own] = False
    unfiltered = ahead.sum(axis=1, dtype=np.int32)
    seen_ahead = rows[ahead.reshape(-1).take(rows * ahead.shape[1] + seen)]
    seen_filtered = unfiltered - np.bincount(seen_ahead, minlength=stop - start).astype(np.int32)
    seen_filtered[is_repeat] = NEVER_SHOWN
    return unfiltered, seen_filtered
