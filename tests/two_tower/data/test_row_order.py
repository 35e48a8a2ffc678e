from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.two_tower.data.time_order import by_user_and_time

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3)), min_size=1, max_size=30)


@pytest.mark.parametrize("unit", [1, 2**61])
@given(rows=ROWS)
def test_rows_of_equal_users_and_times_keep_their_order(unit: int, rows: list) -> None:
    """Also of times so far apart that users and times don't fit into one number."""
    users, times = (np.array(each) for each in zip(*rows, strict=True))
    order = by_user_and_time(users.astype(np.int32), times.astype(np.int64) * unit)
    expected = sorted(range(len(rows)), key=lambda row: (users[row], times[row], row))
    assert order.tolist() == expected
