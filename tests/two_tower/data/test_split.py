from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_data import small_interactions

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.split import permutation, published_permutation, split_interactions


def split(users: list[int], timestamps: list[int] | None = None, **settings: Any) -> Any:
    interactions = small_interactions(users, [0] * len(users), timestamps)
    return split_interactions(DataConfig(name="synthetic", **settings), interactions)


def parts(split: Any) -> list[list[int]]:
    return [part.tolist() for part in (split.train, split.validation, split.test)]


def test_random_is_the_published_shuffle_cut_in_order() -> None:
    import tensorflow as tf

    tf.random.set_seed(42)
    shuffled = tf.data.Dataset.range(20).shuffle(100_000, seed=7, reshuffle_each_iteration=False)
    published = [int(row) for row in shuffled]
    result = split([0] * 20, split_seed=7, validation_size=3.0, test_size=0.2)
    assert parts(result) == [published[:13], published[13:16], published[16:]]
    assert result.unused == 0


def test_first_rows_of_the_published_permutation() -> None:
    """Seen once with TensorFlow 2.21: a change would change every published figure."""
    assert published_permutation(100_000, 42)[:5].tolist() == [50633, 33113, 42358, 88434, 45144]


def test_more_rows_than_figures_are_published_for_are_shuffled_by_numpy() -> None:
    assert (permutation(100_000, 42) == published_permutation(100_000, 42)).all()
    more = permutation(100_001, 42)
    assert np.unique(more).tolist() == list(range(100_001))
    assert (more == permutation(100_001, 42)).all()
    assert (more != permutation(100_001, 43)).any()


def test_random_with_a_training_size_leaves_the_rows_between_unused() -> None:
    everything = split([0] * 20, validation_size=0.0, test_size=4.0)
    less = split([0] * 20, train_size=5.0, validation_size=2.0, test_size=4.0)
    assert less.test.tolist() == everything.test.tolist()
    assert less.train.tolist() == everything.train[:5].tolist()
    assert less.validation.tolist() == everything.train[-2:].tolist()
    assert less.unused == 9


def test_temporal_puts_the_latest_rows_last() -> None:
    timestamps = [50, 10, 40, 20, 20, 30]
    result = split([0] * 6, timestamps, split="temporal", validation_size=1.0, test_size=2.0)
    assert parts(result) == [[1, 3, 4], [5], [2, 0]]


def test_temporal_with_a_training_size_leaves_out_the_earliest_rows() -> None:
    result = split([0] * 6, split="temporal", train_size=2.0, validation_size=1.0, test_size=1.0)
    assert parts(result) == [[2, 3], [4], [5]]
    assert result.unused == 2


def test_leave_last_out() -> None:
    #        row: 0  1  2  3  4  5  6  7
    users = [0, 1, 0, 1, 0, 1, 2, 2]
    timestamps = [9, 1, 5, 2, 7, 2, 1, 2]
    result = split(users, timestamps, split="leave_last_out")
    # User 0 in order of time: rows 2, 4, 0. User 1: 1, 3, 5 (a tie, by row). User 2 has no row for
    # validation, and the same test row as without any.
    assert parts(result) == [[1, 2, 6], [3, 4], [0, 5, 7]]
    without = split(users, timestamps, split="leave_last_out", validation_size=0.0)
    assert parts(without) == [[1, 2, 3, 4, 6], [], [0, 5, 7]]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (0, [[4, 9, 3, 8, 2], [7], [0, 6]]),
        (1, [[4, 9, 3], [8], [2, 7]]),
        (2, [[4], [9], [3, 8]]),
    ],
)
def test_temporal_at_each_cut_by_hand(cut: int, expected: list[list[int]]) -> None:
    # In order of time: 4, 9, 3, 8, 2, 7, 0, 6 (a tie, by row); two earliest rows are not taken.
    timestamps = [7, 1, 5, 3, 2, 0, 7, 6, 4, 2]
    order = [5, 1, 4, 9, 3, 8, 2, 7, 0, 6]
    assert np.argsort(timestamps, kind="stable").tolist() == order
    sizes = {"validation_size": 1.0, "test_size": 2.0, "train_size": len(expected[0])}
    result = split([0] * 10, timestamps, split="temporal", cut=cut, **sizes)
    assert parts(result) == expected
    assert result.unused == 10 - sum(map(len, expected))
    # A share is of all rows, so that the window doesn't shrink; it trains on all before.
    shares = split([0] * 10, timestamps, split="temporal", cut=cut, validation_size=0.1)
    assert parts(shares) == [[5, 1, *expected[0]], *expected[1:]]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (0, [[0, 1, 4, 7], [2, 5], [3, 6, 8]]),
        (1, [[0, 4, 7], [1], [2, 5]]),
        (2, [[4, 0], [], [1]]),
    ],
)
def test_leave_last_out_at_each_cut_by_hand(cut: int, expected: list[list[int]]) -> None:
    # Of four, three and two rows, in order of time.
    users = [0, 0, 0, 0, 1, 1, 1, 2, 2]
    settings = {"split": "leave_last_out", "cut": cut, "validation_size": min(2 - cut, 1)}
    result = split(users, list(range(9)), **settings)
    assert parts(result) == [sorted(expected[0]), *expected[1:]]
    assert result.unused == 9 - sum(map(len, expected))


