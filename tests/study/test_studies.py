"""Studies from the command line to their results, in real processes, with a made-up objective."""

from __future__ import annotations

import csv
from pathlib import Path

import optuna
import pytest
import yaml
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from optuna.trial import TrialState
from processes import run_module
from toy_runs import (
    BASIC,
    RANGE,
    STUDY,
    check_grid,
    check_whole,
    contents,
    finished,
    leaderboard,
    trials_of,
)

from sweeper.study import attributes
from sweeper.study.storage.factory import load_study
from sweeper.two_tower import record

EPOCHS = "train.epochs=5"
OWN_STUDY = """# @package _global_
train: {epochs: 5, eval_every_epochs: 1}
study:
  name: mine
  n_trials: 4
  sampler: random
  pruner: none
  space:
    optimizer.learning_rate: {low: 0.001, high: 0.1, log: true}
    model.dropout: {choices: [0.0, 0.25]}
  enqueue:
    - {optimizer.learning_rate: 0.01, model.dropout: 0.25}
hydra:
  mode: MULTIRUN
  sweep: {dir: results/mine}
  callbacks: {note: {_target_: toy_study.NoteCalls}}
"""


def overrides_of(study: Path) -> list[list[str]]:
    return [trial.user_attrs[attributes.OVERRIDES] for trial in trials_of(study)]


def test_a_grid_runs_each_combination_once_in_its_order_and_then_nothing(tmp_path):
    grid = ("-m", "model=one_layer,two_layer,three_layer", "data.split_seed=0,1,2", EPOCHS, STUDY)
    finished(tmp_path, *grid)
    study = tmp_path / "study"
    check_grid(study, 9)
    assert overrides_of(study) == [
        [f"model={model}", f"data.split_seed={seed}"]
        for model in ("one_layer", "two_layer", "three_layer")
        for seed in range(3)
    ]
    directories = sorted(path.name for path in (study / "trials").iterdir())
    assert directories == [f"{number:04d}" for number in range(9)]
    config = yaml.safe_load((study / "trials/0007/.hydra/config.yaml").read_text())
    assert (len(config["model"]["layer_sizes"]), config["data"]["split_seed"]) == (3, 1)
    assert (study / "trials/0007/ended.txt").exists()

    before = contents(study / "trials")
    printed = finished(tmp_path, *grid)
    assert "the study already has 9 trials" in printed
    assert contents(study / "trials") == before
    check_grid(study, 9)


@pytest.mark.slow
def test_the_grammar_of_sweeps(tmp_path):
    finished(
        tmp_path, "-m", BASIC, STUDY, EPOCHS, "optimizer=glob(ada*,exclude=adam*)",
        "model=glob(*_layer,exclude=three*)", "model.activation='relu',\"gelu\"",
        "data.split_seed=range(1,3)", "model.dropout=choice(0.25)",
    )  # fmt: skip
    study = tmp_path / "study"
    check_grid(study, 8)
    values = [
        {row[name] for row in leaderboard(study)}
        for name in ("optimizer", "model", "model.activation", "data.split_seed", "model.dropout")
    ]
    assert values == [
        {"adagrad"}, {"one_layer", "two_layer"}, {"relu", "gelu"}, {"1", "2"}, {"0.25"},
    ]  # fmt: skip


@pytest.fixture
def own_study(tmp_path: Path) -> tuple[str, str, str]:
    """The arguments for a study in a file of the user's own."""
    (tmp_path / "own" / "study").mkdir(parents=True)
    (tmp_path / "own" / "study" / "mine.yaml").write_text(OWN_STUDY)
    return ("--config-dir", "own", "study=mine")


