"""What seen-filtered ranks hide by time: all that came before the row, by the plainest loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_trials import skewed_interactions

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import DataConfig, EvaluationConfig, seen_reading, with_defaults
from sweeper.two_tower.data.columns import CategoricalColumn, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.evaluation.metrics import NEVER_SHOWN
from sweeper.two_tower.evaluation.ranking import rank, ranking_tasks


def interactions_of(rows: list[tuple[int, int, int]]) -> Interactions:
    """From (user, item, second) of each row, of four users and five items."""
    users, items, times = np.array(rows).T
    return assemble(
        query_columns={
            "user_id": CategoricalColumn(users.astype(np.int32), list("abcd")),
            "timestamp": NumericColumn(times.astype(np.int64)),
        },
        items=items.astype(np.int32),
        candidate_columns={
            "movie_title": CategoricalColumn(np.arange(5, dtype=np.int32), list("vwxyz"))
        },
        source=repr(rows),
    )


def test_a_row_hides_what_came_before_it_by_hand() -> None:
    # User 0 has items 0 and 1 in the training rows, then item 2 and again item 2 in test rows.
    rows = [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 2, 4), (1, 4, 5)]
    interactions = interactions_of(rows)
    data = DataConfig(split="temporal", validation_size=0, test_size=3)
    split = split_interactions(data, interactions)
    # Item 0 scores best, then 1, and so on.
    scores = -np.arange(5, dtype=np.float32)

    def filtered(**values: str) -> list[int]:
        task = ranking_tasks(data, EvaluationConfig(**values), interactions, split)["test"]
        return rank(
            lambda start, stop, chosen: np.tile(scores[chosen], (stop - start, 1)), task
        ).seen_filtered.tolist()

    # The second row of item 2 is a repeat; user 1 has had nothing.
    assert filtered() == filtered(seen="before") == [0, NEVER_SHOWN, 4]
    assert filtered(seen="training") == [0, 0, 4]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 3)), min_size=4, max_size=30
    ),
    st.sampled_from(["include", "exclude"]),
    st.integers(1, 3),
)
def test_the_hidden_are_those_of_the_plainest_loop(rows, same_time, held_out) -> None:
    interactions = interactions_of(rows)
    data = DataConfig(split="temporal", validation_size=0, test_size=held_out, same_time=same_time)
    split = split_interactions(data, interactions)
    task = ranking_tasks(data, EvaluationConfig(), interactions, split)["test"]
    found, items = task.seen_by(0, len(task))
    pairs = list(zip(found.tolist(), items.tolist(), strict=True))
    assert pairs == sorted(
        (position, item)
        for position, row in enumerate(split.test.tolist())
        for item in {
            rows[other][1]
            for other in range(len(rows))
            if rows[other][0] == rows[row][0]
            and (
                rows[other][2] < rows[row][2]
                or (same_time == "include" and rows[other][2] == rows[row][2] and other < row)
            )
        }
    )
    assert task.largest_rank(is_filtered=True) == 4


def test_auto_goes_by_the_split_and_records_are_as_they_were() -> None:
    splits = ("random", "temporal", "leave_last_out")
    assert [seen_reading(each, "auto") for each in splits] == ["training", "before", "before"]
    assert seen_reading("temporal", "training") == "training"
    earlier = {"evaluation": {"split": "test"}, "features": {"query": [], "candidate": []}}
    assert with_defaults(earlier)["evaluation"]["seen"] == "training"
    earlier["evaluation"]["seen"] = "auto"
    assert with_defaults(earlier)["evaluation"]["seen"] == "auto"


def test_without_times_nothing_is_before() -> None:
    interactions = replace(skewed_interactions(), timestamps=None, timestamp_column=None)
    data = DataConfig()
    split = split_interactions(data, interactions)
    assert ranking_tasks(data, EvaluationConfig(), interactions, split)["test"].histories is None
    with pytest.raises(ConfigError, match=r"evaluation\.seen: got 'before', and the data has no"):
        ranking_tasks(data, EvaluationConfig(seen="before"), interactions, split)
