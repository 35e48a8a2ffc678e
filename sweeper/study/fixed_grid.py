"""Plans a grid of fixed configurations and seeds, which selects nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from sweeper.study import attributes
from sweeper.study.composition import Composer
from sweeper.study.config import ObjectiveConfig, StudyConfig
from sweeper.study.plan import Plan
from sweeper.study.resume_check import stored_identity
from sweeper.study.space.domains import Choices
from sweeper.study.space.keys import Key
from sweeper.study.space.parameters import SingleParameter
from sweeper.study.space.search_space import SearchSpace
from sweeper.study.storage.factory import load_study, storage_in
from sweeper.study.storage.markers import holds_study

CONFIGURATION = "configuration"

Point = dict[str, Any]


@dataclass(frozen=True)
class FixedGridPlan(Plan):
    """A grid of fixed configurations and seeds, in a directory below that of a study.

    Attributes:
      configs: the complete configurations, by name: "trial_17", "tutorial_three_layer".
      fixed_points: the points of the grid, in order.
      purpose: a description of its purpose, to print.
    """

    configs: dict[str, dict[str, Any]]
    fixed_points: list[Point]
    purpose: str

    selects = False

    @property
    def keeps_best(self) -> bool:
        composed = (OmegaConf.create(dict(config)) for config in self.configs.values())
        return any(self.app.keeps_best(config, ()) for config in composed)

    @cached_property
    def total(self) -> int | None:
        return len(self.fixed_points)

    @cached_property
    def points(self) -> list[Point]:
        return self.fixed_points

    def compose(self, composer: Composer, overrides: list[str]) -> DictConfig:
        point = point_of(overrides)
        composed = composer.compose([])
        given = self.configs[point[CONFIGURATION]]
        config = OmegaConf.merge(OmegaConf.structured(self.app.schema), given)
        with open_dict(composed):
            # Sections that a record lacks, such as trackers, are taken from the command line.
            for section in given:
                composed[section] = config[section]  # type: ignore[index]
            for key, value in point.items():
                if key != CONFIGURATION:
                    OmegaConf.update(composed, key, value)
            OmegaConf.update(composed, self.app.thread_key, self.threads)
            composed.study = self.study
            composed.hydra.overrides.task = overrides
        return composed

    def identity(self) -> dict[str, Any]:
        return super().identity() | {
            attributes.CONFIGS: {
                name: self.app.result_affecting_keys(config)
                for name, config in self.configs.items()
            },
            attributes.POINTS: self.fixed_points,
        }


def fixed_grid_plan(
    plan: Plan,
    name: str,
    configs: dict[str, dict[str, Any]],
    points: list[Point],
    metric: str,
    one_data: bool,
    purpose: str,
) -> FixedGridPlan:
    """Plans a fixed grid below a study's directory, with the study's limits and workers.

    Args:
      name: the name of its directory; a number is appended if another grid has this directory.
      configs: the complete configurations, by name.
      points: the points of the grid, in order.
      metric: the metric of its objective.
      one_data: whether all its trials are trained on the same data.
      purpose: a description of its purpose, to print.
    """
    inherited = {each.name: getattr(plan, each.name) for each in fields(Plan)}
    planned = FixedGridPlan(
        **inherited
        | {
            "directory": plan.directory / name,
            "study": StudyConfig(
                name=name,
                sampler="grid",
                pruner="none",
                objectives=[ObjectiveConfig(metric)],
                max_failures=plan.study.max_failures,
                max_retries=plan.study.max_retries,
                trial_timeout_seconds=plan.study.trial_timeout_seconds,
                workers=plan.study.workers,
            ),
            "yaml_space": SearchSpace([]),
            "space": _space(points),
            "files": {},
            "one_data": one_data,
            "examples": [],
            # The user's directories of trials are named after the user's space, not after this one.
            "subdir": None,
        },
        configs=configs,
        fixed_points=points,
        purpose=purpose,
    )
    directory = _free_directory(planned, name)
    # In a database of many studies, and for trackers, the name shows which study it belongs to.
    study = replace(planned.study, name=f"{plan.name}/{directory.name}")
    return replace(planned, directory=directory, study=study)


def point_of(overrides: Sequence[str]) -> Point:
    """Returns the point that the overrides of a trial set: its configuration and its seeds."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {override.key_or_group: override.value() for override in parsed}


def _free_directory(planned: FixedGridPlan, name: str) -> Path:
    directory, number = planned.directory, 2
    while holds_study(directory) and not _is_same(directory, planned):
        directory, number = directory.with_name(f"{name}_{number}"), number + 1
    return directory


def _is_same(directory: Path, planned: FixedGridPlan) -> bool:
    """Returns whether a directory holds this grid, or one that ended before it had a study."""
    storage = storage_in(directory)
    if storage is None or not storage.exists():
        return True
    study = load_study(directory)
    return all(
        stored_identity(study, attribute, planned.app) == value
        for attribute, value in planned.identity().items()
    )


def _space(points: list[Point]) -> SearchSpace:
    """Returns the space of the points, for the storage and the tables."""

    def parameter(name: str, kind: type) -> SingleParameter:
        values = list(dict.fromkeys(point[name] for point in points))
        return SingleParameter(name, Key(name, kind, None, None, name), Choices.of(values))

    return SearchSpace(
        [parameter(name, str if name == CONFIGURATION else int) for name in points[0]]
    )
