"""Reading what a report is about: whole, damaged, missing, or something else."""

from __future__ import annotations

import json
import re

import pytest
from made_up_studies import StudyMaker, made_up_record, nothing

from sweeper.common.errors import ConfigError, OutputError
from sweeper.report.report import page_of
from sweeper.report.sections.head import problems_of
from sweeper.results.loading import load_all_results, load_results
from sweeper.two_tower import record as records


def test_a_study_and_its_trials_records(tmp_path):
    maker = StudyMaker(tmp_path, "depth")
    maker.trial([0.3, 0.4], params={"optimizer": "adam"})
    maker.trial([0.2], "pruned", params={"optimizer": "adagrad"})
    read = []
    results = load_results(tmp_path, lambda done, total: read.append((done, total)))
    assert (results.name, results.metric, results.evaluation_split) == (
        "depth",
        "top_100",
        "validation",
    )
    assert [row.number for row in results.rows] == [0, 1]
    assert results.best.number == 0
    assert results.records[1].state == "pruned"
    assert results.records[0].history[1]["top_100"] == 0.4
    assert results.problems == []
    assert read == [(1, 2), (2, 2)]


def test_a_run_is_a_study_of_one_trial(tmp_path):
    records.write(tmp_path, made_up_record([0.3, 0.4]))
    results = load_results(tmp_path)
    assert results.study is None
    assert (results.best.values, results.best.state) == ([0.4], "complete")
    assert results.best.result["baselines"]["popularity"]["top_100"] == 0.3
    assert results.name == tmp_path.name


def test_a_trial_on_several_splits_has_a_record_of_each(tmp_path):
    repeats = [{"split_seed": seed, "directory": f"split_seed_{seed}"} for seed in (3, 7)]
    summary = made_up_record([0.4], repeats=[{**repeat, "metrics": {}} for repeat in repeats])

    def write(place):
        records.write(place, summary)
        records.write(place / "split_seed_3", made_up_record([0.3]))
        records.write(place / "split_seed_7", made_up_record([0.5]))

    StudyMaker(tmp_path).trial([0.4], record=summary, write=write)
    results = load_results(tmp_path)
    assert [(seed, record.history[0]["top_100"]) for seed, record in results.records_of(0)] == [
        (3, 0.3),
        (7, 0.5),
    ]
    (tmp_path / "trials/0000/split_seed_7/trial.json").unlink()
    results = load_results(tmp_path)
    assert [seed for seed, _ in results.records_of(0)] == [3]
    assert len(results.problems) == 1
    assert "split_seed_7/trial.json" in results.problems[0]


def damaged(tmp_path):
    """A study in which each trial lacks something else; the last lacks nothing."""
    maker = StudyMaker(tmp_path)
    places = [maker.trial([0.3 + number / 100]) for number in range(5)]
    (places[0] / "trial.json").unlink()
    (places[1] / "trial.json").write_text('{"config": ')
    (places[2] / "history.csv").unlink()
    content = json.loads((places[3] / "trial.json").read_text())
    (places[3] / "trial.json").write_text(json.dumps(content | {"format_version": 0}))
    return maker


def test_what_is_missing_or_damaged_is_named_and_left_out(tmp_path):
    damaged(tmp_path)
    results = load_results(tmp_path)
    assert len(results.rows) == 5
    assert sorted(results.records) == [2, 4]
    problems = sorted(results.problems)
    assert [re.search(r"\d{4}/\w+\.\w+", problem)[0] for problem in problems] == [
        "0000/trial.json", "0001/trial.json", "0002/history.csv", "0003/trial.json",
    ]  # fmt: skip
    assert "is missing" in problems[0]
    assert "no trial can be read from it" in problems[1]
    assert "is missing; left out: the curve" in problems[2]
    assert "has format version 0; this sweeper reads 1" in problems[3]


def test_a_damaged_history_is_named(tmp_path):
    place = StudyMaker(tmp_path).trial([0.3])
    (place / "history.csv").write_text("epoch,top_100\n2,what\n")
    results = load_results(tmp_path)
    assert results.records == {}
    assert "history.csv: no history can be read from it" in results.problems[0]


def test_trials_that_wrote_nothing_are_no_problem(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([0.3])
    for state in ("running", "failed", "interrupted", "waiting"):
        maker.trial([], state, write=nothing)
    results = load_results(tmp_path)
    assert results.problems == []
    (problem,) = problems_of(results)
    assert "2 trials still running or waiting" in problem


def test_a_users_own_objective_leaves_no_records(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([0.3], write=nothing)
    maker.trial([0.4], write=nothing)
    (problem,) = load_results(tmp_path).problems
    assert "no trial has a record (trial.json)" in problem


def test_a_study_without_a_finished_trial_says_so(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([], "failed", write=nothing, reason="TrialError: the loss is not finite")
    problems = problems_of(load_results(tmp_path))
    assert problems == [f"{tmp_path}: no trial is complete and feasible"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda place: None, "is not a directory; must be the directory of a study or a run"),
        (lambda place: place.mkdir(), r"holds neither a study \(study\.db\) nor a run"),
        (lambda place: StudyMaker(place), "no trial of its study has started; must have one"),
        (
            lambda place: StudyMaker(place).trial([], "waiting", write=nothing),
            "no trial of its study has",
        ),
    ],
)
def test_where_there_is_nothing_to_show(tmp_path, make, words):
    make(tmp_path / "study")
    with pytest.raises(OutputError, match=words):
        load_results(tmp_path / "study")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"no database at all, just text" * 100, "not a database of a study")],
)
def test_a_damaged_database(tmp_path, content, words):
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(OutputError, match=words):
        load_results(tmp_path)
    assert (tmp_path / "study.db").read_bytes() == content


def test_a_run_of_another_version(tmp_path):
    records.write(tmp_path, made_up_record([0.3], format_version=7))
    with pytest.raises(OutputError, match="has format version 7; this sweeper reads 1"):
        load_results(tmp_path)


def test_the_directory_above_names_what_lies_below(tmp_path):
    StudyMaker(tmp_path / "depth")
    records.write(tmp_path / "run", made_up_record([0.3]))
    with pytest.raises(OutputError, match=rf"left: {tmp_path}/depth, {tmp_path}/run$"):
        load_results(tmp_path)


def test_of_several_those_are_read_that_can_be(tmp_path):
    records.write(tmp_path / "run", made_up_record([0.3]))
    studies, unread = load_all_results([tmp_path / "run", tmp_path / "nowhere"])
    assert [results.directory.name for results in studies] == ["run"]
    assert unread == [
        f"{tmp_path}/nowhere: is not a directory; must be the directory of a study or a run"
    ]
    with pytest.raises(ConfigError) as raised:
        load_all_results([tmp_path / "nowhere", tmp_path])
    assert len(raised.value.problems) == 2


def test_a_trial_that_ends_after_the_study_was_read_is_no_part_of_its_report(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([0.4])
    results = load_results(tmp_path)
    maker.trial([0.5])
    page_of([results])
    assert [trial.number for trial in results.trials] == [row.number for row in results.rows] == [0]
