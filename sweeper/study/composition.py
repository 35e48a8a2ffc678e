"""Composes the configurations of a study's trials, and finds what is wrong with them.

Hydra reads and merges every YAML file again for each trial, which takes 0.09 s. Here it does so
once for each choice of config groups, and single values are set in a copy.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.common.errors import ConfigError
from sweeper.common.schema import flatten
from sweeper.study.app import App, TrialConfig
from sweeper.study.space.search_space import SearchSpace


@dataclass
class Composer:
    """Composes trials as `ConfigLoader.load_sweep_config` does.

    Attributes:
      config: the configuration that Hydra composed for the multirun.
      fixed: the overrides that all trials have, unless a trial sets the same key.
      groups: the keys that are config groups.
    """

    config: DictConfig
    fixed: list[str]
    groups: frozenset[str]
    loader: ConfigLoader
    _composed: dict[tuple[str, ...], DictConfig] = field(default_factory=dict, repr=False)

    def compose(self, overrides: list[str]) -> DictConfig:
        """Returns the configuration of a trial with these overrides, including `hydra`."""
        parsed = OverridesParser.create(self.loader).parse_overrides(overrides)
        is_group = [override.key_or_group in self.groups for override in parsed]
        chosen = tuple(text for text, choice in zip(overrides, is_group, strict=True) if choice)
        groups = [f"{override.key_or_group}=" for override in parsed]
        fixed = [text for text in self.fixed if not text.startswith(tuple(groups))]
        if chosen not in self._composed:
            self._composed[chosen] = self.loader.load_sweep_config(self.config, [*fixed, *chosen])
        config = copy.deepcopy(self._composed[chosen])
        values = [override for override, choice in zip(parsed, is_group, strict=True) if not choice]
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        config.hydra.overrides.task = [*fixed, *overrides]
        names = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=OverridesParser.create(self.loader).parse_overrides(
                config.hydra.overrides.task
            ),
            kv_sep=names.kv_sep,
            item_sep=names.item_sep,
            exclude_keys=names.exclude_keys,
        )
        return config


def open_choices(config: DictConfig, space: SearchSpace) -> list[str]:
    """Returns the first choice of each searched config group that the YAML leaves open (`???`).

    Without these choices, neither the configuration of a worker nor that of a trial that doesn't
    choose such a group can be composed.
    """
    choices = config.hydra.runtime.choices
    left_open = [f"{group}=" for group in choices if OmegaConf.is_missing(choices, group)]
    if not left_open:
        return []
    texts = [text for values in space.extremes() for text in space.overrides(values)]
    firsts = (next((text for text in texts if text.startswith(key)), None) for key in left_open)
    return [text for text in firsts if text is not None]


def boundary_configs(
    composer: Composer, space: SearchSpace, app: App
) -> list[tuple[str, TrialConfig]]:
    """Composes and checks a configuration for each end of each range and for each choice.

    Returns:
      For each, its overrides as a text, and the configuration.

    Raises:
      ConfigError: with a line for each problem of any of them.
    """
    configs: list[tuple[str, TrialConfig]] = []
    problems: dict[str, str] = {}  # Each problem, and the first overrides that cause it.
    for values in space.extremes():
        overrides = space.overrides(values)
        overrides_text = " ".join(overrides)
        try:
            config = app.read(composer.compose(overrides))
            app.check(config)
            configs.append((overrides_text, config))
        except ConfigError as error:
            for problem in error.problems:
                problems.setdefault(problem, overrides_text)
        except (HydraException, OmegaConfBaseException) as error:
            first_line = str(error).splitlines()[0]
            problems.setdefault(f"study.space: {first_line}", overrides_text)
    if problems:
        raise ConfigError(with_overrides(problems))
    return configs


def with_overrides(problems: Mapping[str, str]) -> Iterator[str]:
    """Yields each problem with the overrides that cause it, if there are any."""
    for problem, overrides_text in problems.items():
        yield f"{problem} (with {overrides_text})" if overrides_text else problem


def searched_files(
    composer: Composer, space: SearchSpace, trial: TrialConfig, app: App
) -> dict[str, dict[str, Any]]:
    """Returns what each file that the search chooses between sets, by "GROUP=NAME".

    Args:
      trial: the configuration of a trial before anything searched is set.

    Returns:
      The keys whose values differ from those of `trial`, and their values. Keys that the file's
      own defaults list sets are included.
    """
    before = flatten(app.to_dictionary(trial))
    files = [
        f"{parameter.key.name}={name}"
        for parameter in space.parameters
        if parameter.key.options is not None
        for dimension in parameter.dimensions()
        for name in dimension.domain.values() or ()
    ]
    return {
        file: {
            key: value
            for key, value in flatten(app.to_dictionary(app.read(composer.compose([file])))).items()
            if key not in before or before[key] != value
        }
        for file in files
    }
