"""What is known of the test rows of each split, against plain loops."""

from __future__ import annotations

import io
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from rich.console import Console
from small_trials import interactions_of, skewed_interactions

from sweeper.cli.composition import composed
from sweeper.common.errors import ConfigError
from sweeper.inspect import held_out
from sweeper.inspect.held_out import HeldOutProfile, SplitProfiles, profile_splits
from sweeper.inspect.picture import draw
from sweeper.inspect.profile import profile_data
from sweeper.inspect.tables import print_profile
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.histories import histories_of
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.validation import validate_data

BY_TIME = DataConfig(name="synthetic", split="temporal")


def profile(config: DataConfig, interactions: Interactions) -> SplitProfiles:
    return profile_splits(config, interactions, split_interactions(config, interactions))


def tied_interactions() -> Interactions:
    """Few users and few seconds, in an order that is not that of time."""
    interactions = skewed_interactions(num_rows=150, num_users=40, num_items=60)
    return replace(interactions, timestamps=np.random.default_rng(1).integers(0, 9, 150))


def counted(interactions: Interactions, split, known: set[int], same_time: bool) -> list:
    """The plainest loop: cold users and items, no history, same second, median history."""
    users, items = interactions.users.tolist(), interactions.items.tolist()
    times = interactions.timestamps.tolist()
    train, test = split.train.tolist(), split.test.tolist()

    def earlier(row: int, same: bool) -> list[int]:
        return [
            other
            for other in known
            if users[other] == users[row]
            and (times[other] < times[row] or (same and times[other] == times[row] and other < row))
        ]

    lengths = [len(earlier(row, same_time)) for row in test]
    tied = [len(earlier(row, True)) > len(earlier(row, False)) for row in test]
    return [
        len(test),
        sum(users[row] not in {users[other] for other in train} for row in test),
        sum(items[row] not in {items[other] for other in train} for row in test),
        lengths.count(0),
        sum(tied),
        median(lengths),
    ]


@pytest.mark.parametrize("same_time", ["include", "exclude"])
@pytest.mark.parametrize("configured", ["temporal", "leave_last_out"])
def test_the_test_rows_of_each_split_are_those_that_loops_count(
    configured: str, same_time: str, monkeypatch
) -> None:
    interactions = tied_interactions()
    # So that the random split is a trial's, though TensorFlow doesn't shuffle it.
    monkeypatch.setattr(held_out, "SHUFFLE_BUFFER", 100)
    monkeypatch.setattr("sweeper.two_tower.data.split.SHUFFLE_BUFFER", 100)
    config = replace(BY_TIME, split=configured, same_time=same_time)
    found = profile(config, interactions)
    assert found.impossible == {}
    assert list(found.known) == ["random", "temporal", "leave_last_out"]
    for name, each in found.known.items():
        split = split_interactions(replace(config, split=name), interactions)
        known = split.train.tolist() if name == "random" else range(150)
        expected = counted(interactions, split, set(known), same_time == "include")
        assert each == HeldOutProfile(*expected, is_trials=True)
        assert 0 < each.same_second < each.rows


@pytest.mark.parametrize("train_size", [None, 50.0])
def test_rows_of_cold_start_items_are_in_no_history(train_size: float | None) -> None:
    interactions = tied_interactions()
    config = replace(BY_TIME, cold_start_items=0.3, train_size=train_size)
    found = profile(config, interactions)
    for name in ("temporal", "leave_last_out"):
        sizes = {} if name == "temporal" else {"train_size": None}
        split = split_interactions(replace(config, split=name, **sizes), interactions)
        known = histories_of(replace(config, split=name, **sizes), interactions, split.train)
        lengths = known.lengths(split.test)
        assert found.known[name].no_history == np.count_nonzero(lengths == 0)
        assert found.known[name].median_history == np.median(lengths)
        everything = set(range(150))
        taken_away = set(split.taken_away.tolist())
        assert len(taken_away) > 20
        expected = counted(interactions, split, everything - taken_away, same_time=True)
        assert expected != counted(interactions, split, everything, same_time=True)
        assert found.known[name] == HeldOutProfile(*expected, is_trials=True)


def test_a_random_split_that_tensorflow_would_shuffle_is_said_to_be_another_draw() -> None:
    found = profile(BY_TIME, skewed_interactions())
    assert {name: each.is_trials for name, each in found.known.items()} == {
        "random": False, "temporal": True, "leave_last_out": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        # 25 users; nothing but an empty validation part is the same for each user as for all rows.
        (replace(BY_TIME, validation_size=0, test_size=30), [30, 30, 25]),
        (replace(BY_TIME, train_size=0.5, validation_size=0.2, test_size=0.1), [30, 30, 25]),
        (replace(BY_TIME, split="leave_last_out", test_size=2), [60, 60, 50]),
        # The other splits have no such cut, or are at their latest one.
        (replace(BY_TIME, cut=1), [60, 60, 25]),
    ],
)
def test_sizes_hold_where_they_mean_the_same(config: DataConfig, rows: list[int]) -> None:
    known = profile(config, skewed_interactions()).known
    assert [each.rows for each in known.values()] == rows


def test_an_empty_validation_part_is_one_under_every_split() -> None:
    interactions = tied_interactions()
    one, other = (
        profile(replace(BY_TIME, split=split, validation_size=0), interactions).known
        for split in ("temporal", "leave_last_out")
    )
    assert one == other
    assert one != profile(BY_TIME, interactions).known


def test_without_times_there_is_the_random_split_alone() -> None:
    interactions = replace(skewed_interactions(), timestamps=None)
    order = np.arange(300)
    config = replace(BY_TIME, split="random")
    split = split_interactions(config, interactions, order)
    (found,) = profile_splits(config, interactions, split).known.values()
    assert (found.rows, found.is_trials) == (60, True)
    assert (found.no_history, found.same_second, found.median_history) == (None, None, None)


def test_a_split_that_leaves_a_part_empty_is_said_and_the_others_are_counted() -> None:
    once = interactions_of(np.arange(50), np.arange(50) % 7, num_items=7)
    split = split_interactions(BY_TIME, once)
    splits = profile_splits(BY_TIME, once, split)
    assert list(splits.known) == ["random", "temporal"]
    temporal = splits.known["temporal"]
    assert (temporal.cold_user, temporal.no_history, temporal.median_history) == (10, 10, 0)
    found = profile_data(once, split, [], splits)
    printed = Console(file=io.StringIO(), width=200)
    print_profile(printed, found, np.bincount(once.items))
    lines = [" ".join(line.split()) for line in printed.file.getvalue().splitlines()]
    assert "temporal 10 10 (100.0 %) 0 (0.0 %) 10 (100.0 %) 0 (0.0 %) 0 rows" in lines
    assert "leave_last_out – – – – – –" in lines
    (reason,) = (line for line in lines if line.startswith("split leave_last_out: "))
    assert reason.endswith("no user has more than 1. Give fewer rows a user.")
    assert draw(once, found).startswith(b"\x89PNG")


def test_an_empty_validation_part_is_told_of_and_other_wrong_data_refused(tmp_path) -> None:
    sizes = ["data=synthetic", "data.split=temporal", "data.validation_size=0"]
    assert composed(sizes, check=validate_data).data.validation_size == 0
    with pytest.raises(ConfigError, match=r"must be greater than 0, or evaluation.split 'test'"):
        composed(sizes)
    with pytest.raises(ConfigError, match=r"data.test_size: got 0; must be greater than 0"):
        composed([*sizes, "data.test_size=0"], check=validate_data)
