"""A user's primary configuration that leaves a config group open, which a study searches."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.types import RunMode

from sweeper.cli.composition import compose_first, loader
from sweeper.common.errors import ConfigError
from sweeper.study.composition import Composer
from sweeper.study.plan import Plan, make_plan
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config.experiment import register_schema

PRIMARY = """
defaults:
  - schema
  - data: synthetic
  - features: ids
  - model: ???
  - task: in_batch_softmax
  - optimizer: adagrad
  - train: quick
  - _self_
  - experiment: null
  - study: null
  - storage: sqlite
  - override hydra/sweeper: sweeper_optuna
  - override hydra/launcher: joblib
"""
SPACE = "+study.space.model={choices: [linear, one_layer]}"
SEARCH = ("study.sampler=random", "study.n_trials=3")


@pytest.fixture
def hydra(tmp_path):
    register_schema()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "own.yaml").write_text(PRIMARY)
    with loader(None, Path(tmp_path / "conf")) as found:
        yield found


def planned(hydra, *arguments: str) -> tuple[Plan, Composer]:
    config = hydra.load_configuration("own", list(arguments), run_mode=RunMode.MULTIRUN)
    plan = make_plan(config, list(arguments), hydra, TwoTowerApp())
    return plan, Composer(config, plan.fixed, frozenset(TwoTowerApp.groups), hydra)


@pytest.mark.parametrize("search", [["model=linear,one_layer"], ["model.dropout=0.1", SPACE]])
def test_workers_and_retrainings_are_composed_with_the_first_choice(hydra, search):
    plan, composer = planned(hydra, *search, *SEARCH)
    assert plan.fixed[0] == "model=linear"
    # What a launcher composes for a worker, and what a retraining begins with.
    assert composer.compose([]).model.layer_sizes == []
    # A trial has its own choice, and no other beside.
    config = composer.compose(["model=one_layer"])
    assert config.model.layer_sizes == [32]
    assert "model=linear" not in config.hydra.overrides.task
    assert [words for words, _ in plan.examples] == ["model=linear", "model=one_layer"]


def test_the_first_look_at_the_command_line_composes_with_it_too(hydra):
    assert compose_first("own", [SPACE, *SEARCH], multirun=True).model.layer_sizes == []
    config = compose_first("own", [SPACE, *SEARCH, "hydra.mode=MULTIRUN"])
    assert config.model.layer_sizes == []


@pytest.mark.parametrize(
    ("arguments", "multirun"),
    [(["model.dropout=0.1"], True), ([SPACE], False)],
    ids=["not searched", "a single trial"],
)
def test_one_that_nobody_chooses_is_told_in_a_line(hydra, arguments, multirun):
    with pytest.raises(ConfigError) as error:
        compose_first("own", arguments, multirun)
    (line,) = error.value.problems
    assert line.startswith("own.yaml: You must specify 'model', e.g, model=<OPTION>")


def test_one_that_only_some_trials_choose_is_refused(hydra):
    space = (
        "+study.space.train={choices: [quick, tutorial]}",
        "+study.space.model={choices: [linear], when: {train: tutorial}}",
    )
    with pytest.raises(ConfigError, match=r"study\.space: You must specify 'model'"):
        planned(hydra, *space, *SEARCH)