def test_a_study_of_the_users_own_file_and_its_results(tmp_path, own_study):
    printed = finished(tmp_path, *own_study)
    study = tmp_path / "results" / "mine"
    assert [trial.state for trial in check_whole(study, 4)] == [TrialState.COMPLETE] * 4
    assert trials_of(study)[0].params == {"optimizer.learning_rate": 0.01, "model.dropout": 0.25}
    rows = leaderboard(study)
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    values = [float(row["top_100"]) for row in rows]
    assert values == sorted(values, reverse=True)
    results = yaml.safe_load((study / "optimization_results.yaml").read_text())
    assert results["best_value"] == values[0]
    assert results["best_params"]["model.dropout"] == float(rows[0]["model.dropout"])
    assert results["directory"] == rows[0]["directory"]
    assert "study    mine: 4 trials, sampler random" in printed
    command = load_study(study).user_attrs[attributes.COMMAND]
    assert command.startswith("python ")
    assert " --config-dir own study=mine" in command
    # Hydra's callbacks are for trials, and not for workers.
    calls = (tmp_path / "calls.txt").read_text().splitlines()
    assert (calls[0], calls[-1]) == ("multirun start", "multirun end")
    of_trials = [f"start {number}" for number in range(4)]
    of_trials += [f"end {number} COMPLETED" for number in range(4)]
    assert sorted(calls[1:-1]) == sorted(of_trials)

    # Without a record there is no configuration to run again.
    assert not (study / "best.yaml").exists()


def test_the_command_line_changes_a_study_of_a_file(tmp_path, own_study):
    finished(
        tmp_path, "-m", *own_study, BASIC, STUDY, "study.name=other", "study.n_trials=3",
        "study.sampler=tpe",
        "optimizer.learning_rate=tag(log,interval(0.2,0.9))", "model.dropout=0.5",
    )  # fmt: skip
    study = optuna.load_study(
        study_name="other", storage=f"sqlite:///{tmp_path / 'study' / 'study.db'}"
    )
    assert len(study.trials) == 3
    assert all(0.2 <= trial.params["optimizer.learning_rate"] <= 0.9 for trial in study.trials)
    configs = [
        yaml.safe_load(path.read_text())
        for path in (tmp_path / "study").glob("trials/*/.hydra/config.yaml")
    ]
    assert {config["model"]["dropout"] for config in configs} == {0.5}


def test_a_study_of_two_objectives(tmp_path):
    finished(
        tmp_path, *RANGE, EPOCHS, STUDY, "model.dropout=0,0.25,0.5", "study.n_trials=4",
        "study.workers=1",
        "study.objectives=[{metric: num_parameters, direction: minimize}, {metric: top_100}]",
    )  # fmt: skip
    study = tmp_path / "study"
    assert [trial.state for trial in check_whole(study, 4)] == [TrialState.COMPLETE] * 4
    results = yaml.safe_load((study / "optimization_results.yaml").read_text())
    front = {solution["number"] for solution in results["solutions"]}
    assert front == {int(row["number"]) for row in leaderboard(study) if row["rank"] == "1"}


@pytest.mark.parametrize(
    "pruner", ["successive_halving", pytest.param("median", marks=pytest.mark.slow)]
)
def test_bad_trials_are_pruned_and_count(tmp_path, pruner):
    options = {
        "successive_halving": "+study.pruner_options.successive_halving.min_resource=1",
        "median": "+study.pruner_options.median={n_startup_trials: 2}",
    }
    finished(
        tmp_path, *RANGE, BASIC, STUDY, "study.n_trials=10", "study.sampler=random",
        "train.epochs=8", "train.eval_every_epochs=1", f"study.pruner={pruner}", options[pruner],
    )  # fmt: skip
    study = tmp_path / "study"
    trials = check_whole(study, 10)
    pruned = {trial.number for trial in trials if trial.state == TrialState.PRUNED}
    assert 0 < len(pruned) < 10
    rows = leaderboard(study)
    assert {int(row["number"]) for row in rows if row["state"] == "pruned"} == pruned
    assert [row["rank"] == "" for row in rows] == [row["state"] == "pruned" for row in rows]
    for number in pruned:
        assert not (study / f"trials/{number:04d}/ended.txt").exists()


