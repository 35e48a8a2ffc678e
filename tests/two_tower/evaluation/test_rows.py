"""What is kept of each scored row: the columns by hand, coverage by listing the first."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from small_trials import skewed_interactions

from sweeper.two_tower.config import DataConfig, EvaluationConfig
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.evaluation import ranking, rows
from sweeper.two_tower.evaluation.baselines import fit_baselines
from sweeper.two_tower.evaluation.ranking import RankingTask, SeenItems, rank, ranking_tasks
from sweeper.two_tower.evaluation.rows import as_parquet, coverage, row_table


@pytest.fixture
def parts():
    """Interactions, their split, and the task of the test rows."""
    interactions = skewed_interactions()
    data = DataConfig(name="synthetic", split="temporal")
    split = split_interactions(data, interactions)
    return interactions, split, ranking_tasks(data, EvaluationConfig(), interactions, split)["test"]


def test_each_row_has_its_ranks_and_its_counts_in_the_training_rows(parts):
    interactions, split, task = parts
    fitted = fit_baselines(EvaluationConfig(baselines=["ease"]), interactions, split.train)
    ranked = {name: rank(fit(task), task) for name, fit in fitted.items()}
    table = pyarrow.parquet.read_table(
        pyarrow.BufferReader(as_parquet(row_table(ranked, task, interactions, split.train)))
    ).to_pydict()
    assert list(table) == [
        "user", "item", "user_rows", "item_rows", "is_repeat", "history_length",
        "seconds_since_training", "popularity_rank",
        "popularity_seen_filtered_rank", "ease_rank", "ease_seen_filtered_rank",
    ]  # fmt: skip
    assert table["user"] == interactions.users[split.test].tolist()
    training = interactions.users[split.train], interactions.items[split.train]
    for name, column in (("user", training[0]), ("item", training[1])):
        counted = [int((column == value).sum()) for value in table[name]]
        assert table[f"{name}_rows"] == counted
    # The split goes by time: what came before the row counts, test rows included.
    users, items, times = interactions.users, interactions.items, interactions.timestamps
    assert table["is_repeat"] == [
        any(
            (users[row], items[row]) == (users[other], items[other])
            and (times[other], other) < (times[row], row)
            for other in range(len(users))
        )
        for row in split.test
    ]
    assert 0 < sum(table["is_repeat"]) < len(task)
    assert table["history_length"] == [
        sum(
            users[row] == users[other] and (times[other], other) < (times[row], row)
            for other in range(len(users))
        )
        for row in split.test
    ]
    assert table["seconds_since_training"] == [
        times[row] - max(times[split.train]) for row in split.test
    ]
    for name, ranks in ranked.items():
        assert table[f"{name}_rank"] == ranks.unfiltered.tolist()
        assert table[f"{name}_seen_filtered_rank"] == ranks.seen_filtered.tolist()


def test_coverage_by_hand(monkeypatch):
    """Two are shown of five; the rows' first two are {4, 3}, {4, 0} and {4, 3}."""
    monkeypatch.setattr(rows, "SHOWN", 2)
    scores = np.array([[0, 1, 2, 3, 4], [3, 0, 1, 2, 4], [0, 1, 2, 3, 4]], np.float32)
    none = SeenItems(np.zeros(2, np.int64), np.zeros(0, np.int64))
    task = RankingTask(np.zeros(3, np.int64), np.zeros(3, np.int64), 5, none)
    for pairs in (5, 1_000):
        monkeypatch.setattr(ranking, "PAIRS_A_CHUNK", pairs)
        monkeypatch.setattr(ranking, "ROWS_A_CHUNK", 1)
        assert (
            coverage(lambda start, stop, chosen: scores[start:stop, chosen], task, threads=2)
            == 3 / 5
        )


def test_a_small_catalogue_is_covered(parts):
    interactions, split, task = parts
    assert task.num_candidates < rows.SHOWN
    fitted = fit_baselines(EvaluationConfig(), interactions, split.train)
    assert coverage(fitted["popularity"](task), dataclasses.replace(task)) == 1.0


def test_rows_that_do_not_come_after_training_have_no_age():
    interactions = skewed_interactions()
    data = DataConfig(name="synthetic", split="random", split_seed=1)
    split = split_interactions(data, interactions)
    task = ranking_tasks(data, EvaluationConfig(), interactions, split)["test"]
    ranks = {"popularity": rank(lambda *_: np.zeros((len(task), task.num_candidates)), task)}
    columns = row_table(ranks, task, interactions, split.train).column_names
    assert "history_length" in columns
    assert "seconds_since_training" not in columns
    timeless = dataclasses.replace(task, histories=None)
    columns = row_table(ranks, timeless, interactions, split.train).column_names
    assert "history_length" not in columns
