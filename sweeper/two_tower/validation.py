"""Checks a composed configuration before TensorFlow loads, and reports every error at once.

The ranges of single values are declared in the schema (`sweeper.two_tower.config`); the rules that
several values must obey together are listed in `sweeper.two_tower.config.rules`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sweeper.common.errors import ConfigError
from sweeper.common.passwords import password_in
from sweeper.common.schema import range_problems
from sweeper.two_tower.config import Config
from sweeper.two_tower.config.data_rules import (
    DATA_RULES,
    Rule,
    split_seed_problems,
    working_directory_problems,
)
from sweeper.two_tower.config.rules import RULES
from sweeper.two_tower.tracking.trackers import package_problems

__all__ = [
    "data_problems",
    "range_problems",
    "split_seed_problems",
    "validate",
    "validate_data",
    "working_directory_problems",
]


def validate(config: Config) -> None:
    """Checks the configuration of a trial.

    Raises:
      ConfigError: with a line for each value that is wrong.
    """
    _check(config, (range_problems, *RULES, _missing_packages))


def validate_data(config: Config) -> None:
    """Checks the data's configuration where nothing is trained; the validation part may be empty.

    Raises:
      ConfigError: with a line for each value out of its range, and for each broken rule of `data`.
    """
    scored = replace(config, evaluation=replace(config.evaluation, split="test"))
    _check(config, (range_problems, lambda _: data_problems(scored)))


def data_problems(config: Config) -> list[str]:
    """Returns a line for each broken rule of `data`."""
    return [problem for rule in DATA_RULES for problem in rule(config)]


def _missing_packages(config: Config) -> Iterable[str]:
    tracking = config.tracking
    # A line would repeat the value, which must not be printed with its password.
    has_password = tracking.mlflow is not None and password_in(tracking.mlflow)
    return () if has_password else package_problems(tracking)


def _check(config: Config, rules: Iterable[Rule]) -> None:
    if problems := [problem for rule in rules for problem in rule(config)]:
        raise ConfigError(problems)