def test_a_pruned_trial_of_several_seeds_shows_their_mean(tmp_path):
    """The toy returns the same for each seed; each seed's figure is a step."""
    finished(
        tmp_path, *RANGE, BASIC, STUDY, "study.n_trials=6", "study.sampler=random",
        "train.epochs=4", "train.eval_every_epochs=1", "study.split_seeds=[0,1,2,3]",
        "study.seed_mode=sequential", "study.pruner=median",
        "+study.pruner_options.median={n_startup_trials: 1}",
    )  # fmt: skip
    trials = trials_of(tmp_path / "study")
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        reports = list(trial.intermediate_values.values())
        _, mean, _ = trial.user_attrs[attributes.PROGRESS]
        assert mean == pytest.approx(sum(reports) / len(reports))


def test_the_time_is_a_total_over_all_starts(tmp_path):
    search = (*RANGE, BASIC, EPOCHS, STUDY)
    finished(tmp_path, *search, "study.timeout_seconds=1", seconds=0.02)
    study = tmp_path / "study"
    first = len(trials_of(study))
    assert first > 0
    check_whole(study, first)
    # It is used up.
    finished(tmp_path, *search, "study.timeout_seconds=1")
    check_whole(study, first)


def test_an_optuna_callback_that_stops_the_study_stops_all_workers(tmp_path):
    finished(
        tmp_path, *RANGE, EPOCHS, STUDY, "study.n_trials=50", "study.workers=2",
        "study.callbacks=[toy_study:stop_after_three]", seconds=0.05,
    )  # fmt: skip
    trials = trials_of(tmp_path / "study")
    # The other workers end the trials that they are at.
    assert 3 <= len(trials) <= 6
    assert all(trial.state == TrialState.COMPLETE for trial in trials)


def test_hydra_finds_this_sweeper_beside_its_own():
    names = {plugin.__name__ for plugin in Plugins.instance().discover(Sweeper)}
    assert {"SweeperOptuna", "BasicSweeper"} <= names


def test_hydras_basic_sweeper_still_runs(tmp_path):
    finished(tmp_path, "-m", "hydra/sweeper=basic", BASIC, "data.split_seed=1,2", EPOCHS, STUDY)
    ended = sorted((tmp_path / "study").rglob("ended.txt"))
    assert len(ended) == 2
    assert not (tmp_path / "study" / "study.db").exists()


@pytest.mark.slow
def test_the_real_trial_in_a_study(tmp_path):
    """What a real trial leaves, and that its configuration gives the same figures again."""

    def sweeper(*arguments: str) -> None:
        done = run_module(tmp_path, "sweeper", *arguments, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    sweeper(
        "study=architecture", "data=synthetic", "study.n_trials=3", "train.epochs=3",
        "train.eval_every_epochs=1", "study.reference=null", STUDY,
    )  # fmt: skip
    study = optuna.load_study(
        study_name="architecture", storage=f"sqlite:///{tmp_path / 'study' / 'study.db'}"
    )
    trials = [trial for trial in study.trials if trial.state.is_finished()]
    assert len(trials) == 3
    for trial in trials:
        place = tmp_path / "study" / trial.user_attrs[attributes.DIRECTORY]
        found = record.read(place)
        assert found.state == {"COMPLETE": "completed", "PRUNED": "pruned"}[trial.state.name]
        result = trial.user_attrs[attributes.RESULT]
        assert result["metrics"] == found.metrics["validation"]
        assert "test" not in found.metrics
        if trial.state == TrialState.COMPLETE:
            assert trial.values == [found.metrics["validation"]["top_100"]]
    assert (tmp_path / "study" / "report.html").exists()
    best = record.read(tmp_path / "study" / study.best_trial.user_attrs[attributes.DIRECTORY])
    sweeper("--config-dir", "study", "--config-name", "best", "hydra.run.dir=again")
    again = record.read(tmp_path / "again")
    assert again.metrics["validation"] == best.metrics["validation"]
    assert again.config == best.config
    with (tmp_path / "study" / "leaderboard.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert int(first["num_parameters"]) == best.num_parameters
