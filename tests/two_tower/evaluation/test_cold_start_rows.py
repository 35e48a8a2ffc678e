"""Warm and cold rows: which is which, what a trial's record, its printout and a report say."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from rich.console import Console
from small_trials import small_config

from sweeper.two_tower import record as records
from sweeper.two_tower.config import DataConfig, EvaluationConfig, SyntheticConfig
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.evaluation.ranking import Ranks
from sweeper.two_tower.evaluation.rows import metrics_by_cold_start
from sweeper.two_tower.evaluation.segments import warm_and_cold
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.aggregation import mean_by_part
from sweeper.two_tower.trial.repeats import run_repeats
from sweeper.two_tower.trial.result_tables import result_lines
from sweeper.two_tower.trial.trial import run_trial

# Six rows: two warm, one of a cold user, two of cold candidates, one of both.
USER_ROWS = np.array([3, 1, 0, 2, 5, 0])
ITEM_ROWS = np.array([1, 9, 4, 0, 0, 0])
RANKS = Ranks(np.array([0, 7, 99, 100, 30, 400]), np.array([0, 4, 9, 100, 0, 99]))
TABLE = pyarrow.table({"user_rows": USER_ROWS, "item_rows": ITEM_ROWS})


def test_a_row_of_both_is_in_both_cold_parts():
    parts = {name: part.tolist() for name, part in warm_and_cold(USER_ROWS, ITEM_ROWS).items()}
    assert parts == {
        "warm": [True, True, False, False, False, False],
        "cold_user": [False, False, True, False, False, True],
        "cold_item": [False, False, False, True, True, True],
    }


def test_metrics_of_warm_and_cold_rows_by_hand():
    found = metrics_by_cold_start(RANKS, TABLE)
    assert {part: figures["rows"] for part, figures in found.items()} == {
        "warm": 2, "cold_user": 2, "cold_item": 3,
    }  # fmt: skip
    assert [found["warm"][name] for name in ("top_1", "top_5", "top_10")] == [0.5, 0.5, 1.0]
    assert found["warm"]["seen_filtered_top_5"] == 1.0
    # Of the cold users' ranks 99 and 400; seen-filtered 9 and 99.
    assert (found["cold_user"]["top_50"], found["cold_user"]["top_100"]) == (0.0, 0.5)
    assert found["cold_user"]["seen_filtered_top_100"] == 1.0
    assert found["cold_item"]["top_100"] == pytest.approx(1 / 3)
    assert found["cold_item"]["seen_filtered_top_50"] == pytest.approx(1 / 3)


def test_parts_without_rows_are_not_there():
    warm = pyarrow.table({"user_rows": USER_ROWS[:2], "item_rows": ITEM_ROWS[:2]})
    assert list(
        metrics_by_cold_start(Ranks(*(each[:2] for each in vars(RANKS).values())), warm)
    ) == ["warm"]


def test_the_line_of_a_trial():
    config = {"evaluation": {"metric": "seen_filtered_top_100"}, "data": {"split": "random"}}
    record = TrialRecord(config)
    assert [topic for topic, _ in result_lines(record, "test")] == ["seen"]
    record.by_cold_start["test"] = metrics_by_cold_start(RANKS, TABLE)
    assert list(result_lines(record, "test"))[1:] == [
        (
            "cold",
            "seen-filtered top-100 1.0000 on 2 warm rows, 1.0000 on 2 rows of cold users, 0.6667 "
            "on 3 rows of cold candidates (in no training row)",
        )
    ]
    del record.by_cold_start["test"]["cold_user"], record.by_cold_start["test"]["cold_item"]
    _, (_, text) = result_lines(record, "test")
    assert text == "no test row has a user or a candidate that is in no training row"


def test_a_part_that_some_splits_lack_is_told_by_hand():
    one = {"test": {"warm": {"rows": 100.0, "top_100": 0.5}}}
    other = {
        "test": {
            "warm": {"rows": 97.0, "top_100": 0.25},
            "cold_item": {"rows": 3.0, "top_100": 0.125},
        }
    }
    both = mean_by_part([one, other])
    assert both == {
        "test": {
            "warm": {"rows": 98.5, "top_100": 0.375},
            "cold_item": {"rows": 1.5, "top_100": 0.125},
        }
    }
    config = {"evaluation": {"metric": "top_100"}, "data": {"split": "random"}}
    record = TrialRecord(config, by_cold_start=both)
    _, (_, text) = result_lines(record, "test")
    assert text == (
        "top-100 0.3750 on 98 warm rows, 0.1250 on 1.5 rows of cold candidates (in no training row)"
    )
    assert mean_by_part([{}, {}]) == {}


def cold_config(**parts: object):
    """Few rows of many items and users: the latest have some of either that no other has."""
    data = DataConfig(
        name="synthetic",
        split="temporal",
        synthetic=SyntheticConfig(num_users=150, num_items=120, num_interactions=400, rank=2),
    )
    return small_config(**({"data": data} | parts))


def test_a_trial_scores_cold_rows_and_tells_of_them(tmp_path: Path):
    config, printed = cold_config(), io.StringIO()
    record = run_trial(config, tmp_path, console=Console(file=printed, width=200), draw=False)
    interactions = load_interactions(config.data)
    split = split_interactions(config.data, interactions)
    for rows, held_out in (("validation", split.validation), ("test", split.test)):
        cold = {
            part: ~np.isin(codes[held_out], codes[split.train])
            for part, codes in (
                ("cold_user", interactions.users),
                ("cold_item", interactions.items),
            )
        }
        found = record.by_cold_start[rows]
        assert found["cold_user"]["rows"] == cold["cold_user"].sum() > 0
        assert found["cold_item"]["rows"] == cold["cold_item"].sum() > 0
        warm = found["warm"]["rows"]
        assert warm == (~cold["cold_user"] & ~cold["cold_item"]).sum()
        # With ids alone all cold candidates score alike: each is behind all others of them.
        unseen = interactions.num_items - len(np.unique(interactions.items[split.train]))
        assert unseen > 10
        assert found["cold_item"]["top_10"] == 0
        # By time: each row is in one part by its history, and in one by its age.
        for parts in (record.by_history_length, record.by_time_since_training):
            assert list(parts) == ["model", "popularity"]
            for name, scores in (("model", record.metrics), *record.baselines.items()):
                of_rows = parts[name][rows].values()
                assert sum(part["rows"] for part in of_rows) == len(held_out)
                whole = scores[rows]["top_10"]
                mean = sum(part["rows"] * part["top_10"] for part in of_rows) / len(held_out)
                assert mean == pytest.approx(whole)
    assert "top-100 on parts of the test rows" in printed.getvalue()
    assert records.read(tmp_path) == record
    assert (
        f" on {record.by_cold_start['test']['cold_item']['rows']:.0f} rows of cold candidates"
        in (printed.getvalue())
    )


def test_a_trial_that_keeps_no_ranks_tells_nothing_of_it(tmp_path: Path):
    config = cold_config(evaluation=EvaluationConfig(save_ranks=False))
    record = run_trial(config, tmp_path, console=Console(file=io.StringIO()), draw=False)
    assert record.by_cold_start == record.by_history_length == record.by_time_since_training == {}


def test_repeats_have_the_means(tmp_path: Path):
    config = cold_config(data=DataConfig(name="synthetic", synthetic=cold_config().data.synthetic))
    quiet = Console(file=open(os.devnull, "w"))  # noqa: SIM115
    summary = run_repeats(
        config, [0, 1], "sequential", tmp_path, lambda *_: None, quiet, draw=False
    )
    each = [records.read(tmp_path / f"split_seed_{seed}") for seed in (0, 1)]
    for name in ("rows", "top_100"):
        values = [record.by_cold_start["test"]["cold_item"][name] for record in each]
        assert summary.by_cold_start["test"]["cold_item"][name] == pytest.approx(sum(values) / 2)
    assert records.read(tmp_path) == summary


@pytest.mark.parametrize("split", ["random", "temporal"])
def test_new_items_made_of_known_ones_are_told_apart(split: str, tmp_path: Path):
    synthetic = SyntheticConfig(num_users=40, num_items=30, num_interactions=600, rank=2)
    config = small_config(
        data=DataConfig(name="synthetic", split=split, cold_start_items=0.2, synthetic=synthetic)
    )
    printed = io.StringIO()
    record = run_trial(config, tmp_path, console=Console(file=printed, width=200), draw=False)
    interactions = load_interactions(config.data)
    parts = split_interactions(config.data, interactions)
    cold = np.unique(interactions.items[parts.taken_away])
    assert record.data["cold_start"] == {"items": 6, "rows": len(parts.taken_away)}
    assert f"are training rows of {len(cold)} cold-start items" in printed.getvalue()
    assert f"{split}, seed 42: " in printed.getvalue()
    for rows, held_out in (("validation", parts.validation), ("test", parts.test)):
        number = np.isin(interactions.items[held_out], cold).sum()
        assert record.by_cold_start[rows]["cold_item"]["rows"] == number > 0
    assert records.read(tmp_path) == record
