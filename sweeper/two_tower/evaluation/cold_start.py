"""Warm rows and cold ones: a cold row's user, or its candidate, is in no training row.

Features are fitted on training rows, so that a cold user or candidate shares the row of
its id's table that is for all unknown ones; what else is known of it tells it apart.
"""

from __future__ import annotations

import numpy as np


def warm_and_cold(user_rows: np.ndarray, item_rows: np.ndarray) -> dict[str, np.ndarray]:
    """Which rows are "warm", "cold_user" and "cold_item"; bool [rows] each.

    A row whose user and candidate are both cold is in both of the latter.

    Args:
      user_rows, item_rows: [rows], how many training rows the row's user and candidate have.
    """
    return {
        "warm": (user_rows > 0) & (item_rows > 0),
        "cold_user": user_rows == 0,
        "cold_item": item_rows == 0,
    }
