from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_data import small_interactions

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.histories import (
    NO_ITEM,
    Histories,
    find_histories,
    histories_of,
    history_ties,
)
from sweeper.two_tower.data.split import split_interactions


def history(found: Histories, row: int) -> list[int]:
    return found.items[found.starts[row] : found.stops[row]].tolist()


def plain_history(
    users: list[int], items: list[int], times: list[int], row: int, known: set[int], same: bool
) -> list[int]:
    """The plainest loop: what the row's user did before it, by time, then by order."""
    earlier = [
        (times[other], other)
        for other in known
        if users[other] == users[row]
        and (times[other] < times[row] or (same and times[other] == times[row] and other < row))
    ]
    return [items[other] for _, other in sorted(earlier)]


def test_a_history_holds_the_users_earlier_rows_in_the_order_of_time() -> None:
    #                               row   0  1  2  3  4
    interactions = small_interactions([0, 1, 0, 0, 1], [5, 6, 7, 8, 9], [30, 10, 10, 20, 40])
    found = find_histories(interactions)
    assert [history(found, row) for row in range(5)] == [[7, 8], [], [], [7], [6]]
    assert found.lengths(np.array([0, 4])).tolist() == [2, 1]
    assert found.latest(np.array([0, 1, 3]), 3).tolist() == [
        [NO_ITEM, 7, 8],
        [NO_ITEM, NO_ITEM, NO_ITEM],
        [NO_ITEM, NO_ITEM, 7],
    ]
    assert found.latest(np.array([0]), 1).tolist() == [[8]]
    gaps = found.seconds_since_last(np.array([0, 1, 3, 4]), interactions.timestamps)
    np.testing.assert_array_equal(gaps, [10.0, np.nan, 10.0, 30.0])


def test_rows_of_one_second_keep_the_order_of_the_source_or_are_left_out() -> None:
    interactions = small_interactions([0, 0, 0, 0], [1, 2, 3, 4], [10, 10, 10, 11])
    with_ties = find_histories(interactions)
    assert [history(with_ties, row) for row in range(4)] == [[], [1], [1, 2], [1, 2, 3]]
    without = find_histories(interactions, same_time=False)
    assert [history(without, row) for row in range(4)] == [[], [], [], [1, 2, 3]]


def test_rows_that_are_not_known_are_in_no_history_and_have_one() -> None:
    interactions = small_interactions([0, 0, 0], [1, 2, 3])
    found = find_histories(interactions, known=np.array([0, 2]))
    assert [history(found, row) for row in range(3)] == [[], [1], [1]]


def test_pairs_name_every_row_and_candidate() -> None:
    interactions = small_interactions([0, 0, 1, 0], [1, 2, 3, 4])
    rows, items = find_histories(interactions).pairs(np.array([3, 2, 1]))
    assert list(zip(rows.tolist(), items.tolist(), strict=True)) == [(0, 1), (0, 2), (2, 1)]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(-2, 3), st.booleans()),
        min_size=1,
        max_size=30,
    ).filter(lambda rows: any(known for *_, known in rows)),
    st.booleans(),
    st.integers(1, 4),
)
def test_every_history_is_the_plainest_loops(
    table: list[tuple[int, int, int, bool]], same_time: bool, length: int
) -> None:
    """No history holds its own row or a later one, or a row that isn't known."""
    users, items, times = ([row[column] for row in table] for column in range(3))
    known = [row for row, (*_, is_known) in enumerate(table) if is_known]
    found = find_histories(
        small_interactions(users, items, times), np.array(known), same_time=same_time
    )
    rows = np.arange(len(table))
    latest = found.latest(rows, length)
    for row in rows:
        expected = plain_history(users, items, times, row, set(known), same_time)
        assert history(found, row) == expected
        padded = [NO_ITEM] * length + expected
        assert latest[row].tolist() == padded[-length:]
    assert found.lengths(rows).tolist() == [len(history(found, row)) for row in rows]


def test_data_without_times_has_no_histories() -> None:
    interactions = replace(small_interactions([0, 0], [1, 2]), timestamps=None)
    with pytest.raises(ConfigError, match=r"data\.columns\.timestamp: got null"):
        find_histories(interactions)


def ties_of(users: list[int], times: list[int], same_time: bool = True) -> list[str]:
    interactions = small_interactions(users, list(range(len(users))), times)
    assert interactions.timestamps is not None
    return list(
        history_ties(find_histories(interactions, None, same_time), interactions.timestamps)
    )


def test_histories_in_the_order_of_the_data_are_said() -> None:
    assert ties_of([0, 0, 0, 1, 1], [1, 2, 3, 1, 2]) == []
    # Two of the three rows with a history have their user's row before in the same second.
    users, times = [0, 0, 0, 1, 1], [5, 5, 6, 7, 7]
    assert ties_of(users, times) == [
        "2 of 3 rows with a history come in the same second as their user's row before: the order "
        "of the rows in the data decides which is earlier; data.same_time=exclude leaves the same "
        "second's rows out of histories"
    ]
    assert ties_of(users, times, same_time=False) == []
    # One of 199 is not worth a line.
    assert ties_of([0] * 200, [0, *range(199)]) == []


def test_all_times_equal_and_no_history_at_all_are_said() -> None:
    (line,) = ties_of([0, 0, 1], [5, 5, 5])
    assert line == (
        "all rows have the same time, 1970-01-01 00:00:05: the histories that are read hold the "
        "user's rows in the order of the data; give a column of times that differ, or features "
        "that read no history"
    )
    (line,) = ties_of([0, 0, 1], [5, 5, 5], same_time=False)
    assert "00:00:05: the histories that are read are all empty; give" in line
    (line,) = ties_of([0, 1, 2], [1, 2, 3])
    assert line.startswith("no row has an earlier row of its user: the histories that are read are")


@pytest.mark.parametrize("train_size", [None, 50.0])
def test_rows_of_cold_start_items_are_in_no_history_until_they_are_held_out(
    train_size: float | None,
) -> None:
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 5, 200).tolist(), rng.integers(0, 20, 200).tolist()
    interactions = small_interactions(users, items, list(range(200)))
    data = DataConfig(
        name="synthetic", split="temporal", cold_start_items=0.3, train_size=train_size
    )
    split = split_interactions(data, interactions)
    whole = split_interactions(replace(data, cold_start_items=0.0), interactions)
    cold = {items[row] for row in set(whole.train.tolist()) - set(split.train.tolist())}
    held_out = {*split.validation.tolist(), *split.test.tolist()}
    known = {row for row in range(200) if row in held_out or items[row] not in cold}
    assert len(known) < 170
    found = histories_of(data, interactions, split.train)
    for row in range(200):
        assert history(found, row) == plain_history(
            users, items, list(range(200)), row, known, same=True
        )
    assert found.holds_held_out_rows
    assert not histories_of(
        replace(data, split="random"), interactions, split.train
    ).holds_held_out_rows
    # Whoever trains on all rows knows all of them.
    everything = histories_of(data, interactions, np.arange(200))
    assert history(everything, 199) == history(find_histories(interactions), 199)
    # The same rows are known under the random split, which ends with them.
    at_random = histories_of(replace(data, split="random"), interactions, np.arange(200))
    assert (everything.holds_held_out_rows, at_random.holds_held_out_rows) == (True, False)