def test_leave_last_out_at_a_cut_goes_back_by_whole_test_parts() -> None:
    result = split([0] * 9, split="leave_last_out", cut=2, test_size=2.0, validation_size=2.0)
    assert parts(result) == [[0], [1, 2], [3, 4]]
    assert result.unused == 4


def test_leave_last_out_with_sizes() -> None:
    result = split(
        [0] * 8,
        split="leave_last_out",
        train_size=2.0,
        validation_size=3.0,
        test_size=2.0,
    )
    assert parts(result) == [[1, 2], [3, 4, 5], [6, 7]]
    assert result.unused == 1


def test_defaults_are_a_tenth_and_a_fifth() -> None:
    assert [len(part) for part in parts(split([0] * 100))] == [70, 10, 20]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test_size": 0.0}, r"data\.test_size=0.* 0 for the test"),
        ({"test_size": 10.0}, r"data\.test_size=10"),
        ({"validation_size": 5.0, "test_size": 5.0}, r"0 for training, 5 for validation and 5"),
        ({"train_size": 9.0}, r"data\.train_size=9"),
        ({"validation_size": 0.001}, r"data\.validation_size=0\.001 is not one row of 10"),
        ({"split": "temporal", "test_size": 11.0}, r"data\.test_size=11"),
        ({"split": "leave_last_out", "test_size": 0.2}, r"data\.test_size=0\.2.* whole numbers"),
        ({"split": "leave_last_out", "test_size": 0.0}, r"data\.test_size=0"),
        ({"split": "leave_last_out", "test_size": 9.0}, r"no user has more than 10"),
        ({"split": "leave_last_out", "train_size": 0.0}, r"training without rows"),
        (
            {"split": "leave_last_out", "test_size": 3.0, "validation_size": 7.0},
            r"validation without rows",
        ),
        (
            {"split": "temporal", "test_size": 3.0, "cut": 3},
            r"data\.test_size=3, data\.cut=3: of 10 rows these are 0 for training, 1 for validation"
            r" and 3 for the test, and 9 come after the cut",
        ),
        (
            {"split": "leave_last_out", "cut": 9},
            r"data\.cut=9 leaves the test without rows: no user has more than 1 before the cut\."
            r" Give fewer rows a user, or a later cut\.",
        ),
        ({"split": "leave_last_out", "cut": 99}, r"no user has more than 0 before the cut"),
    ],
)
def test_sizes_that_do_not_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split([0] * 10, **settings)


def test_equal_times_under_temporal_are_said() -> None:
    sizes = {"split": "temporal", "validation_size": 2.0, "test_size": 3.0}
    assert split([0] * 10, list(range(10)), **sizes).ties == ()
    assert split([0] * 10, [5] * 10, **sizes).ties == (
        "all rows have the same time, 1970-01-01 00:00:05: the order of the rows in the data "
        "decides which are for the test; give a column of times that differ, or split at random",
    )
    # Parts of 5, 2 and 3: the second 7 lies on both sides of the first cut, 9 of the second.
    times = [1, 2, 3, 7, 7, 7, 9, 9, 9, 11]
    assert split([0] * 10, times, **sizes).ties == (
        "2 of 5 training rows and 1 of 2 validation rows have the same time, 1970-01-01 00:00:07: "
        "the order of the rows in the data decides which of them are later",
        "1 of 2 validation rows and 2 of 3 test rows have the same time, 1970-01-01 00:00:09: the "
        "order of the rows in the data decides which of them are later",
    )
    without = {"split": "temporal", "validation_size": 0.0, "test_size": 3.0}
    (line,) = split([0] * 10, times, **without).ties
    assert line.startswith("1 of 7 training rows and 2 of 3 test rows have the same time")
    assert split([0] * 10, times, split="random").ties == ()


