"""`sweeper.load_study`: data frames and plots for a notebook."""

from __future__ import annotations

import csv
import sys

import pytest
from made_up_studies import StudyMaker, made_up_record

import sweeper
from sweeper.common.errors import OutputError
from sweeper.results.loading import load_results
from sweeper.study.outputs.leaderboard import write_leaderboard
from sweeper.two_tower import record as records


def test_trials_are_the_leaderboard(searched_study, tmp_path):
    trials = sweeper.load_study(str(searched_study)).trials
    path = write_leaderboard(load_results(searched_study).study, tmp_path)
    rows = list(csv.DictReader(path.open()))
    assert list(trials.columns) == list(rows[0])
    assert [str(number) for number in trials["number"]] == [row["number"] for row in rows]
    assert trials["top_100"].max() == pytest.approx(float(rows[0]["top_100"]))
    assert (trials["state"] == "pruned").sum() == 8


def test_histories_have_a_row_for_each_evaluation(searched_study):
    histories = sweeper.load_study(searched_study).histories
    assert list(histories.columns[:3]) == ["trial", "split_seed", "epoch"]
    assert len(histories) == 16 * 3 + 8
    assert histories["split_seed"].isna().all()
    first = histories[histories["trial"] == 0]
    assert first["epoch"].tolist() == [2, 4, 6]
    assert first["top_100"].tolist() == pytest.approx([0.35, 0.45, 0.44])


def test_histories_of_several_splits_name_them(tmp_path):
    repeats = [
        {"split_seed": seed, "directory": f"split_seed_{seed}", "metrics": {}} for seed in (0, 1)
    ]
    records.write(tmp_path, made_up_record([0.3], repeats=repeats))
    for seed in (0, 1):
        records.write(tmp_path / f"split_seed_{seed}", made_up_record([0.2 + seed / 10]))
    histories = sweeper.load_study(tmp_path).histories
    assert histories["split_seed"].tolist() == [0, 1]
    assert histories["top_100"].tolist() == pytest.approx([0.2, 0.3])


def test_without_an_evaluation_the_columns_are_there(tmp_path):
    records.write(tmp_path, made_up_record([], "failed"))
    histories = sweeper.load_study(tmp_path).histories
    assert list(histories.columns) == ["trial", "split_seed", "epoch"]
    assert len(histories) == 0


def test_figures_are_the_reports(searched_study):
    study = sweeper.load_study(searched_study)
    figures = study.figures()
    assert {"validation_curves", "optimization_history", "stages"} <= figures.keys()
    assert all("var(" not in figure.to_json() for figure in figures.values())
    assert study.figures(dark=True)["stages"].data[0].marker.color == "#4ca9e6"
    assert repr(study) == f"<made_up: 24 trials in {searched_study}>"


def test_a_directory_that_is_nothing(tmp_path):
    with pytest.raises(OutputError, match="neither a study"):
        sweeper.load_study(tmp_path)


def test_without_pandas_it_says_what_to_install(tmp_path, monkeypatch):
    StudyMaker(tmp_path).trial([0.3])
    study = sweeper.load_study(tmp_path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(OutputError, match=r"pip install -c constraints.txt -e '\.\[notebook\]'"):
        _ = study.trials
