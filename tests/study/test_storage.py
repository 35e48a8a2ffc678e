"""A study's database: made, opened, compared and settled, with real SQLite files."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from sweeper import record as records
from sweeper.errors import ConfigError, OutputError
from sweeper.study import attributes, storage
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storage import (
    DATABASE,
    check_database,
    check_identity,
    check_place,
    cut_short,
    has_failed,
    is_taken,
    load_study,
    make_study,
    settle,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

LOSSES = [ObjectiveConfig("top_100"), ObjectiveConfig("num_parameters", "minimize")]
IDENTITY: dict[str, Any] = {
    attributes.SPACE: {"optimizer.learning_rate": {"low": 0.01, "high": 0.1, "log": True}},
    attributes.OBJECTIVES: {"top_100": "maximize"},
    attributes.PROTOCOL: {"train.epochs": 5, "model.layer_sizes": [32]},
}
LOW = {"x": optuna.distributions.FloatDistribution(0, 1)}


def new_study(directory: Path, values: Any = IDENTITY) -> optuna.Study:
    make_study(directory, "s", [ObjectiveConfig()], values)
    return load_study(directory, "s")


def begun(study: optuna.Study, **user_attributes: Any) -> optuna.Trial:
    trial = study.ask(LOW)
    for name, value in user_attributes.items():
        trial.set_user_attr(name, value)
    return trial


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


def test_a_new_study_has_all_that_it_was_given(tmp_path):
    make_study(tmp_path, "s", LOSSES, IDENTITY)
    study = load_study(tmp_path, "s")
    assert study.metric_names == ["top_100", "num_parameters"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.user_attrs == IDENTITY
    check_database(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE]


@pytest.mark.parametrize("name", ["with a space", "50% #1?x=1&y;'\"", "ünïcode"])
def test_any_directory_will_do(tmp_path, name):
    directory = tmp_path / name
    directory.mkdir()
    new_study(directory)
    assert load_study(directory, "s").study_name == "s"
    assert (directory / DATABASE).exists()


def test_a_study_whose_making_was_cut_short_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(
        optuna.Study, "set_user_attr", lambda *_, **__: exec("raise KeyboardInterrupt")
    )
    with pytest.raises(KeyboardInterrupt):
        new_study(tmp_path)
    assert not (tmp_path / DATABASE).exists()
    monkeypatch.undo()
    assert new_study(tmp_path).user_attrs == IDENTITY


@pytest.mark.parametrize("place", ["trial.json", "0/trial.json", "trials/0003"])
def test_a_directory_with_trials_of_something_else_is_refused(tmp_path, place):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(OutputError, match=f"already holds a trial .*{path.name}"):
        check_place(tmp_path)


def test_a_study_may_go_on_beside_its_own_trials(tmp_path):
    new_study(tmp_path)
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    check_place(tmp_path)


def test_a_study_of_another_name(tmp_path):
    new_study(tmp_path)
    with pytest.raises(OutputError, match="holds no study 't' but 's'"):
        load_study(tmp_path, "t")


def damage_header(path: Path) -> None:
    path.write_bytes(b"no database" + path.read_bytes()[11:])


def damage_middle(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xab" * 40_000 + content[48_192:])


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


@pytest.mark.parametrize("damage", [damage_header, damage_middle, cut_off])
def test_a_damaged_database_is_told_and_left_as_it_is(tmp_path, damage):
    new_study(tmp_path)
    damage(tmp_path / DATABASE)
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(OutputError, match=r"study\.db: is no database of a study, or a damaged"):
        check_database(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before


def test_a_database_that_another_program_keeps_locked_is_told_so(tmp_path, monkeypatch):
    new_study(tmp_path)
    monkeypatch.setattr(storage, "SECONDS_TO_START", 0.2)
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutputError, match="has kept this database locked for 0"):
            check_database(tmp_path)
    check_database(tmp_path)


def test_an_empty_file_is_no_study(tmp_path):
    (tmp_path / DATABASE).touch()
    with pytest.raises(OutputError, match="holds no study 's' but none at all"):
        load_study(tmp_path, "s")


def test_the_same_identity_has_no_difference(tmp_path):
    study = new_study(tmp_path)
    check_identity(study, tmp_path, json.loads(json.dumps(IDENTITY)))


@pytest.mark.parametrize(
    ("attribute", "value", "line"),
    [
        (
            attributes.SPACE,
            {"optimizer.learning_rate": {"low": 0.01, "high": 0.2, "log": True}},
            "study.space.optimizer.learning_rate.high: is 0.1 in the study, and now 0.2",
        ),
        (attributes.SPACE, {}, "study.space.optimizer.learning_rate: was there when"),
        (
            attributes.OBJECTIVES,
            {"top_100": "minimize"},
            "study.objectives.top_100: is maximize in the study, and now minimize",
        ),
        (
            attributes.PROTOCOL,
            {"train.epochs": 5, "model.layer_sizes": [32, 32]},
            "model.layer_sizes: is [32] in the study, and now [32, 32]",
        ),
        (
            attributes.PROTOCOL,
            {"train.epochs": 5, "model.layer_sizes": [32], "new": None},
            "new: was not there when the study began",
        ),
    ],
)
def test_a_difference_is_told_with_its_key(tmp_path, attribute, value, line):
    study = new_study(tmp_path)
    with pytest.raises(ConfigError) as caught:
        check_identity(study, tmp_path, {**IDENTITY, attribute: value})
    (problem,) = caught.value.problems
    assert problem.startswith(line)
    assert problem.endswith("to start anew, give another study.name or hydra.sweep.dir")


def test_all_differences_are_told_at_once(tmp_path):
    study = new_study(tmp_path)
    other = {key: dict.fromkeys(value, 1) for key, value in IDENTITY.items()}
    with pytest.raises(ConfigError) as caught:
        check_identity(study, tmp_path, other)
    assert len(caught.value.problems) == 4


def test_settling_runs_again_what_was_cut_short(tmp_path):
    study = new_study(tmp_path)
    study.tell(begun(study), 1.0)
    lost = begun(study, grid_point=1, directory="trials/0001")
    settle(study, tmp_path, max_retries=2)
    first, second, third = study.get_trials()
    assert [first.state, second.state] == [TrialState.COMPLETE, TrialState.FAIL]
    assert second.user_attrs[attributes.REASON] == storage.GONE
    assert (is_taken(first), is_taken(second), is_taken(third)) == (True, False, False)
    assert not has_failed(second)
    again = study.ask(LOW)
    assert again.params == lost.params
    # That the main process ended says nothing against the trial.
    kept = {attributes.RETRY_OF: 1, attributes.GRID_POINT: 1, attributes.DEATHS: 0}
    assert again.user_attrs == kept


def test_settling_again_changes_nothing(tmp_path):
    study = new_study(tmp_path)
    begun(study)
    settle(study, tmp_path, max_retries=2)
    before = study.get_trials()
    settle(load_study(tmp_path, "s"), tmp_path, max_retries=2)
    assert study.get_trials() == before


@pytest.mark.parametrize("max_retries", [0, 2])
def test_a_trial_under_which_processes_die_again_and_again_fails(tmp_path, max_retries):
    study = new_study(tmp_path)
    for _ in range(max_retries + 1):
        begun(study)
        settle(study, tmp_path, max_retries, died=True)
    assert states(study) == ["FAIL"] * (max_retries + 1)
    *before, last = study.get_trials()
    assert has_failed(last)
    assert last.user_attrs[attributes.DEATHS] == max_retries + 1
    assert not any(is_taken(trial) for trial in before)


def test_the_user_may_stop_a_trial_as_often_as_they_like(tmp_path):
    study = new_study(tmp_path)
    for _ in range(5):
        trial = begun(study)
        for key, value in cut_short(trial, "Ctrl-C", max_retries=0, died=False).items():
            trial.set_user_attr(key, value)
        study.tell(trial, state=TrialState.FAIL)
        settle(study, tmp_path, max_retries=0, died=True)
    assert states(study) == ["FAIL"] * 5 + ["WAITING"]
    assert not any(map(has_failed, study.get_trials()))


def test_what_was_queued_is_kept_though_the_trial_asked_for_nothing(tmp_path):
    study = new_study(tmp_path)
    study.enqueue_trial({"x": 0.5})
    study.ask()
    settle(study, tmp_path, max_retries=2)
    assert study.ask(LOW).params == {"x": 0.5}


def test_a_record_that_says_running_says_interrupted_afterwards(tmp_path):
    study = new_study(tmp_path)
    begun(study, directory="trials/0000")
    config = {"evaluation": {"rows": "validation"}}
    place = tmp_path / "trials" / "0000"
    for directory, state in ((place, "running"), (place / "split_seed_1", "completed")):
        records.write(directory, records.TrialRecord(config, state=state))
    settle(study, tmp_path, max_retries=2)
    assert records.read(place).state == "interrupted"
    assert records.read(place).reason == storage.GONE
    assert records.read(place / "split_seed_1").state == "completed"


WRITER = """
import sys
from contextlib import closing
from pathlib import Path
from sweeper.study.storage import load_study
study = load_study(Path(sys.argv[1]), "s")
for number in range(10):
    trial = study.ask()
    trial.set_user_attr("writer", sys.argv[2])
    study.tell(trial, trial.suggest_float("x", 0, 1))
"""


@pytest.mark.slow
def test_several_processes_may_write_at_once(tmp_path):
    study = new_study(tmp_path)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(writer)],
            cwd=Path(__file__).parents[2],
            stderr=subprocess.PIPE,
            text=True,
        )
        for writer in range(3)
    ]
    for writer in writers:
        _, printed = writer.communicate(timeout=60)
        assert writer.returncode == 0, printed
    trials = study.get_trials()
    assert [trial.number for trial in trials] == list(range(30))
    assert (
        sorted(trial.user_attrs["writer"] for trial in trials)
        == ["0"] * 10 + ["1"] * 10 + ["2"] * 10
    )
