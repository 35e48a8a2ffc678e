"""Checks that nothing that affects results changes between two starts of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna

from sweeper.common.errors import ConfigError
from sweeper.study import attributes
from sweeper.study.app import App

# By attribute, the key that messages name.
KEYS = {
    attributes.SPACE: "study.space",
    attributes.OBJECTIVES: "study.objectives",
    attributes.PROTOCOL: "",
    attributes.CONFIGS: "",
    attributes.POINTS: "study.confirm",
}
ABSENT = object()
START_ANEW = "to start a new study, set another study.name or hydra.sweep.dir"


def stored_identity(study: optuna.Study, attribute: str, app: App) -> Any:
    """Returns what a study began with under an attribute, by the keys of this version.

    Args:
      attribute: one of `KEYS`.
    """
    stored = study.user_attrs.get(attribute, {})
    if attribute == attributes.PROTOCOL:
        return app.with_present_keys(stored)
    if attribute == attributes.CONFIGS:
        return {name: app.with_present_keys(config) for name, config in stored.items()}
    return stored


def check_identity(
    study: optuna.Study, directory: Path, identity: Mapping[str, Any], app: App
) -> None:
    """Compares what must not change between two starts of a study with what is stored.

    Raises:
      ConfigError: with a line for each difference.
    """
    problems = [
        problem
        for attribute, wanted in identity.items()
        for problem in _differences(KEYS[attribute], stored_identity(study, attribute, app), wanted)
    ]
    if problems:
        raise ConfigError(
            f"{problem}; the study in {directory} can only be resumed unchanged; {START_ANEW}"
            for problem in problems
        )


def _differences(key: str, stored: Any, wanted: Any) -> list[str]:
    """Returns a line for each key whose values differ."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        return [
            difference
            for name in dict.fromkeys([*stored, *wanted])
            for difference in _differences(
                f"{key}.{name}".lstrip("."), stored.get(name, ABSENT), wanted.get(name, ABSENT)
            )
        ]
    if stored is ABSENT:
        return [f"{key}: was not set when the study began"]
    if wanted is ABSENT:
        return [f"{key}: was set when the study began, and is not set now"]
    return [] if stored == wanted else [f"{key}: got {wanted}, but the study began with {stored}"]
