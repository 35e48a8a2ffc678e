"""Parts of the scored rows: by how much came before a row, and by how old the training is.

A model that reads what a user did last has nothing to read where nothing came before, and its
weights know nothing of what is newer than they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

HOUR, DAY = 3_600, 86_400


@dataclass(frozen=True)
class Parts:
    """The parts that a number of each row makes.

    Attributes:
      column: of the table of `sweeper.two_tower.evaluation.rows.row_table`, which has the numbers.
      largest: by part, in order, the largest number that is in it.
      words: by part, what its rows are called.
    """

    column: str
    largest: Mapping[str, float]
    words: Mapping[str, str]

    def of(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Which rows are in which part, bool [rows] each; `numbers`: [rows]."""
        found = np.searchsorted(list(self.largest.values()), numbers, side="left")
        return {part: found == index for index, part in enumerate(self.largest)}


HISTORY_LENGTH = Parts(
    "history_length",
    {"0": 0, "1_to_5": 5, "6_to_20": 20, "over_20": inf},
    {
        "0": "no earlier row of the user",
        "1_to_5": "1 to 5 earlier rows",
        "6_to_20": "6 to 20 earlier rows",
        "over_20": "over 20 earlier rows",
    },
)
# Durations, and not shares of the test rows: they mean the same in any data, and say how often a
# model must be trained anew.
TIME_SINCE_TRAINING = Parts(
    "seconds_since_training",
    {
        "to_1_hour": HOUR,
        "to_1_day": DAY,
        "to_1_week": 7 * DAY,
        "to_30_days": 30 * DAY,
        "to_1_year": 365 * DAY,
        "over_1_year": inf,
    },
    {
        "to_1_hour": "up to 1 hour after training",
        "to_1_day": "1 hour to 1 day after",
        "to_1_week": "1 day to 1 week after",
        "to_30_days": "1 week to 30 days after",
        "to_1_year": "30 days to 1 year after",
        "over_1_year": "over 1 year after",
    },
)
