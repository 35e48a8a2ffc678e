"""Rows that are left out: by hand, against plain loops, and none without a reason."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import COLUMNS, decoded, load, write_csv, write_parquet

from sweeper.common.errors import DataError
from sweeper.two_tower.config import ColumnsConfig, FilterConfig, SideTableConfig
from sweeper.two_tower.data.table.cleaning import Rows, drop_rare

ALL = ColumnsConfig("user_id", "item_id", "when", "stars", "count")
TABLE = pa.table(
    {
        "user_id": ["u", "u", "v", "v", "w", None],
        "item_id": ["a", "b", "a", "c", "a", "b"],
        "when": [50, 40, 30, 20, None, 10],
        "stars": [5.0, 1.0, 4.0, 3.0, 5.0, 5.0],
        "count": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0],
    }
)


def test_missing_values_are_refused_or_counted_by_column(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, TABLE)
    with pytest.raises(DataError, match=r"'user_id' has 1 missing values, the first in row 6;"):
        load(path, columns=ALL)
    interactions = load(path, columns=ALL, filter=FilterConfig(missing_values="drop"))
    assert interactions.dropped == {"no user_id": 1, "no when": 1}
    assert decoded(interactions, "user_id") == ["u", "u", "v", "v"]
    assert interactions.weights.tolist() == [1, 1, 2, 2]


def test_rows_rated_below_are_dropped(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, TABLE.slice(0, 4))
    interactions = load(path, columns=ALL, filter=FilterConfig(min_rating=3.0))
    assert interactions.dropped == {"rated below 3": 1}
    assert interactions.timestamps.tolist() == [50, 30, 20]


@pytest.mark.parametrize(
    ("policy", "when"),
    [("keep", [3, 1, 2, 1, 9]), ("first", [1, 1, 9]), ("last", [3, 1, 9])],
)
def test_duplicates_by_time(policy: str, when: list[int], tmp_path: Path) -> None:
    """u has a at 3, 1 and 2; v has it at 1, and b at 9."""
    table = pa.table(
        {
            "user_id": ["u", "u", "u", "v", "v"],
            "item_id": ["a", "a", "a", "a", "b"],
            "when": [3, 1, 2, 1, 9],
        }
    )
    interactions = load(write_csv(tmp_path, table), filter=FilterConfig(duplicates=policy))
    assert interactions.timestamps.tolist() == when
    assert sum(interactions.dropped.values()) == 5 - len(when)


def test_duplicates_without_times_go_by_the_order_of_the_rows(tmp_path: Path) -> None:
    table = pa.table({"user_id": ["u", "v", "u"], "item_id": ["a", "b", "a"], "n": [1, 2, 3]})
    path, columns = write_csv(tmp_path, table), ColumnsConfig("user_id", "item_id", None)
    for policy, kept in (("first", [1, 2]), ("last", [2, 3])):
        interactions = load(path, columns=columns, filter=FilterConfig(duplicates=policy))
        assert decoded(interactions, "n") == kept
    with pytest.raises(DataError, match="1 rows repeat a user and an item, such as rows 1 and 3;"):
        load(path, columns=columns, filter=FilterConfig(duplicates="error"))


def plain_core(pairs: list[tuple[int, int]], users: int, items: int) -> set[int]:
    left = set(range(len(pairs)))
    while True:
        of_user = Counter(pairs[row][0] for row in left)
        of_item = Counter(pairs[row][1] for row in left)
        good = {r for r in left if of_user[pairs[r][0]] >= users and of_item[pairs[r][1]] >= items}
        if good == left:
            return left
        left = good


PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)


@given(pairs=PAIRS, users=st.integers(1, 5), items=st.integers(1, 5))
def test_a_core_is_the_largest_in_which_all_have_enough(pairs, users, items) -> None:
    codes = np.array(pairs, np.int32).T
    rows = Rows(codes[0], codes[1], np.arange(len(pairs)))
    drop_rare(rows, FilterConfig(min_user_interactions=users, min_item_interactions=items))
    assert set(rows.kept.tolist()) == plain_core(pairs, users, items)
    assert len(rows.kept) + sum(rows.dropped.values()) == len(pairs)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["u", "v", "w", None]),
            st.sampled_from(["a", "b", "c", None]),
            st.sampled_from([1, 2, 3, None]),
            st.sampled_from([1.0, 4.0, None]),
        ),
        min_size=1,
        max_size=25,
    ),
    filters=st.builds(
        FilterConfig,
        min_rating=st.sampled_from([None, 2.0]),
        duplicates=st.sampled_from(["keep", "first", "last"]),
        min_user_interactions=st.integers(1, 3),
        min_item_interactions=st.integers(1, 3),
        missing_values=st.just("drop"),
        unknown_items=st.sampled_from(["drop", "keep"]),
    ),
)
def test_every_row_is_used_or_dropped_for_a_reason(rows, filters) -> None:
    names = ("user_id", "item_id", "when", "stars")
    table = pa.table(
        {
            name: pa.array([row[place] for row in rows], type_)
            for place, (name, type_) in enumerate(
                zip(names, (pa.string(), pa.string(), pa.int64(), pa.float64()), strict=True)
            )
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = write_parquet(Path(folder), table)
        items = Path(folder) / "items.csv"
        items.write_text("item_id,title\na,A\nb,B\nd,D\n")
        try:
            interactions = load(
                path,
                columns=ColumnsConfig("user_id", "item_id", "when", "stars"),
                items=SideTableConfig(path=str(items)),
                filter=filters,
            )
        except DataError as error:
            told = str(error)
            interactions = None
    if interactions is None:
        assert f"none of {len(rows):,} rows is left" in told
        return
    assert len(interactions) + sum(interactions.dropped.values()) == len(rows)
    assert all(number > 0 for number in interactions.dropped.values())


def test_nothing_left_says_what_became_of_the_rows(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, TABLE.slice(0, 4))
    with pytest.raises(
        DataError, match=r"none of 4 rows is left: 3 dropped \(rated below 4.5\); 1 dropped \(user"
    ):
        load(path, columns=ALL, filter=FilterConfig(min_rating=4.5, min_user_interactions=2))


def test_one_item_is_none_to_choose_from_and_one_user_is_enough(tmp_path: Path) -> None:
    one_item = pa.table({"user_id": ["u", "v"], "item_id": ["a", "a"], "when": [1, 2]})
    with pytest.raises(DataError, match="'item_id' has one item, 'a'; a model needs at least two"):
        load(write_csv(tmp_path, one_item))
    one_user = pa.table({"user_id": ["u", "u"], "item_id": ["a", "b"], "when": [1, 2]})
    assert load(write_csv(tmp_path, one_user), columns=COLUMNS).num_users == 1