def test_a_few_equal_times_at_a_cut_are_not_worth_a_line() -> None:
    times = [*range(799), 799, 799, *range(800, 999)]
    assert split([0] * 1_000, times, split="temporal", validation_size=0.0).ties == ()
    times = [*range(798), 799, 799, 799, 799, *range(800, 998)]
    (line,) = split([0] * 1_000, times, split="temporal", validation_size=0.0).ties
    assert line.startswith("2 of 800 training rows and 2 of 200 test rows")


def test_equal_times_of_users_last_rows_are_said() -> None:
    users = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    # User 0 has a tie between validation and test, 1 one among training rows, 2 none, 3 one row.
    times = [1, 2, 3, 3, 5, 5, 6, 7, 8, 9, 9]
    result = split(users, times, split="leave_last_out", validation_size=1.0, test_size=1.0)
    assert result.ties == (
        "of 2 of 3 users a held-out row and the one before it have the same time: the order of "
        "the rows in the data decides which of them is later",
    )
    times[4] = 4
    (line,) = split(users, times, split="leave_last_out", validation_size=0.0).ties
    assert line.startswith("of 1 of 3 users")
    assert split([0] * 5, list(range(5)), split="leave_last_out").ties == ()


@settings(deadline=None, max_examples=60)
@given(
    users=st.lists(st.integers(0, 5), min_size=3, max_size=60),
    strategy=st.sampled_from(["random", "temporal", "leave_last_out"]),
    sizes=st.tuples(*[st.none() | st.integers(0, 5).map(float)] * 3),
    data=st.data(),
)
def test_parts_are_disjoint_and_complete(
    users: list[int], strategy: str, sizes: tuple[float | None, ...], data: st.DataObject
) -> None:
    timestamps = data.draw(st.lists(st.integers(0, 9), min_size=len(users), max_size=len(users)))
    names = ("train_size", "validation_size", "test_size")
    try:
        result = split(users, timestamps, split=strategy, **dict(zip(names, sizes, strict=True)))
    except ConfigError:
        return
    rows = np.concatenate([result.train, result.validation, result.test])
    assert len(np.unique(rows)) == len(rows) == len(users) - result.unused
    assert rows.min() >= 0
    assert rows.max() < len(users)
    assert len(result.train)
    assert len(result.test)
    if sizes[0] is None:
        assert result.unused == 0


@settings(deadline=None, max_examples=60)
@given(
    users=st.lists(st.integers(0, 3), min_size=6, max_size=60),
    strategy=st.sampled_from(["temporal", "leave_last_out"]),
    test_size=st.integers(1, 4),
    validation_size=st.integers(0, 3),
    data=st.data(),
)
def test_cuts_share_no_test_row_and_train_on_what_is_before(
    users: list[int], strategy: str, test_size: int, validation_size: int, data: st.DataObject
) -> None:
    times = data.draw(st.lists(st.integers(0, 30), min_size=len(users), max_size=len(users)))
    # Whether a row comes before another: by time, of one time by the order in the data.
    place = np.empty(len(users), int)
    place[np.argsort(times, kind="stable")] = np.arange(len(users))
    cuts, tested = 4, []
    sizes = {"test_size": test_size + 0.0, "validation_size": validation_size + 0.0}
    if strategy == "temporal":
        # A single row of all must be given as a share.
        sizes = {name: size + 1 if size else 0.0 for name, size in sizes.items()}
    for cut in range(cuts):
        try:
            result = split(users, times, split=strategy, cut=cut, **sizes)
        except ConfigError:
            # A cut that is too early, and so are all before it.
            cuts = cut
            break
        tested += result.test.tolist()
        groups = np.array(users) if strategy == "leave_last_out" else np.zeros(len(users), int)
        for group in set(groups[result.test].tolist()):
            train, validation, test = (
                place[part[groups[part] == group]]
                for part in (result.train, result.validation, result.test)
            )
            assert train.max() < test.min()
            assert len(validation) == 0 or train.max() < validation.min()
            assert len(validation) == 0 or validation.max() < test.min()
            assert len(test) == (sizes["test_size"])
        # With the validation rows in training the test rows are the same.
        confirmed = split(users, times, split=strategy, cut=cut, **sizes | {"validation_size": 0.0})
        assert confirmed.test.tolist() == result.test.tolist()
        kept = {*result.train.tolist(), *result.validation.tolist()}
        assert set(confirmed.train.tolist()) == kept
        # No earlier part holds a row that a later cut tests.
        later = tested[: len(tested) - len(result.test)]
        assert not (kept | set(result.test.tolist())) & set(later)
    assert len(set(tested)) == len(tested)


