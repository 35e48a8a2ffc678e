"""What the tests of the trackers share: a trial that all of them are told of."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from small_trials import small_config
from tracked_trials import ORIGIN, QUIET

from sweeper.two_tower.config import Config, TrackingConfig, TrainConfig
from sweeper.two_tower.tracking.trackers import PRODUCTS
from sweeper.two_tower.trial.trial import run_trial


@pytest.fixture(scope="session")
def packages() -> None:
    """Where CI lacks a tracker's package, that is a failure, elsewhere a reason to skip."""
    missing = [package for package in PRODUCTS if find_spec(package) is None]
    if missing:
        lacking = f"needs {', '.join(missing)} (pip install -c constraints.txt -e '.[test]')"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lacking)


@pytest.fixture(scope="session")
def store(packages, tmp_path_factory) -> Path:
    """A folder of MLflow's for all tests: it takes seconds to make the tables."""
    return tmp_path_factory.mktemp("a store")


@pytest.fixture
def offline(monkeypatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.fixture
def tracked_config(packages, offline, store) -> Callable[..., Config]:
    """A trial of three epochs that all trackers are told of, or those that are given."""

    def make(**tracking: object) -> Config:
        config = small_config(train=TrainConfig(3, 256, 1, xla=False))
        on = {"tensorboard": True, "mlflow": str(store), "wandb": "two towers"}
        return replace(config, tracking=TrackingConfig(**(tracking or on)))

    return make


@pytest.fixture(scope="session")
def trial(packages, store, tmp_path_factory):
    """(record, directory) of such a trial that completed, seventh of the study "towers"."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        config = small_config(train=TrainConfig(3, 256, 1, xla=False))
        config.tracking = TrackingConfig(tensorboard=True, mlflow=str(store), wandb="two towers")
        directory = tmp_path_factory.mktemp("trials") / "0007"
        yield run_trial(config, directory, console=QUIET, origin=ORIGIN), directory
