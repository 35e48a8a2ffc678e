"""What baselines are fitted on, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sweeper.two_tower.data.histories import Histories
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.evaluation.ranking import RankingTask, Scorer

# Fitted on the training rows; gives the scorer of any ranking task.
Fitted = Callable[[RankingTask], Scorer]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The training rows of some data.

    Attributes:
      users, items: [rows], the user and the candidate of each row.
      times: int64 [rows], in seconds since 1970 (UTC); None: the data has none.
      num_users: how many users the data has.
      num_candidates: the size of the catalogue.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray | None
    num_users: int
    num_candidates: int

    @classmethod
    def of(cls, interactions: Interactions, rows: np.ndarray) -> TrainingRows:
        """Those of `interactions` with the indices `rows`."""
        times = interactions.timestamps
        return cls(
            interactions.users[rows],
            interactions.items[rows],
            None if times is None else times[rows],
            interactions.num_users,
            interactions.num_items,
        )


def histories_at(task: RankingTask) -> tuple[Histories, np.ndarray]:
    """What each row's user had before it, and the rows' indices there, [rows]."""
    assert task.histories is not None, "the task's data has no times"
    assert task.rows is not None, "the task's rows are of no data"
    return task.histories, task.rows
