"""A study's best configurations trained anew, and scored on test rows: a grid of its own.

The search's own maximum is the luckiest of many figures. Here the best few, and a
reference, are trained on all rows that are not test rows, with seeds that chose nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from sweeper import record as records
from sweeper.config import Config, flat, to_dictionary
from sweeper.errors import StudyError
from sweeper.record import TrialRecord
from sweeper.study import attributes
from sweeper.study.composition import Composer, trial_config
from sweeper.study.config import ObjectiveConfig, StudyConfig
from sweeper.study.domains import Choices
from sweeper.study.leaderboard import leaderboard_rows
from sweeper.study.overrides import Key
from sweeper.study.parameters import SingleParameter
from sweeper.study.plan import NOT_COMPARED, Plan
from sweeper.study.reading import objectives_of
from sweeper.study.search_space import SearchSpace
from sweeper.study.storage import DATABASE, load_study

DIRECTORY = "confirmation"
CONFIGURATION, SPLIT_SEED, TRAIN_SEED = "configuration", "data.split_seed", "train.seed"

Point = dict[str, Any]


@dataclass(frozen=True)
class Confirmation(Plan):
    """A grid of given configurations and seeds.

    Attributes:
      configs: each configuration in full, by name: "trial_17", "tutorial_three_layer".
      listed: its points, in order.
    """

    configs: dict[str, dict[str, Any]]
    listed: list[Point]

    selects = False

    @cached_property
    def total(self) -> int | None:
        return len(self.listed)

    @cached_property
    def points(self) -> list[Point]:
        return self.listed

    def compose(self, composer: Composer, overrides: list[str]) -> DictConfig:
        values = values_of(overrides)
        composed = composer.compose([])
        config = OmegaConf.merge(OmegaConf.structured(Config), self.configs[values[CONFIGURATION]])
        with open_dict(composed):
            for section, content in config.items():
                # Trackers are those of the command line; the rest is what is confirmed.
                if section != "tracking":
                    composed[section] = content
            composed.data.split_seed = int(values[SPLIT_SEED])
            composed.train.seed = int(values[TRAIN_SEED])
            composed.train.threads = self.threads
            place = self.directory
            composed.study = replace(self.study, name=f"{place.parent.name}/{place.name}")
            composed.hydra.overrides.task = overrides
        return composed

    def identity(self) -> dict[str, Any]:
        return super().identity() | {
            attributes.CONFIGS: {name: _compared(config) for name, config in self.configs.items()},
            attributes.POINTS: self.listed,
        }


def _compared(config: dict[str, Any]) -> dict[str, Any]:
    """What of a configuration changes results, by dotted keys."""
    return {key: value for key, value in flat(config).items() if not key.startswith(NOT_COMPARED)}


def plan_confirmation(plan: Plan, study: optuna.Study, loader: ConfigLoader) -> Confirmation:
    """What confirms a study that is done.

    Raises:
      StudyError: no trial of it is complete and feasible.
      OutputError: a trial's record can't be read.
    """
    configs = dict(_configs(plan, study, loader))
    listed = list(_points(plan, list(configs)))
    inherited = {each.name: getattr(plan, each.name) for each in fields(Plan)}
    confirmation = Confirmation(
        **inherited
        | {
            "directory": plan.directory / DIRECTORY,
            "study": StudyConfig(
                name=DIRECTORY,
                sampler="grid",
                pruner="none",
                objectives=[ObjectiveConfig()],
                max_failures=plan.study.max_failures,
                max_retries=plan.study.max_retries,
                workers=plan.study.workers,
            ),
            "yaml_space": SearchSpace([]),
            "space": _space(listed),
            "files": {},
        },
        configs=configs,
        listed=listed,
    )
    return replace(confirmation, directory=_place(confirmation))


def _place(confirmation: Confirmation) -> Path:
    """`confirmation`, or the next number where that confirms other configurations.

    A study that has been extended may have another best trial.
    """
    place, number = confirmation.directory, 2
    while (place / DATABASE).exists() and not _is_same(place, confirmation.identity()):
        place, number = place.with_name(f"{DIRECTORY}_{number}"), number + 1
    return place


def _is_same(place: Path, identity: Mapping[str, Any]) -> bool:
    stored = load_study(place, DIRECTORY).user_attrs
    return all(stored.get(name) == value for name, value in identity.items())


def _configs(
    plan: Plan, study: optuna.Study, loader: ConfigLoader
) -> Iterator[tuple[str, dict[str, Any]]]:
    rows = leaderboard_rows(study.get_trials(deepcopy=False), objectives_of(study))
    best = [row for row in rows if row.rank is not None][: plan.study.confirm.best]
    if not best:
        raise StudyError(f"study.confirm: no trial of {plan.directory} is complete and feasible")
    for place, row in enumerate(best):
        record = records.read(plan.directory / str(row.directory))
        config = for_test_rows(record)
        yield f"trial_{row.number}", config
        for column in plan.study.confirm.without if place == 0 else ():
            if ablated := _without(config, column):
                yield f"trial_{row.number}_without_{column}", ablated
    if plan.study.confirm.reference:
        yield plan.study.confirm.reference, _reference(plan, loader)


def for_test_rows(record: TrialRecord) -> dict[str, Any]:
    """A trial's configuration, to train on all rows that are not test rows, and score these.

    It trains for as many epochs as the trial kept, since there is nothing left to choose an
    epoch on; all of them where the learning rate's schedule ends with the last.
    """
    config = copy.deepcopy(record.config)
    if config["optimizer"]["schedule"] == "constant":
        config["train"]["epochs"] = kept_epoch(record)
    return _scored_on_test_rows(config)


def kept_epoch(record: TrialRecord) -> int:
    """The epoch whose weights a trial kept; of repeats, their mean."""
    if record.repeats:
        return round(fmean(repeat["kept_epoch"] for repeat in record.repeats))
    assert record.kept_epoch is not None
    return record.kept_epoch


def _scored_on_test_rows(config: dict[str, Any]) -> dict[str, Any]:
    config["data"] |= {"train_size": None, "validation_size": 0}
    config["train"] |= {
        "eval_every_epochs": config["train"]["epochs"],
        "restore_best": False,
        "patience_evaluations": None,
    }
    config["evaluation"] |= {
        "rows": "test",
        "score_test": True,
        "keep_rows": True,
        "time_queries": False,
    }
    return config


def _without(config: dict[str, Any], column: str) -> dict[str, Any] | None:
    """The configuration without the features of a column; None if that leaves no change or none."""
    ablated = copy.deepcopy(config)
    for tower in ("query", "candidate"):
        features = ablated["features"][tower]
        ablated["features"][tower] = [each for each in features if each["column"] != column]
        if not ablated["features"][tower]:
            return None
    return ablated if ablated != config else None


def _reference(plan: Plan, loader: ConfigLoader) -> dict[str, Any]:
    """The reference experiment, on the study's data."""
    composed = loader.load_configuration(
        "config", [f"experiment={plan.study.confirm.reference}"], run_mode=RunMode.RUN
    )
    reference: Config = trial_config(composed)
    reference.data = copy.deepcopy(plan.trial.data)
    reference.evaluation = copy.deepcopy(plan.trial.evaluation)
    return _scored_on_test_rows(to_dictionary(reference))