def with_new_items(items: list[int], **settings: Any) -> Any:
    interactions = small_interactions(list(range(len(items))), items)
    return split_interactions(DataConfig(name="synthetic", **settings), interactions)


@pytest.mark.parametrize("strategy", ["random", "temporal"])
def test_rows_of_cold_start_items_are_taken_from_the_training_part_alone(strategy: str) -> None:
    items = list(range(10)) * 10
    whole = with_new_items(items, split=strategy)
    less = with_new_items(items, split=strategy, cold_start_items=0.2)
    cold = {items[row] for row in less.taken_away}
    assert len(cold) == 2
    assert less.train.tolist() == [row for row in whole.train if items[row] not in cold]
    assert parts(less)[1:] == parts(whole)[1:]
    assert less.cold_start == {"items": 2, "rows": len(whole.train) - len(less.train)}
    assert less.unused == less.cold_start["rows"] > 0
    assert whole.cold_start == {}
    assert len(whole.taken_away) == 0


@pytest.mark.parametrize(
    "sizes",
    [
        {"split": "random", "train_size": 30.0},
        {"split": "temporal", "train_size": 30.0},
        {"split": "temporal", "train_size": 30.0, "test_size": 10.0, "cut": 1},
        {"split": "leave_last_out", "train_size": 3.0},
        {"split": "leave_last_out", "train_size": 3.0, "test_size": 2.0, "cut": 1},
    ],
)
def test_no_row_of_a_cold_start_item_stays_before_the_held_out_ones(sizes: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    users, items = rng.integers(0, 5, 100), rng.integers(0, 10, 100)
    interactions = small_interactions(users.tolist(), items.tolist())

    def split_by(**settings: Any) -> Any:
        return split_interactions(DataConfig(name="synthetic", **sizes | settings), interactions)

    whole, less = split_by(), split_by(cold_start_items=0.3)
    cold = set(items[whole.train]) - set(items[less.train])
    assert len(cold) == less.cold_start["items"] >= 2
    # All rows but the held-out ones and those after the cut.
    before = split_by(train_size=None).train
    expected = [row for row in before if items[row] in cold]
    assert less.taken_away.tolist() == expected
    in_train = set(whole.train.tolist()) & set(expected)
    assert less.cold_start["rows"] == len(in_train) < len(expected)
    assert less.unused == 100 - sum(less.sizes().values()) == whole.unused + len(in_train)


def test_which_items_are_cold_follows_from_the_seed_and_hardly_from_the_sizes() -> None:
    items = list(range(50)) * 20

    def cold(**settings: Any) -> set[int]:
        split = with_new_items(items, split="temporal", cold_start_items=0.2, **settings)
        return {items[row] for row in split.taken_away}

    assert cold() == cold() == cold(validation_size=0.0) == cold(train_size=100.0)
    assert cold(split_seed=1) != cold()


def test_an_item_without_a_training_row_is_none_of_the_cold_start_items() -> None:
    # Items 0 to 3 are in training rows, 4 and 5 in later ones alone.
    items = [0, 1, 2, 3] * 5 + [4, 5, 0, 1, 2, 3]
    for seed in range(20):
        result = with_new_items(
            items, split="temporal", validation_size=2.0, test_size=4.0,
            cold_start_items=0.5, split_seed=seed,
        )  # fmt: skip
        assert result.cold_start == {"items": 2, "rows": 10}


@pytest.mark.parametrize(("share", "number"), [(0.01, 0), (0.99, 10)])
def test_a_share_that_takes_no_item_or_all(share: float, number: int) -> None:
    with pytest.raises(ConfigError, match=rf"={share}: of 10 items in training rows.* {number}\."):
        with_new_items(list(range(10)) * 10, cold_start_items=share)
