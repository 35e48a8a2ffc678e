"""What must not change between two starts of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna

from sweeper.common.errors import ConfigError
from sweeper.study import attributes
from sweeper.two_tower.config import (
    MRR,
    SEEN_FILTERED,
    flatten,
    seen_reading,
    unflatten,
    with_defaults,
)

# Of the trials' configuration, what changes no result.
NOT_COMPARED = (
    "data.cache_dir", "data.source", "evaluation.save_ranks", "name", "train.threads",
)  # fmt: skip

# How a user writes what an attribute holds.
KEYS = {
    attributes.SPACE: "study.space",
    attributes.OBJECTIVES: "study.objectives",
    attributes.PROTOCOL: "",
    attributes.CONFIGS: "",
    attributes.POINTS: "study.confirm",
}
ABSENT = object()
START_ANEW = "to start anew, give another study.name or hydra.sweep.dir"


def compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration changes results, by dotted keys."""
    found = {
        key: value for key, value in flatten(config).items() if not key.startswith(NOT_COMPARED)
    }
    if {"data.split", "evaluation.seen"} <= set(found):
        # "auto" is not another reading than the one that it stands for.
        found["evaluation.seen"] = seen_reading(found["data.split"], found["evaluation.seen"])
    return found


def stored_identity(study: optuna.Study, attribute: str) -> Any:
    """What a study began with, under one of `KEYS`.

    Of keys that it is older than, it began with what the schema has for them.
    """
    stored = study.user_attrs.get(attribute, {})
    if attribute == attributes.PROTOCOL:
        return _completed(stored)
    if attribute == attributes.CONFIGS:
        return {name: _completed(config) for name, config in stored.items()}
    return stored


def _completed(stored: Mapping[str, Any]) -> dict[str, Any]:
    return compared(with_defaults(unflatten(stored)))


def check_identity(study: optuna.Study, directory: Path, identity: Mapping[str, Any]) -> None:
    """Compares what must not change between two starts with what is stored.

    Raises:
      ConfigError: with a line for each difference.
    """
    problems = [
        problem
        for attribute, wanted in identity.items()
        for problem in _differences(KEYS[attribute], stored_identity(study, attribute), wanted)
    ]
    if problems:
        raise ConfigError(
            f"{problem}; {directory} goes on with what it began with; {START_ANEW}"
            for problem in problems
        )


def check_scores(study: optuna.Study, directory: Path) -> None:
    """Checks that trials whose order goes by a seen-filtered metric are all scored by one rule.

    Versions without MRR ranked the item of a repeat row among the unseen ones; it is a miss now.

    Raises:
      ConfigError: an earlier version has scored a trial.
    """
    filtered = [
        metric
        for metric in study.user_attrs.get(attributes.OBJECTIVES, {})
        if metric.startswith(SEEN_FILTERED)
    ]
    for trial in study.get_trials(deepcopy=False) if filtered else ():
        metrics = (trial.user_attrs.get(attributes.RESULT) or {}).get("metrics")
        if metrics and f"{SEEN_FILTERED}{MRR}" not in metrics:
            raise ConfigError(
                f"study.objectives: an earlier version has scored trial {trial.number} of "
                f"{directory} by {filtered[0]}, without counting rows whose item the user has "
                f"already as misses; its trials and new ones can't be compared; {START_ANEW}"
            )


def _differences(key: str, stored: Any, wanted: Any) -> list[str]:
    """One line for each place where two plain values differ."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        return [
            difference
            for name in dict.fromkeys([*stored, *wanted])
            for difference in _differences(
                f"{key}.{name}".lstrip("."), stored.get(name, ABSENT), wanted.get(name, ABSENT)
            )
        ]
    if stored is ABSENT:
        return [f"{key}: was not there when the study began"]
    if wanted is ABSENT:
        return [f"{key}: was there when the study began, and is no longer"]
    return [] if stored == wanted else [f"{key}: is {stored} in the study, and now {wanted}"]