def _points(plan: Plan, names: list[str]) -> Iterator[Point]:
    """All configurations with one seed, then with the next: what there is can be compared."""
    confirm, data, seed = plan.study.confirm, plan.trial.data, plan.trial.train.seed
    seeds: list[tuple[int, int]] = []
    if not plan.study.split_seeds:
        # With several splits, the search has trained on each one's test rows in another.
        fresh = range(seed + 1, seed + 1 + confirm.train_seeds)
        seeds += [(data.split_seed, train_seed) for train_seed in fresh]
    if data.split == "random":
        first = max([data.split_seed, *plan.study.split_seeds]) + 1
        seeds += [(split_seed, seed) for split_seed in range(first, first + confirm.split_seeds)]
    for split_seed, train_seed in seeds:
        for name in names:
            yield {CONFIGURATION: name, SPLIT_SEED: split_seed, TRAIN_SEED: train_seed}


def _space(listed: list[Point]) -> SearchSpace:
    """What the points consist of, for the storage and the tables."""

    def parameter(name: str, kind: type) -> SingleParameter:
        values = list(dict.fromkeys(point[name] for point in listed))
        return SingleParameter(name, Key(name, kind, None, None, name), Choices.of(values))

    return SearchSpace(
        [parameter(CONFIGURATION, str), parameter(SPLIT_SEED, int), parameter(TRAIN_SEED, int)]
    )


def values_of(overrides: list[str]) -> dict[str, str]:
    """What the overrides of a confirmation's trial set: CONFIGURATION and the two seeds."""
    return dict(text.split("=", 1) for text in overrides)
