"""Given configurations, each trained with given seeds: a grid that selects nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from sweeper.study import attributes
from sweeper.study.composition import Composer
from sweeper.study.config import ObjectiveConfig, StudyConfig
from sweeper.study.plan import Plan
from sweeper.study.resume_check import compared, stored_identity
from sweeper.study.space.domains import Choices
from sweeper.study.space.overrides import Key
from sweeper.study.space.parameters import SingleParameter
from sweeper.study.space.search_space import SearchSpace
from sweeper.study.storage.factory import load_study, storage_in
from sweeper.study.storage.markers import holds_study
from sweeper.two_tower.config import Config, to_dataclass
from sweeper.two_tower.data_check import contents_key

CONFIGURATION, TRAIN_SEED = "configuration", "train.seed"
# What names a split: a random one by its seed, one by time by how far back it lies.
SPLIT_SEED, CUT = "data.split_seed", "data.cut"

Point = dict[str, Any]


@dataclass(frozen=True)
class Retraining(Plan):
    """A grid of given configurations and seeds, in a directory below the study's.

    Attributes:
      configs: each configuration in full, by name: "trial_17", "tutorial_three_layer".
      listed: its points, in order.
      purpose: what it is for, in words.
    """

    configs: dict[str, dict[str, Any]]
    listed: list[Point]
    purpose: str

    selects = False

    @property
    def keeps_best(self) -> bool:
        return any(config["train"]["restore_best"] for config in self.configs.values())

    @cached_property
    def total(self) -> int | None:
        return len(self.listed)

    @cached_property
    def points(self) -> list[Point]:
        return self.listed

    def compose(self, composer: Composer, overrides: list[str]) -> DictConfig:
        point = point_of(overrides)
        composed = composer.compose([])
        config = OmegaConf.merge(OmegaConf.structured(Config), self.configs[point[CONFIGURATION]])
        with open_dict(composed):
            for section, content in config.items():
                # Trackers are those of the command line; the rest is what was given.
                if section != "tracking":
                    composed[section] = content
            for key, value in point.items():
                if key != CONFIGURATION:
                    OmegaConf.update(composed, key, value)
            composed.train.threads = self.threads
            composed.study = self.study
            composed.hydra.overrides.task = overrides
        return composed

    def identity(self) -> dict[str, Any]:
        return super().identity() | {
            attributes.CONFIGS: {name: compared(config) for name, config in self.configs.items()},
            attributes.POINTS: self.listed,
        }


def retraining(
    plan: Plan,
    name: str,
    configs: dict[str, dict[str, Any]],
    listed: list[Point],
    purpose: str,
) -> Retraining:
    """Below a study's directory: in `name`, or the next number where that holds another one."""
    inherited = {each.name: getattr(plan, each.name) for each in fields(Plan)}
    planned = Retraining(
        **inherited
        | {
            "directory": plan.directory / name,
            "study": StudyConfig(
                name=name,
                sampler="grid",
                pruner="none",
                objectives=[ObjectiveConfig(plan.trial.evaluation.metric)],
                max_failures=plan.study.max_failures,
                max_retries=plan.study.max_retries,
                trial_timeout_seconds=plan.study.trial_timeout_seconds,
                workers=plan.study.workers,
            ),
            "yaml_space": SearchSpace([]),
            "space": _space(listed),
            "files": {},
            "one_data": len({contents_key(config["data"]) for config in configs.values()}) == 1,
            "examples": [],
            # Its points are not the user's, and neither are its places.
            "subdir": None,
        },
        configs=configs,
        listed=listed,
        purpose=purpose,
    )
    place = _place(planned, name)
    # In a database of many studies, and for trackers, its name tells whose it is.
    study = replace(planned.study, name=f"{plan.name}/{place.name}")
    return replace(planned, directory=place, study=study)


def experiment_config(plan: Plan, name: str, loader: ConfigLoader) -> Config:
    """A shipped or own experiment's configuration, on the study's data, scored as its trials.

    So its weights are kept by the study's metric, too.
    """
    composed = loader.load_configuration("config", [f"experiment={name}"], run_mode=RunMode.RUN)
    experiment: Config = to_dataclass(composed)
    evaluation = replace(plan.trial.evaluation, measure_latency=False)
    return replace(experiment, data=replace(plan.trial.data), evaluation=evaluation)


def point_of(overrides: Sequence[str]) -> Point:
    """What the overrides of a retraining's trial set: CONFIGURATION, its split and its seed."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {override.key_or_group: override.value() for override in parsed}


def _place(planned: Retraining, name: str) -> Path:
    place, number = planned.directory, 2
    while holds_study(place) and not _is_same(place, planned.identity()):
        place, number = place.with_name(f"{name}_{number}"), number + 1
    return place


def _is_same(place: Path, identity: Mapping[str, Any]) -> bool:
    """Whether a place holds this retraining, or one that ended before its study was made."""
    storage = storage_in(place)
    if storage is None or not storage.exists():
        return True
    study = load_study(place)
    return all(stored_identity(study, attribute) == value for attribute, value in identity.items())


def _space(listed: list[Point]) -> SearchSpace:
    """What the points consist of, for the storage and the tables."""

    def parameter(name: str, kind: type) -> SingleParameter:
        values = list(dict.fromkeys(point[name] for point in listed))
        return SingleParameter(name, Key(name, kind, None, None, name), Choices.of(values))

    return SearchSpace(
        [parameter(name, str if name == CONFIGURATION else int) for name in listed[0]]
    )
