"""The results of a study: what Hydra's users expect, and the best trial to run again."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from made_up_trials import (
    FAIL,
    LAYERS,
    LEARNING_RATE,
    PRUNED,
    made_up_result,
    made_up_study,
    made_up_trial,
    repeated_result,
)
from omegaconf import OmegaConf
from rich.console import Console
from small_trials import compose_config

from sweeper.study.config import StudyConfig, to_study
from sweeper.study.outputs.result_files import best_text, show_results, write_results
from sweeper.two_tower import record
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import Config, config_directory, to_dataclass, to_dictionary
from sweeper.two_tower.config.experiment import register_schema

NAMES = ["leaderboard.csv", "optimization_results.yaml", "best.yaml"]


def recorded(directory: Path, number: int, *overrides: str) -> Config:
    """Leaves the record of a trial of that number; returns its configuration."""
    config = compose_config(*overrides)
    record.write(directory / "trials" / f"{number:04d}", record.TrialRecord(to_dictionary(config)))
    return config


def run_again(directory: Path):
    """What `--config-dir DIRECTORY --config-name best` composes."""
    register_schema()
    # As `hydra.main` does for --config-dir: hydra.searchpath has no primary configurations.
    search_path = create_config_search_path(str(config_directory()))
    search_path.prepend("command-line", f"file://{directory}", SearchPathQuery(provider="schema"))
    GlobalHydra.instance().clear()
    Hydra.create_main_hydra2("sweeper", search_path)
    try:
        return compose("best")
    finally:
        GlobalHydra.instance().clear()


CONFIGS = {
    "defaults": [],
    "options": ["optimizer=sgd", "+optimizer.options.nesterov=true"],
    "adamw": ["optimizer=adamw", "task=full_softmax", "optimizer.learning_rate=1e-5"],
    "linear": ["model=linear", "features=ids", "optimizer.weight_decay=null"],
    "rich": ["features=rich", "data.synthetic.seed=3", "data.test_size=20000", "name='1e-3'"],
    "towers": ["model.query_layer_sizes=[]", "features.query=[{column: user_id, kind: embedding}]"],
    "experiment": ["experiment=catalogue_softmax", "evaluation.baselines=[]"],
}


@pytest.mark.parametrize("overrides", CONFIGS.values(), ids=CONFIGS)
def test_the_best_trial_is_run_again_with_the_same_configuration(tmp_path, overrides):
    config = recorded(tmp_path, 0, *overrides)
    study = made_up_study(top_100="maximize")
    study.add_trial(made_up_trial(0, values=[0.3]))
    assert [path.name for path in write_results(study, tmp_path, TwoTowerApp())] == NAMES
    composed = run_again(tmp_path)
    assert to_dataclass(composed) == config
    assert to_study(composed).split_seeds == []


def test_the_best_trial_is_run_again_with_its_seeds(tmp_path):
    recorded(tmp_path, 0)
    study = made_up_study(top_100="maximize")
    result = repeated_result("top_100", 0.3123, 0.0031, seeds=[4, 5, 6])
    study.add_trial(made_up_trial(0, values=[0.3123], result=result))
    write_results(study, tmp_path, TwoTowerApp(), split_seeds=[4, 5, 6], seed_mode="sequential")
    again = to_study(run_again(tmp_path))
    assert (again.split_seeds, again.seed_mode) == ([4, 5, 6], "sequential")
    head = (tmp_path / "best.yaml").read_text().split("defaults:")[0].splitlines()
    assert head[:7] == [
        "# Why: the best of 1 complete trial: trial 0 (trials/0000) of the study 'made_up'.",
        "# Result: top_100 0.3123 ± 0.0031",
        "#   split seed 4: 0.3092",
        "#   split seed 5: 0.3123",
        "#   split seed 6: 0.3154",
        "# Cost: 8.1 s",
        f"# Command: python -m sweeper --config-dir {tmp_path} --config-name best",
    ]
    assert head[7].startswith("# Written: 2")
    results = OmegaConf.load(tmp_path / "optimization_results.yaml")
    assert results.best_std == 0.0031
    assert results.seeds[1] == {"split_seed": 5, "value": 0.3123}


def test_the_command_is_for_the_present_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    directory = Path("outputs/my study")
    recorded(directory, 0)
    study = made_up_study(top_100="maximize")
    study.add_trial(made_up_trial(0, values=[0.3]))
    write_results(study, directory.absolute(), TwoTowerApp())
    text = (directory / "best.yaml").read_text()
    assert "--config-dir 'outputs/my study' --config-name best\n" in text


def test_the_results_are_shown_with_where_they_lie(tmp_path):
    recorded(tmp_path, 0)
    study = made_up_study(top_100="maximize")
    study.add_trial(made_up_trial(0, values=[0.3]))
    console = Console(file=io.StringIO(), width=110, highlight=False)
    settings = StudyConfig(split_seeds=[], seed_mode="lockstep")
    plan = SimpleNamespace(app=TwoTowerApp(), directory=tmp_path, study=settings, selects=True)
    show_results(study, plan, console)
    shown = console.file.getvalue()
    assert "Leaderboard" in shown
    assert f"output   {tmp_path} ({', '.join(NAMES)})\n" in shown
    assert f"best     python -m sweeper --config-dir {tmp_path} --config-name best\n" in shown


def test_what_trackers_did_not_take_is_told_at_the_end(tmp_path):
    study = made_up_study(top_100="maximize")
    untracked = {"MLflow": "the server is gone"}
    for number, more in enumerate([{}, {"untracked": untracked}, {"untracked": untracked}]):
        result = made_up_result({"top_100": 0.3}, **more)
        study.add_trial(made_up_trial(number, values=[0.3], result=result))
    console = Console(file=io.StringIO(), width=110, highlight=False)
    settings = StudyConfig(split_seeds=[], seed_mode="lockstep")
    plan = SimpleNamespace(app=TwoTowerApp(), directory=tmp_path, study=settings, selects=True)
    show_results(study, plan, console)
    assert (
        "tracking MLflow was left out of 2 of 3 trials; trials/0001: the server is gone\n"
        in console.file.getvalue()
    )


def test_a_head_of_several_lines_stays_a_comment():
    text = best_text(["Why: a\nb", "c"], {"name": None})
    assert text == "# Why: a\n# b\n# c\ndefaults:\n- config\n- _self_\nname: null\n"


@pytest.mark.parametrize(("direction", "best"), [("maximize", 2), ("minimize", 1)])
def test_one_objective(tmp_path, direction, best):
    study = made_up_study(value=direction)
    for number, value in enumerate([0.0, -1.5, 2.0]):
        study.add_trial(made_up_trial(number, values=[value]))
    study.add_trial(made_up_trial(3, values=[-9.0], collapsed=True))
    study.add_trial(made_up_trial(4, values=[9.0], collapsed=True))
    # A user's own objective leaves no record, so that there is nothing to run again.
    assert [path.name for path in write_results(study, tmp_path, TwoTowerApp())] == NAMES[:2]
    assert OmegaConf.load(tmp_path / "optimization_results.yaml") == {
        "name": "optuna",
        "best_params": study.best_trial.params,
        "best_value": study.best_value,
        "number": best,
        "directory": f"trials/000{best}",
        "overrides": study.best_trial.user_attrs["overrides"],
    }


def test_a_best_value_of_zero_is_a_best_value(tmp_path):
    recorded(tmp_path, 0)
    study = made_up_study(value="minimize")
    study.add_trial(made_up_trial(0, values=[0.0], params={}))
    assert len(write_results(study, tmp_path, TwoTowerApp())) == 3
    results = OmegaConf.load(tmp_path / "optimization_results.yaml")
    assert (results.best_params, results.best_value) == ({}, 0.0)


def test_several_objectives(tmp_path):
    study = made_up_study(top_100="maximize", num_parameters="minimize")
    for number, values in enumerate([[0.2, 100.0], [0.3, 5000.0], [0.1, 200.0], [0.25, 300.0]]):
        recorded(tmp_path, number, f"train.seed={number}")
        study.add_trial(made_up_trial(number, values=values))
    assert [path.name for path in write_results(study, tmp_path, TwoTowerApp())] == NAMES
    results = OmegaConf.load(tmp_path / "optimization_results.yaml")
    assert results.name == "optuna"
    assert [solution.number for solution in results.solutions] == [1, 3, 0]
    assert results.solutions[0]["values"] == [0.3, 5000.0]
    assert results.solutions[0].params[LEARNING_RATE] == 0.002
    assert results.solutions[0].overrides == [f"{LEARNING_RATE}=0.002", f"{LAYERS}=[64, 32]"]
    assert run_again(tmp_path).train.seed == 1
    text = (tmp_path / "best.yaml").read_text()
    assert "it has the best top_100: trial 1" in text
    assert "# Result: top_100 0.3000, num_parameters 5,000\n" in text
    assert "# It is one of 3 in the Pareto set. The others:\n#   trials/0003: top_100 0.25" in text
    assert "trial.json" in text


@pytest.mark.parametrize("trials", [0, 3])
@pytest.mark.parametrize("objectives", [1, 2])
def test_nothing_complete(tmp_path, trials, objectives):
    directions = {"top_100": "maximize", "num_parameters": "minimize"}
    study = made_up_study(**dict(list(directions.items())[:objectives]))
    makers = [
        lambda number: made_up_trial(number, FAIL, reason="TrialError"),
        lambda number: made_up_trial(number, PRUNED),
        lambda number: made_up_trial(number, values=[0.0] * objectives, collapsed=True),
    ]
    for number in range(trials):
        study.add_trial(makers[number](number))
    assert [path.name for path in write_results(study, tmp_path, TwoTowerApp())] == NAMES[:2]
    text = (tmp_path / "optimization_results.yaml").read_text()
    assert text.startswith(f"# None of the {trials} trials is complete and feasible.\n")
    results = OmegaConf.to_container(OmegaConf.create(text))
    empty = {"best_params": None} if objectives == 1 else {"solutions": []}
    assert results == {"name": "optuna", **empty}


def test_a_damaged_record_is_told_after_the_rest_is_written(tmp_path):
    recorded(tmp_path, 0)
    (tmp_path / "trials/0000/trial.json").write_text(json.dumps({"format_version": 99}))
    study = made_up_study(top_100="maximize")
    study.add_trial(made_up_trial(0, values=[0.3]))
    with pytest.raises(record.OutputError, match="format version 99"):
        write_results(study, tmp_path, TwoTowerApp())
    assert (tmp_path / "optimization_results.yaml").exists()
