"""Builds the plan of a study from its configuration, and checks it before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from sweeper.common.errors import ConfigError
from sweeper.study import attributes
from sweeper.study.algorithms.choices import resolve_pruner, resolve_sampler
from sweeper.study.app import App, TrialConfig
from sweeper.study.composition import (
    Composer,
    boundary_configs,
    open_choices,
    searched_files,
)
from sweeper.study.config import StorageConfig, StudyConfig, to_storage, to_study
from sweeper.study.launcher_options import number_of_workers, option_problems
from sweeper.study.launchers import launcher_problems, share_cores
from sweeper.study.space.command_line import command_line_parameters
from sweeper.study.space.keys import SearchableKeys
from sweeper.study.space.reader import parse_space
from sweeper.study.space.search_space import MAX_GRID, SearchSpace
from sweeper.study.storage.validation import storage_problems
from sweeper.study.trial_directories import custom_subdir, subdir_problems, trial_subdir
from sweeper.study.validation import study_problems


@dataclass(frozen=True)
class Plan:
    """A study that is ready to run; all of it can be sent to a worker on another machine.

    Attributes:
      app: the app whose trials the study runs.
      directory: the directory of the study.
      study: the `study` section of the configuration, with sampler and pruner resolved.
      storage: the `storage` section of the configuration.
      trial: the configuration of a trial before anything searched is set.
      yaml_space: the space of the study's YAML, with parameters that only the command line adds.
      space: the searched space: that of the YAML as the command line changes it.
      fixed: the overrides that all trials have.
      files: what the files that the search chooses between set, by "GROUP=NAME".
      max_steps: the largest number of steps of any trial.
      threads: the number of threads of each trial. It is the same in all trials, since it
        affects how sums are rounded.
      workers: the number of workers that run at once.
      one_data: whether all trials are trained on the same data.
      examples: for each choice and each end of each range, overrides as a text and the
        configuration of a trial with them; the first start checks them against the data.
      fingerprint: the fingerprint of the data at this start, or None if it is not known.
      subdir: the value of `hydra.sweep.subdir`, which sets the directory of each trial; None:
        `trials/0007`.
    """

    app: App
    directory: Path
    study: StudyConfig
    storage: StorageConfig
    trial: TrialConfig
    yaml_space: SearchSpace
    space: SearchSpace
    fixed: list[str]
    files: dict[str, Any]
    max_steps: int
    threads: int
    workers: int
    one_data: bool
    examples: list[tuple[str, TrialConfig]]
    fingerprint: str | None
    subdir: str | None

    @property
    def name(self) -> str:
        """Returns the study's name in the database."""
        return self.study.name or self.directory.name

    # Whether the study chooses a best trial, on rows that may guide the choice.
    selects = True

    # The purpose of a plan that belongs to a study, such as its reference.
    purpose = ""

    @property
    def keeps_best(self) -> bool:
        """Returns whether the result of a trial is, or may be, the best of its evaluations."""
        is_mean = self.study.seed_mode == "sequential"
        return self.app.keeps_best(self.trial, self.space.keys) and not is_mean

    @property
    def is_grid(self) -> bool:
        return self.study.sampler == "grid"

    @cached_property
    def total(self) -> int | None:
        """Returns the number of trials to finish, or None if only the time limit ends the study."""
        limits = [self.study.n_trials, self.space.size() if self.is_grid else None]
        return min((limit for limit in limits if limit is not None), default=None)

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """Returns the combinations of the grid, in order."""
        return list(self.space.points())

    def compose(self, composer: Composer, overrides: list[str]) -> DictConfig:
        """Returns the configuration of a trial with these overrides, including `hydra`."""
        return composer.compose([*overrides, f"{self.app.thread_key}={self.threads}"])

    def identity(self) -> dict[str, Any]:
        """Returns what must not change between two starts of a study, by attribute."""
        config = {**self.app.to_dictionary(self.trial), **self.files}
        protocol = self.app.result_affecting_keys(config)
        protocol["study.split_seeds"] = list(self.study.split_seeds)
        protocol["study.seed_mode"] = self.study.seed_mode
        identity = {
            attributes.SPACE: self.space.describe(),
            attributes.OBJECTIVES: {
                objective.metric: objective.direction for objective in self.study.objectives
            },
            attributes.PROTOCOL: protocol,
        }
        # The storage returns tuples as lists.
        return dict(json.loads(json.dumps(identity)))


