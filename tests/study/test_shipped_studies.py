"""The studies under conf/study/: each a plan without a fault, with a head that tells of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from plans import planner

from sweeper.study.plan import Plan
from sweeper.study.warm_start import initial_params
from sweeper.two_tower.config import config_directory

HEAD = ("Why", "Cost", "Result")
STUDIES = sorted((config_directory() / "study").glob("*.yaml"))


def plan_of(*overrides: str) -> Plan:
    with planner() as hydra:
        return hydra.plan(*overrides)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_can_be_planned(path: Path) -> None:
    plan = plan_of(f"study={path.stem}")
    assert plan.name == path.stem
    assert plan.directory == Path("outputs").absolute() / path.stem
    assert plan.total
    first, remarks = initial_params(plan)
    assert len(first) == len(plan.study.enqueue)
    # All that a shipped study names is in its own space.
    assert not remarks
    # No search may look at a test row.
    assert plan.trial.evaluation.split == "validation"
    assert not plan.trial.evaluation.score_test


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_tells_why_what_it_costs_and_its_command(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert f"# Command: python -m sweeper study={path.stem}" in lines
    told = {word: next(line for line in lines if line.startswith(f"# {word}: ")) for word in HEAD}
    assert all(re.search(r"\d", told[word]) for word in ("Cost", "Result")), told


def test_the_published_models_are_tried_first() -> None:
    plan = plan_of("study=architecture")
    sizes = [plan.space.overrides(known)[1] for known in initial_params(plan)[0][:3]]
    assert sizes == [
        "model.layer_sizes=[32]",
        "model.layer_sizes=[64,32]",
        "model.layer_sizes=[128,64,32]",
    ]


def test_the_tutorial_study_is_a_grid_of_three_models_on_five_splits() -> None:
    plan = plan_of("study=tutorial")
    points = [plan.space.overrides(point) for point in plan.points]
    assert points == [["model=one_layer"], ["model=two_layer"], ["model=three_layer"]]
    assert plan.study.split_seeds == [0, 1, 2, 3, 4]


def test_the_command_line_narrows_and_extends_a_study() -> None:
    plan = plan_of(
        "study=architecture",
        "study.n_trials=20",
        "study.sampler=random",
        "optimizer.learning_rate=tag(log, interval(0.01, 1))",
        "train.batch_size=512,1024",
        "model.activation=relu,selu",
    )
    assert (plan.total, plan.study.sampler) == (20, "random")
    names = plan.space.names
    assert "optimizer.learning_rate" in names
    assert "train.batch_size" in names
    assert not [name for name in names if name.endswith("_learning_rate") and "." not in name]
    assert (
        plan.space.describe()["model.activation"]
        != (plan_of("study=architecture").space.describe()["model.activation"])
    )
