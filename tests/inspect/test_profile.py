"""The figures of a data set: by hand, and against plain loops."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspected_data import ODD, odd_interactions
from rich.console import Console
from small_trials import interactions_of, skewed_interactions

from sweeper.inspect.columns import ColumnProfile, columns_of
from sweeper.inspect.picture import draw
from sweeper.inspect.profile import PartProfile, Spread, gini, head_share, profile_data
from sweeper.inspect.tables import day, print_profile, sketch
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.columns import CategoricalColumn
from sweeper.two_tower.data.interactions import assemble
from sweeper.two_tower.data.split import Split, split_interactions


def test_the_figures_of_six_rows_by_hand():
    # One row of user 0 and item 0 is there twice; item 3 has none.
    users, items = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 0, 2, 0])
    interactions = interactions_of(users, items, num_items=4)
    split = Split(np.array([0, 1, 2]), np.array([3]), np.array([4, 5]), unused=0)
    profile = profile_data(interactions, split, [])
    assert (profile.rows_read, profile.rows, profile.dropped) == (6, 6, {})
    assert (profile.users, profile.items, profile.items_interacted) == (3, 4, 3)
    assert (profile.distinct_pairs, profile.density) == (5, 5 / 12)
    assert profile.of_users == Spread(1, 2.0, 2.0, 3)
    assert profile.of_items == Spread(1, 1.0, 2.0, 4)
    # Counts 0, 1, 1, 4: 2 * (0 + 2 + 3 + 16) / (4 * 6) - 5 / 4.
    assert profile.popularity.gini == pytest.approx(0.5)
    assert profile.popularity.top_10_percent == profile.popularity.top_1_percent == 4 / 6
    assert (profile.first, profile.last) == (0, 300)
    assert profile.parts == {
        "train": PartProfile(3, 0, 0, 0),
        "validation": PartProfile(1, 1, 0, 0),
        "test": PartProfile(2, 2, 1, 1),
    }


def test_dropped_rows_count_as_read():
    interactions = assemble(
        query_columns={"user_id": CategoricalColumn(np.zeros(3, np.int32), ["a"])},
        items=np.zeros(3, np.int32),
        candidate_columns={"movie_title": CategoricalColumn(np.zeros(1, np.int32), ["b"])},
        source="made in a test",
        timestamp_column=None,
        dropped={"rated below 4": 5, "no user": 2},
    )
    profile = profile_data(interactions, Split(*np.split(np.arange(3), [1, 2]), unused=0), [])
    assert (profile.rows_read, profile.rows) == (10, 3)
    assert (profile.first, profile.last) == (None, None)
    assert draw(interactions, profile).startswith(b"\x89PNG")


def test_the_smallest_data_there_is_can_be_drawn():
    """One row in each part, all of one user, one item and one time."""
    one = interactions_of(np.zeros(3, np.int64), np.zeros(3, np.int64), num_items=1)
    one = replace(one, timestamps=np.zeros(3, np.int64))
    profile = profile_data(one, Split(*np.split(np.arange(3), [1, 2]), unused=0), [])
    assert profile.popularity.gini == 0
    assert profile.density == 1
    assert draw(one, profile).startswith(b"\x89PNG")
    assert set(sketch(np.array([3]))) == {"█"}


LAST_SECOND = "9999-12-31T23:59:59"


@pytest.mark.parametrize(
    "times",
    [["0001-01-01"] * 3, [LAST_SECOND] * 3, ["0001-01-01", "1969-12-31", LAST_SECOND]],
)
def test_the_first_and_the_last_year_can_be_drawn(times):
    rows = interactions_of(np.zeros(3, np.int64), np.zeros(3, np.int64), num_items=1)
    rows = replace(rows, timestamps=np.array(times, "datetime64[s]").astype(np.int64))
    profile = profile_data(rows, Split(*np.split(np.arange(3), [1, 2]), unused=0), [])
    assert draw(rows, profile).startswith(b"\x89PNG")
    assert (day(profile.first), day(profile.last)) == (times[0][:10], times[-1][:10])


def test_equal_times_are_facts():
    interactions = skewed_interactions(num_rows=120)
    interactions = replace(interactions, timestamps=np.full(120, 1_700_000_000))
    config = DataConfig(name="synthetic", split="temporal")
    profile = profile_data(interactions, split_interactions(config, interactions), [])
    (line,) = profile.ties
    assert line.startswith("all rows have the same time, 2023-11-14 22:13:20")
    printed = Console(file=io.StringIO(), width=200)
    print_profile(printed, profile, np.bincount(interactions.items))
    assert f"ties     {line}" in printed.file.getvalue()


def test_equal_items_and_a_single_one_by_hand():
    assert gini(np.array([7, 7, 7])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(3 / 4)
    # Of 25 items 10 % are three, rounded up.
    assert head_share(np.arange(25), 0.1) == (24 + 23 + 22) / 300


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any))
def test_gini_is_half_the_mean_difference_over_the_mean(counts):
    differences = [abs(one - other) for one in counts for other in counts]
    expected = np.mean(differences) / 2 / np.mean(counts)
    assert gini(np.array(counts)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("split", ["random", "temporal", "leave_last_out"])
def test_cold_rows_and_pairs_are_those_that_loops_count(split: str):
    interactions = skewed_interactions(num_rows=120)
    parts = split_interactions(DataConfig(name="synthetic", split=split), interactions)
    profile = profile_data(interactions, parts, [])
    users, items = interactions.users.tolist(), interactions.items.tolist()
    assert profile.distinct_pairs == len(set(zip(users, items, strict=True)))
    known_users = {users[row] for row in parts.train}
    known_items = {items[row] for row in parts.train}
    for name in ("validation", "test"):
        rows = getattr(parts, name).tolist()
        cold_user = {row for row in rows if users[row] not in known_users}
        cold_item = {row for row in rows if items[row] not in known_items}
        assert profile.parts[name] == PartProfile(
            len(rows), len(cold_user), len(cold_item), len(cold_user & cold_item)
        )


def test_columns_by_hand():
    assert columns_of(ODD, odd_interactions()) == [
        # A user whom no row has is none of the values.
        ColumnProfile("who", "query", "words", 2, 0, words=1.0, role="user"),
        ColumnProfile("when", "query", "numbers", 2, 0, 50, 100, True, role="time"),
        ColumnProfile("stars", "query", "numbers", 2, 0, 1.5, 5, False, role="rating"),
        ColumnProfile("counts", "query", "numbers", 2, 0, 1, 2, True, role="weight"),
        ColumnProfile("age", "query", "numbers", 2, 1, 30.5, 31, False),
        ColumnProfile("nothing", "query", "numbers", 0, 3),
        ColumnProfile("what", "candidate", "words", 2, 0, words=2.0, role="item"),
        ColumnProfile("note", "candidate", "words", 2, 1, words=0.5),
        ColumnProfile("tags", "candidate", "lists", 1, 1),
    ]


def test_the_sketch_falls_with_the_rank():
    line = sketch(np.array([1_000, 0, 1, 10, 100]))
    assert len(line) == 60
    assert (line[0], line[-1]) == ("█", " ")
    assert list(line) == sorted(line, reverse=True)
