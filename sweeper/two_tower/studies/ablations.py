"""Ablations of a study's best configuration, which measure what its parts contribute."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import OmegaConf

from sweeper.common.errors import ConfigError, closest_key
from sweeper.study.config import ConfirmConfig
from sweeper.two_tower.config import (
    TIMED_KINDS,
    Config,
    known_keys,
    to_dataclass,
    to_dictionary,
    type_at,
    type_problems,
    unknown_key,
    with_defaults,
)
from sweeper.two_tower.validation import validate

NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
# Keys whose change would compare results on other rows, or results of chance.
EXCLUDED_KEYS = (
    *("data.", "evaluation.", "tracking.", "name", "train.seed"),
    # A confirmation has no rows to choose an epoch on.
    *("train.restore_best", "train.patience_evaluations", "train.eval_every_epochs"),
)


def without(config: dict[str, Any], column_or_kind: str) -> dict[str, Any] | None:
    """Returns the configuration without the features of a column, or of a kind such as `history`.

    Features that read a user's earlier rows are matched only by their kind, not by the columns of
    users and times that they use. Returns None if no feature matches, or all features of a tower.
    """
    ablated = copy.deepcopy(config)
    for tower in ("query", "candidate"):
        features = ablated["features"][tower]
        kept = [each for each in features if column_or_kind not in _names(each)]
        if not kept:
            return None
        ablated["features"][tower] = kept
    return ablated if ablated != config else None


def _names(feature: Mapping[str, Any]) -> tuple[str, ...]:
    by_kind_alone = feature["kind"] in TIMED_KINDS and feature["kind"] != "sequence"
    return (feature["kind"],) if by_kind_alone else (feature["column"], feature["kind"])


def changed(config: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the configuration with other values of some keys, or None if it has them already.

    Keys that a value lacks, such as `dim` of a feature in a list, get their defaults.
    """
    ablated = copy.deepcopy(config)
    for key, value in changes.items():
        *sections, name = key.split(".")
        inside = ablated
        for section in sections:
            inside = inside[section]
        inside[name] = copy.deepcopy(value)
    ablated = with_defaults(ablated)
    return ablated if ablated != with_defaults(config) else None


def ablations(
    confirm: ConfirmConfig, name: str, config: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (name, configuration) of each ablation of the best configuration.

    Args:
      name: the name of the best configuration.
      config: the best configuration.
    """
    for column_or_kind in confirm.without:
        if ablated := without(config, column_or_kind):
            yield f"{name}_without_{column_or_kind}", ablated
    for label, changes in confirm.ablations.items():
        if ablated := changed(config, changes):
            yield f"{name}_with_{label}", ablated


def ablation_problems(confirm: ConfirmConfig, config: Config) -> Iterator[str]:
    """Yields a line for each problem of `study.confirm.ablations`.

    Args:
      config: the configuration of a trial before anything searched is set.
    """
    keys = known_keys(Config)
    for name, changes in confirm.ablations.items():
        where = f"study.confirm.ablations.{name}"
        if not NAME.fullmatch(name):
            yield f"{where}: the name may have lowercase letters, digits and single underscores"
        if not isinstance(changes, Mapping) or not changes:
            yield (
                f"{where}: got {changes!r}; must be a mapping of keys to values, such as "
                "{features.sequence.encoder: mean}"
            )
            continue
        unknown = [key for key in changes if key not in keys]
        for key in unknown:
            yield f"{where}: {key!r} {unknown_key(Config, key, closest_key(key, keys))}"
        for key in changes:
            if key.startswith(EXCLUDED_KEYS):
                yield f"{where}: got {key!r}, which is not part of the model; must be another key"
        types = [
            problem
            for key, value in changes.items()
            if key in keys
            for problem in type_problems(key, value, type_at(Config, key))
        ]
        yield from (f"{where}: {problem}" for problem in types)
        if unknown or types:
            continue
        try:
            values = changed(to_dictionary(config), changes) or {}
            validate(to_dataclass(OmegaConf.create(values)) if values else config)
        except ConfigError as error:
            yield from (f"{where}: {problem}" for problem in error.problems)
