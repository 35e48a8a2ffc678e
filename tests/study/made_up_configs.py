"""Configurations of a small study and of its trials."""

from __future__ import annotations

import copy
from typing import Any

from small_trials import small_config

from sweeper.study.config import ObjectiveConfig, StudyConfig
from sweeper.two_tower.app import FINAL_METRICS
from sweeper.two_tower.config import Config

SPACE = {"optimizer.learning_rate": {"low": 0.01, "high": 1.0}}
SEEDS = [1, 2, 3, 4]
SEQUENTIAL = {"split_seeds": SEEDS, "seed_mode": "sequential"}


def trial_config(**values: Any) -> Config:
    """A trial evaluated at epochs 1 to 4, with values set by their dotted keys ("__" for ".")."""
    config = copy.deepcopy(small_config())
    config.train.epochs = 4
    for key, value in values.items():
        group, name = key.split("__")
        setattr(getattr(config, group), name, value)
    return config


def study_config(**values: Any) -> StudyConfig:
    return StudyConfig(**{"space": SPACE, "n_trials": 10, **values})


def objectives(*metrics: str) -> list[ObjectiveConfig]:
    return [
        ObjectiveConfig(metric, "minimize" if metric in FINAL_METRICS else "maximize")
        for metric in metrics
    ]