def make_plan(config: DictConfig, arguments: list[str], loader: ConfigLoader, app: App) -> Plan:
    """Builds and checks the plan of a study.

    Args:
      config: the configuration that Hydra composed for the multirun, including `hydra`.
      arguments: the overrides of the command line, including sweeps.
      app: the app whose trials the study runs.

    Raises:
      ConfigError: with a line for everything that is wrong.
    """
    study, storage, trial = to_study(config), to_storage(config), app.read(config)
    groups = {group: loader.get_group_options(group) for group in app.groups}
    keys = SearchableKeys.of(app, groups)
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    yaml_space = parse_space(study.space, keys)
    searched, fixed = command_line_parameters(parsed, keys, yaml_space.keys)
    space = yaml_space.replaced(searched)
    # Enqueued sets may name parameters that only the command line searches.
    added = [parameter for parameter in searched if parameter.key.name not in yaml_space.keys]
    yaml_space = yaml_space.replaced(added)
    fixed += app.objective_overrides(study, trial, {each.key_or_group for each in parsed})
    composer = Composer(config, fixed, frozenset(groups), loader)
    study.sampler = resolve_sampler(study, space.continuous())
    study.pruner = resolve_pruner(study, trial, app)
    problems = study_problems(study, trial, space, app)
    problems += app.study_problems(study, trial, space.keys)
    problems += [*_enqueue_problems(study, yaml_space), *_size_problems(study, space)]
    if study.reference is not None:
        problems += app.reference_problems(study.reference, space.keys, groups)
    problems += storage_problems(storage, searched)
    try:
        study.workers = number_of_workers(config, study.workers)
    except ConfigError as error:
        problems += error.problems
    problems += [*launcher_problems(config, study.workers), *option_problems(config)]
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    examples = boundary_configs(composer, space, app)
    for _, each in examples:
        problems += app.example_problems(study, each, space.keys)
        problems += app.working_directory_problems(each, config.hydra.job.chdir)
    if subdir := custom_subdir(config):
        problems += _subdir_problems(subdir, composer, space)
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    if choices := open_choices(config, space):
        fixed = [*choices, *fixed]
        composer = Composer(config, fixed, frozenset(groups), loader)
    workers, threads = share_cores(config, study.workers, app.threads(trial))
    return Plan(
        app=app,
        directory=Path(config.hydra.sweep.dir).absolute(),
        study=study,
        storage=storage,
        trial=trial,
        yaml_space=yaml_space,
        space=space,
        fixed=fixed,
        files=searched_files(composer, space, trial, app),
        max_steps=max(app.num_steps(each) for _, each in examples),
        threads=threads,
        workers=workers,
        one_data=len({app.data_key(each) for _, each in examples}) == 1,
        examples=examples,
        fingerprint=None,
        subdir=subdir,
    )


def _enqueue_problems(study: StudyConfig, space: SearchSpace) -> Iterator[str]:
    for index, given in enumerate(study.enqueue):
        try:
            space.encode(given, f"study.enqueue[{index}]")
        except ConfigError as error:
            yield from error.problems


def _subdir_problems(given: str, composer: Composer, space: SearchSpace) -> list[str]:
    overrides = space.overrides(next(space.extremes()))
    resolved = [trial_subdir(composer.compose(overrides), number) for number in (0, 1)]
    return list(subdir_problems(given, resolved))


def _size_problems(study: StudyConfig, space: SearchSpace) -> Iterator[str]:
    size = space.size() if study.sampler == "grid" else None
    if size is not None and size > MAX_GRID:
        yield (
            f"study.space: the grid of {', '.join(space.names)} has more than {MAX_GRID:,} "
            "combinations; must have fewer, or use another study.sampler"
        )
