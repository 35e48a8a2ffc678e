"""Studies of no trials yet, for tests of what is kept of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna

from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storage.files import Sqlite
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import Config, to_dictionary

IDENTITY: dict[str, Any] = {
    attributes.SPACE: {"optimizer.learning_rate": {"low": 0.01, "high": 0.1, "log": True}},
    attributes.OBJECTIVES: {"top_100": "maximize"},
    attributes.PROTOCOL: TwoTowerApp().result_affecting_keys(to_dictionary(Config())),
}
LOW = {"x": optuna.distributions.FloatDistribution(0, 1)}


def new_study(directory: Path, values: Any = IDENTITY) -> optuna.Study:
    storage = Sqlite(directory)
    storage.make([ObjectiveConfig()], values, "s")
    return storage.load()


def begun(study: optuna.Study, **user_attributes: Any) -> optuna.Trial:
    trial = study.ask(LOW)
    for name, value in user_attributes.items():
        trial.set_user_attr(name, value)
    return trial


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]
