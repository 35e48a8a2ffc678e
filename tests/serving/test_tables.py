"""What is written of users and candidates, by hand."""

from __future__ import annotations

import numpy as np

from sweeper.serving.tables import candidate_table, history_table, newest, user_table
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble

# Row by row: the user, the candidate, the time, the mood, the tags.
ROWS = [
    ("a", 2, 50, "calm", ["x"]),
    ("b", 0, 10, "wild", []),
    ("a", 1, 40, "wild", ["y", "x"]),
    ("b", 1, 20, "calm", ["y"]),
    ("c", 0, 99, "calm", ["x"]),  # not in the training rows
    ("a", 2, 30, "wild", []),  # again, and earlier
    ("b", 2, 20, "wild", ["x", "x"]),  # as late as another: the later row counts
]
NAMES = {"user_id": "user_id", "timestamp": "timestamp", "mood": "mood_2", "tags": "tags"}
TRAINING = np.array([6, 0, 3, 1, 5, 2])


def interactions(with_times: bool = True) -> Interactions:
    users, items, times, moods, tags = zip(*ROWS, strict=True)
    flat = [tag for each in tags for tag in each]
    return assemble(
        {
            "user_id": CategoricalColumn(
                np.array(["abc".index(user) for user in users], np.int32), [*"abc"]
            ),
            "timestamp": NumericColumn(np.array(times, np.int64)),
            "mood": CategoricalColumn(
                np.array([mood == "wild" for mood in moods], np.int32), ["calm", "wild"]
            ),
            "tags": CategoricalListColumn(
                np.array([tag == "y" for tag in flat], np.int32),
                np.cumsum([0, *map(len, tags)]),
                ["x", "y"],
            ),
        },
        np.array(items, np.int32),
        {"movie_title": CategoricalColumn(np.arange(3, dtype=np.int32), ["p", "q", "r"])},
        source="made in a test",
        timestamp_column="timestamp" if with_times else None,
    )


def test_a_user_is_as_in_the_last_training_row_and_has_seen_each_title_once() -> None:
    table = user_table(interactions(), TRAINING, NAMES)
    assert table.to_pylist() == [
        {"user_id": "a", "timestamp": 50, "mood_2": "calm", "tags": ["x"], "seen": [1, 2]},
        {
            "user_id": "b",
            "timestamp": 20,
            "mood_2": "wild",
            "tags": ["x", "x"],
            "seen": [0, 1, 2],
        },
    ]


def test_without_times_the_order_of_the_rows_counts() -> None:
    table = user_table(
        interactions(with_times=False), TRAINING, {"user_id": "user_id", "mood": "mood"}
    )
    assert table.to_pylist() == [
        {"user_id": "a", "mood": "wild", "seen": [1, 2]},
        {"user_id": "b", "mood": "wild", "seen": [0, 1, 2]},
    ]


def test_an_export_that_reads_histories_has_all_rows_of_each_user_by_time() -> None:
    names = {"user_id": "user_id", "mood": "mood"}
    table = history_table(interactions(), TRAINING, names, ["history", "seconds_since_last"])
    assert table.to_pylist() == [
        {"user_id": "a", "mood": "calm", "seen": [1, 2], "training_rows": 3,
         "history": [2, 1, 2], "seconds_since_last": 49.0},
        {"user_id": "b", "mood": "wild", "seen": [0, 1, 2], "training_rows": 3,
         "history": [0, 1, 2], "seconds_since_last": 79.0},
        {"user_id": "c", "mood": "calm", "seen": [0], "training_rows": 0,
         "history": [0], "seconds_since_last": 0.0},
    ]  # fmt: skip
    only = history_table(interactions(), TRAINING, names, ["history"])
    assert only.column_names == ["user_id", "mood", "seen", "training_rows", "history"]


def test_the_newest_time_is_of_the_training_rows() -> None:
    assert newest(interactions(), TRAINING, "timestamp") == 50.0
    assert newest(interactions(with_times=False), TRAINING, "timestamp") is None
    assert newest(interactions(), TRAINING, None) is None


def test_a_candidates_row_has_its_embedding() -> None:
    embeddings = np.arange(6, dtype=np.float32).reshape(3, 2)
    table = candidate_table(interactions().candidate_columns, embeddings)
    assert table.to_pylist()[1] == {"movie_title": "q", "embedding": [2.0, 3.0]}


def test_the_embeddings_column_gives_way_to_a_column_of_the_data() -> None:
    columns = interactions().candidate_columns
    columns["Embedding"] = columns["movie_title"]
    table = candidate_table(columns, np.ones((3, 2), np.float32))
    assert table.column_names == ["movie_title", "Embedding", "embedding_2"]
    assert table["Embedding"].to_pylist() == ["p", "q", "r"]
