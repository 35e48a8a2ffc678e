"""A tracker that isn't installed: known from the configuration, before anything trains."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest
from processes import ROOT
from small_trials import small_config

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import TrackingConfig
from sweeper.two_tower.tracking import trackers
from sweeper.two_tower.validation import validate

HIDE = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "mlflow" else find(name, *more)
from sweeper.__main__ import main
main()
"""


@pytest.fixture
def none_installed(monkeypatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("tracking", "problem"),
    [
        (TrackingConfig(tensorboard=True), "tracking.tensorboard: got True, which needs Tensor"),
        (TrackingConfig(mlflow="runs"), "tracking.mlflow: got 'runs', which needs MLflow; install"),
        (TrackingConfig(wandb="towers"), "tracking.wandb: got 'towers', which needs Weights & B"),
    ],
)
def test_a_missing_package_is_told_with_what_installs_it(none_installed, tracking, problem):
    with pytest.raises(ConfigError) as raised:
        validate(small_config(tracking=tracking))
    (line,) = raised.value.problems
    assert line.startswith(problem)
    extra = problem.split(":")[0].removeprefix("tracking.")
    assert line.endswith(f"install it with pip install -c constraints.txt -e '.[{extra}]'")


def test_nothing_is_needed_where_nothing_is_on(none_installed):
    validate(small_config())


def test_a_folder_of_that_name_is_no_package(monkeypatch):
    """W&B leaves a folder `wandb` where it runs, which Python takes for a package of modules."""
    folder = ModuleSpec("wandb", loader=None, is_package=True)
    monkeypatch.setattr(trackers, "find_spec", lambda name: folder)
    with pytest.raises(ConfigError, match=r"tracking\.wandb"):
        validate(small_config(tracking=TrackingConfig(wandb="towers")))


def test_the_command_ends_with_2_and_writes_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", HIDE, "data=synthetic", "tracking.mlflow=runs"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: tracking.mlflow: got 'runs', which needs MLflow;")
    assert list(tmp_path.iterdir()) == []
