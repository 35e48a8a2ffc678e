"""Rows by the length of their history and by the age of the training, by hand."""

from __future__ import annotations

import io

import numpy as np
import pyarrow
import pytest
from rich.console import Console

from sweeper.common.json_types import hints_of, is_of
from sweeper.two_tower.evaluation.ranking import Ranks
from sweeper.two_tower.evaluation.rows import metrics_by_segment
from sweeper.two_tower.evaluation.segments import DAY, HISTORY_LENGTH, HOUR, TIME_SINCE_TRAINING
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.aggregation import mean_by_scorer
from sweeper.two_tower.trial.result_tables import parts_table

LENGTHS = np.array([0, 1, 5, 6, 20, 21, 0])
RANKS = Ranks(np.array([0, 9, 10, 99, 5, 100, 50]), np.array([0, 4, 9, 98, 5, 99, 40]))
TABLE = pyarrow.table({"history_length": LENGTHS})


def rows_of(parts: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {part: np.flatnonzero(of).tolist() for part, of in parts.items()}


def test_each_row_is_in_one_part():
    assert rows_of(HISTORY_LENGTH.masks(LENGTHS)) == {
        "0": [0, 6], "1_to_5": [1, 2], "6_to_20": [3, 4], "over_20": [5],
    }  # fmt: skip
    seconds = np.array([0, HOUR, HOUR + 1, DAY, 7 * DAY, 30 * DAY, 365 * DAY, 366 * DAY])
    assert rows_of(TIME_SINCE_TRAINING.masks(seconds)) == {
        "to_1_hour": [0, 1], "to_1_day": [2, 3], "to_1_week": [4], "to_30_days": [5],
        "to_1_year": [6], "over_1_year": [7],
    }  # fmt: skip


@pytest.mark.parametrize("parts", [HISTORY_LENGTH, TIME_SINCE_TRAINING])
def test_every_part_has_its_words(parts):
    assert list(parts.labels) == list(parts.largest)
    assert list(parts.largest.values()) == sorted(parts.largest.values())


def test_metrics_of_each_part():
    found = metrics_by_segment(HISTORY_LENGTH, RANKS, TABLE, "mrr")
    assert {part: each["rows"] for part, each in found.items()} == {
        "0": 2, "1_to_5": 2, "6_to_20": 2, "over_20": 1,
    }  # fmt: skip
    assert {part: each["top_10"] for part, each in found.items()} == {
        "0": 0.5, "1_to_5": 0.5, "6_to_20": 0.5, "over_20": 0.0,
    }  # fmt: skip
    assert found["1_to_5"]["seen_filtered_top_10"] == 1.0
    assert list(found["0"]) == [
        "rows", "top_10", "top_100", "ndcg_10", "mrr", "seen_filtered_top_10",
        "seen_filtered_top_100", "seen_filtered_ndcg_10",
    ]  # fmt: skip
    few = metrics_by_segment(
        HISTORY_LENGTH, RANKS.only(np.array([1, 2])), TABLE.take([1, 2]), "top_10"
    )
    assert list(few) == ["1_to_5"]


def test_means_are_of_the_scorers_and_the_splits_that_have_them():
    one = {"model": {"test": {"0": {"rows": 10.0, "top_10": 0.5}}}}
    other = {
        "model": {
            "test": {"0": {"rows": 8.0, "top_10": 0.25}, "1_to_5": {"rows": 2.0, "top_10": 1.0}}
        },
        "ease": {"test": {"0": {"rows": 8.0, "top_10": 0.5}}},
    }
    assert mean_by_scorer([one, other]) == {
        "model": {
            "test": {"0": {"rows": 9.0, "top_10": 0.375}, "1_to_5": {"rows": 1.0, "top_10": 1.0}}
        }
    }
    # Records of an earlier version have none.
    assert mean_by_scorer([{}, one]) == {}


def recorded() -> TrialRecord:
    seconds = pyarrow.table({"seconds_since_training": np.array([0] * 6 + [2 * HOUR])})
    best = Ranks(RANKS.unfiltered[::-1], RANKS.seen_filtered[::-1])
    record = TrialRecord({"evaluation": {"metric": "top_10"}, "data": {"split": "temporal"}})
    for name, ranks in (("model", RANKS), ("popularity", best), ("ease", best)):
        record.by_history_length[name] = {
            "test": metrics_by_segment(HISTORY_LENGTH, ranks, TABLE, "top_10")
        }
        record.by_time_since_training[name] = {
            "test": metrics_by_segment(TIME_SINCE_TRAINING, ranks, seconds, "top_10")
        }
    record.baselines = {"popularity": {"test": {"top_10": 0.1}}, "ease": {"test": {"top_10": 0.2}}}
    return record


def test_the_table_has_the_model_beside_the_best_baseline():
    console = Console(file=io.StringIO(), width=110)
    console.print(parts_table(recorded(), "test"))
    title, *lines = (line.strip().split("  ") for line in console.file.getvalue().splitlines())
    assert title == ["top-10 on parts of the test rows"]
    assert [[cell.strip() for cell in line if cell.strip()] for line in lines] == [
        ["rows", "this model", "EASE"],
        ["no earlier row of the user", "2", "0.5000", "0.5000"],
        ["1 to 5 earlier rows", "2", "0.5000", "0.5000"],
        ["6 to 20 earlier rows", "2", "0.5000", "0.0000"],
        ["over 20 earlier rows", "1", "0.0000", "1.0000"],
        ["up to 1 hour after training", "6", "0.5000", "0.3333"],
        ["1 hour to 1 day after", "1", "0.0000", "1.0000"],
    ]


def test_there_is_no_table_without_a_split_by_time_or_ranks():
    record = recorded()
    record.config["data"]["split"] = "random"
    assert parts_table(record, "test") is None
    without = TrialRecord({"evaluation": {"metric": "top_10"}, "data": {"split": "temporal"}})
    assert parts_table(without, "test") is None


def test_what_json_must_hold():
    hint = hints_of(TrialRecord)["by_history_length"]
    assert is_of(recorded().by_history_length, hint)
    assert not is_of({"model": {"test": {"0": 0.5}}}, hint)
    assert not is_of({"model": {"test": {"0": {"rows": "many"}}}}, hint)
