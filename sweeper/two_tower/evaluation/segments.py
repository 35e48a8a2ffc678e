"""Segments of the scored rows: by what training knew of them, and by their place in time.

Cold rows have a user or a candidate without any training row. Features are fitted on training
rows, so that all cold users share one row of their id's table, and so do all cold candidates; only
their other features tell them apart.

A model that reads a user's latest rows has nothing to read where none came before, and its weights
know nothing of what is newer than they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

HOUR, DAY = 3_600, 86_400


def warm_and_cold(user_rows: np.ndarray, item_rows: np.ndarray) -> dict[str, np.ndarray]:
    """Finds which rows are "warm", "cold_user" and "cold_item"; bool [rows] each.

    A row whose user and candidate are both cold is in both of the latter.

    Args:
      user_rows, item_rows: [rows], the numbers of training rows of the row's user and candidate.
    """
    return {
        "warm": (user_rows > 0) & (item_rows > 0),
        "cold_user": user_rows == 0,
        "cold_item": item_rows == 0,
    }


@dataclass(frozen=True)
class Segmentation:
    """Segments of rows by a number that each row has.

    Attributes:
      column: the column of `sweeper.two_tower.evaluation.rows.row_table` with the numbers.
      largest: by segment, in order, the largest number that is in it.
      labels: by segment, how its rows are called.
    """

    column: str
    largest: Mapping[str, float]
    labels: Mapping[str, str]

    def masks(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Finds which rows are in which segment, bool [rows] each; `numbers`: [rows]."""
        found = np.searchsorted(list(self.largest.values()), numbers, side="left")
        return {segment: found == index for index, segment in enumerate(self.largest)}


HISTORY_LENGTH = Segmentation(
    "history_length",
    {"0": 0, "1_to_5": 5, "6_to_20": 20, "over_20": inf},
    {
        "0": "no earlier row of the user",
        "1_to_5": "1 to 5 earlier rows",
        "6_to_20": "6 to 20 earlier rows",
        "over_20": "over 20 earlier rows",
    },
)
# The segments are durations and not shares of the test rows: durations mean the same in any data,
# and tell how often a model must be trained anew.
TIME_SINCE_TRAINING = Segmentation(
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
