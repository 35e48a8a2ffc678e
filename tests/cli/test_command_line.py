"""The command line as a user has it: real processes, exit codes and messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import run_fresh, run_module, started_module

from sweeper.cli.composition import composed
from sweeper.common.console import make_console
from sweeper.common.errors import ConfigError
from sweeper.common.exit_codes import exit_codes
from sweeper.two_tower import record

# Compiled by XLA a step takes less, but its compilation longer than these trainings.
QUICK = [
    "data=synthetic", "train=quick", "train.epochs=2", "train.eval_every_epochs=1",
    "train.xla=false",
]  # fmt: skip


def sweeper(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module(directory, "sweeper", *arguments)


WRONG = [
    (["model=three_layr"], "model: got 'three_layr'", "Did you mean 'three_layer'?"),
    (["optimizer.learning_rat=1"], "optimizer.learning_rat:", "'optimizer.learning_rate'?"),
    (["train.epochs=abc"], "train.epochs: got 'abc'", "a whole number"),
    (["train.eval_every_epochs=0"], "train.eval_every_epochs: got 0", "at least 1"),
    (["train.batch_size=-5"], "train.batch_size: got -5", "at least 1"),
    (["optimizer.learning_rate=nan"], "optimizer.learning_rate: got nan", "greater than 0"),
    (["model.candidate_layer_sizes=[8]"], "model.layer_sizes:", "same width"),
    (["data.split=randm"], "data.split: got 'randm'", "Did you mean 'random'?"),
    (["data.source=/no/such/file.zip"], "data.source: got '/no/such/file.zip'", "package_index"),
    (["data.test_size=0"], "data.test_size: got 0", "greater than 0"),
]


@pytest.mark.parametrize(("arguments", "what", "right"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_value_is_named_and_nothing_is_written(tmp_path, arguments, what, right):
    done = sweeper(tmp_path, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {what}")
    assert right in line
    assert list(tmp_path.iterdir()) == []


def test_all_wrong_values_are_told_at_once(tmp_path):
    done = sweeper(tmp_path, "train.epochs=-1", "task.temperature=0", "data.split=x")
    assert done.returncode == 2
    for key in ("train.epochs", "task.temperature", "data.split"):
        assert f"error: {key}: got" in done.stderr


def test_an_unknown_column_is_named_with_the_closest(tmp_path):
    feature = "features.query=[{column: user_idd, kind: embedding}]"
    done = sweeper(tmp_path, *QUICK, feature)
    assert done.returncode == 2
    assert "features.query[0].column: got 'user_idd'" in done.stderr
    assert "Did you mean 'user_id'?" in done.stderr


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        (
            "features.candidate=[{column: movie_title, kind: buckets}]",
            "features.candidate[0].kind: got 'buckets' for 'movie_title', a column of single "
            "strings; must be embedding or text for it",
        ),
        (
            "features.query=[{column: user_id, kind: sequence}]",
            "features.query[0].column: got 'user_id', no column of the catalogue; a sequence reads "
            "strings of it: must be movie_genres, movie_id or movie_title",
        ),
        ("data.train_size=49000", "49,000 for training, 5,000 for validation and 10,000 for"),
        (
            "data.synthetic.num_interactions=1000000",
            "got 1000000; must be at most the 500000 pairs",
        ),
    ],
)
def test_what_does_not_fit_the_data_ends_with_2_and_tells_why(tmp_path, argument, problem):
    done = sweeper(tmp_path, *QUICK, argument)
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "argument", ["+model.layer_size=[8]", "++trian.epochs=3", "+colour=red", "+hydrate=1"]
)
def test_a_plus_lets_no_unknown_key_through(tmp_path, argument):
    done = sweeper(tmp_path, *QUICK, argument)
    assert done.returncode == 2
    assert argument.strip("+").split("=")[0] in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (
            "options={beta_1: 0.8}",
            "error: optimizer.options: got {beta_1:0.8}; give each by itself, as "
            "+optimizer.options.NAME=VALUE\n",
        ),
        (
            "options.beta_1=0.8",
            "error: optimizer.options.beta_1: has no value to change; add it with "
            "+optimizer.options.beta_1=0.8\n",
        ),
    ],
)
def test_an_option_of_the_optimizer_is_told_how_to_give(tmp_path, option, line):
    done = sweeper(tmp_path, "optimizer=adam", f"optimizer.{option}")
    assert done.returncode == 2
    assert done.stderr == line


OWN_FILES = {
    "an unknown key": ("layer_size: [8]", "layer_size"),
    "a wrong type": ("layer_sizes: [8, wide]", "wide"),
    "out of range": ("layer_sizes: [0]", "model.layer_sizes: got [0]"),
    "no YAML": ("layer_sizes: [8", "mine"),
}


@pytest.mark.parametrize("fault", OWN_FILES)
def test_a_fault_in_the_users_own_yaml_is_told_with_its_file(tmp_path, fault):
    text, told = OWN_FILES[fault]
    own, work = tmp_path / "own" / "model", tmp_path / "work"
    own.mkdir(parents=True)
    work.mkdir()
    (own / "mine.yaml").write_text(text + "\n")
    done = sweeper(work, "--config-dir", str(own.parent), *QUICK, "model=mine")
    assert done.returncode == 2
    assert told in done.stderr
    assert "must be one of" not in done.stderr
    assert "Traceback" not in done.stderr
    assert list(work.iterdir()) == []


def test_the_users_own_yaml_is_found(tmp_path):
    own = tmp_path / "own" / "model"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("layer_sizes: [17, 3]\n")
    done = sweeper(tmp_path, "--config-dir", str(own.parent), "model=mine", "--cfg", "job")
    assert done.returncode == 0
    assert "- 17\n" in done.stdout


def test_a_config_directory_that_is_not_there(tmp_path):
    done = sweeper(tmp_path, "--config-dir", str(tmp_path / "nowhere"), *QUICK, "model=mine")
    assert done.returncode == 2
    assert "nowhere" in done.stderr.splitlines()[-1]


def test_two_misspelt_options_are_told_at_once(tmp_path):
    done = sweeper(tmp_path, "optimizer=addam", "data=synthetc", "train.epochs=many")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.split(": got")[0] for line in lines] == [
        "error: optimizer", "error: data", "error: train.epochs",
    ]  # fmt: skip
    assert "Did you mean 'adam'?" in lines[0]
    assert "Did you mean 'synthetic'?" in lines[1]


def test_a_zip_that_is_none(tmp_path):
    (tmp_path / "ml-100k.zip").write_text("not a zip")
    done = sweeper(tmp_path, f"data.source={tmp_path / 'ml-100k.zip'}")
    assert done.returncode == 2
    assert "ml-100k.zip" in done.stderr


def test_an_output_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    done = sweeper(tmp_path, *QUICK, f"hydra.run.dir={tmp_path / 'file' / 'run'}")
    assert done.returncode == 2
    assert "hydra.run.dir: got" in done.stderr
    assert "Not a directory" in done.stderr


@pytest.mark.parametrize("question", [["--help"], ["--cfg", "job"]])
def test_questions_are_answered_without_tensorflow(tmp_path, question):
    done = run_fresh(tmp_path, "-m", "sweeper", *question, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "learning_rate: 0.1" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "sweeper.cli.command_line" in imported
    assert "tensorflow" not in imported


def test_a_loss_that_diverges_stops_with_epoch_and_step(tmp_path):
    done = sweeper(
        tmp_path, *QUICK, "optimizer=sgd", "optimizer.learning_rate=1e30", "hydra.run.dir=run"
    )
    assert done.returncode == 2
    assert "the loss became" in done.stderr
    assert "at epoch 1, step" in done.stderr
    failed = record.read(tmp_path / "run")
    assert failed.state == "failed"
    assert "TrialError" in failed.reason
    # The same directory again: refused, and the record is as it was.
    again = sweeper(tmp_path, *QUICK, "hydra.run.dir=run")
    assert again.returncode == 2
    assert "already holds a trial" in again.stderr
    assert record.read(tmp_path / "run") == failed


def test_what_is_run_afterwards_finds_the_environment_as_it_was(monkeypatch, capsys):
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    with pytest.raises(SystemExit), exit_codes():
        raise ConfigError("train.epochs: got 0; must be at least 1")
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert capsys.readouterr().err == "error: train.epochs: got 0; must be at least 1\n"


def test_ctrl_c_keeps_what_there_is(tmp_path):
    with started_module(
        tmp_path, "sweeper", "data=synthetic", "train.epochs=100000", "train.eval_every_epochs=1",
        "hydra.run.dir=run",
        # A shell has what it runs in the background ignore SIGINT, this test among it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        for line in process.stdout:
            if line.startswith("epoch "):
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    interrupted = record.read(tmp_path / "run")
    assert interrupted.state == "interrupted"
    assert interrupted.history
    assert (tmp_path / "run" / record.CURVES).exists()


def test_multirun_runs_every_combination_once(tmp_path):
    done = sweeper(
        tmp_path, "--multirun", *QUICK, "model=linear,one_layer", "hydra.sweep.dir=sweep"
    )
    assert done.returncode == 0, done.stderr
    trials = [record.read(tmp_path / "sweep" / "trials" / number) for number in ("0000", "0001")]
    assert [trial.config["model"]["layer_sizes"] for trial in trials] == [[], [32]]
    assert {trial.state for trial in trials} == {"completed"}
    # Another sweep can't go on with this one.
    again = sweeper(tmp_path, "--multirun", *QUICK, "model=linear", "hydra.sweep.dir=sweep")
    assert again.returncode == 2
    assert "another study.name" in again.stderr


def test_every_value_of_a_sweep_is_checked_before_the_first_runs(tmp_path):
    done = sweeper(tmp_path, "--multirun", "optimizer.learning_rate=0.1,-1", "model.dropout=0,2")
    assert done.returncode == 2
    assert "optimizer.learning_rate: got -1;" in done.stderr
    assert "model.dropout: got 2;" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["study.n_trials=4"], "error: study.n_trials: is given without a study; give study="),
        (["storage.url=x"], "error: storage.url: is given without a study; give study="),
        (["storage=journal"], "error: storage: is given without a study; give study="),
        (["-m", "study=loss", "--cfg", "job"], "error: --cfg: can't be combined with --multirun"),
        (["--run", "--cfg", "job"], "error: --cfg: can't be combined with --run"),
        (["study=loss", "hydra.mode=RUN"], "error: study=loss: is given with hydra.mode=RUN"),
        (["-m", "model.drpout=0,1"], "error: model.drpout: is not a key of the configuration"),
        (["-m", "data.split_seed=range(1,1)"], "error: data.split_seed: got no value"),
    ],
)
def test_what_belongs_to_a_study_alone_is_told(tmp_path, arguments, line):
    done = sweeper(tmp_path, *arguments)
    assert done.returncode == 2
    (told,) = done.stderr.splitlines()
    assert told.startswith(line)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_choice_in_a_sweep_is_named(tmp_path):
    done = sweeper(tmp_path, "--multirun", "model=linear,two_layr")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: model: got 'two_layr'")
    assert line.endswith("Did you mean 'two_layer'?")


def test_a_trial_that_is_there_is_left_as_it_is_to_the_last_file(tmp_path):
    assert sweeper(tmp_path, *QUICK, "hydra.run.dir=run").returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = sweeper(tmp_path, *QUICK, "model=linear", "hydra.run.dir=run")
    assert again.returncode == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_early_stopping_says_so(tmp_path):
    done = sweeper(
        tmp_path, "data=synthetic", "train.epochs=60", "train.eval_every_epochs=1",
        "train.patience_evaluations=2", "hydra.run.dir=run",
    )  # fmt: skip
    stopped = record.read(tmp_path / "run")
    assert stopped.stopped_early
    last = int(stopped.history[-1]["epoch"])
    assert last == stopped.best_epoch + 2 < 60
    assert f"after epoch {last}: none of the last 2 evaluations" in done.stdout


def test_a_config_path_lies_beside_the_program_as_hydra_has_it(tmp_path):
    done = sweeper(tmp_path, "--config-path", "../conf", "data=synthetic", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert "name: synthetic" in done.stdout
    done = sweeper(tmp_path, "--config-path", str(tmp_path), "data=synthetic")
    assert done.returncode == 2


def test_own_modules_are_found_wherever_a_configuration_is_composed(tmp_path, monkeypatch):
    conf = tmp_path / "project" / "conf"
    conf.mkdir(parents=True)
    (tmp_path / "project" / "my_own_tower.py").touch()
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    config = composed(["model.tower=my_own_tower:Tower"], conf)
    assert config.model.tower == "my_own_tower:Tower"


def test_a_title_with_colons_is_printed_as_it_is(capsys):
    make_console().print("Mission:rocket:go")
    assert capsys.readouterr().out == "Mission:rocket:go\n"
