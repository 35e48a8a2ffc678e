"""Composes the configurations of a study's trials, and finds what is wrong with them.

Hydra reads and merges every YAML file anew for each trial, which takes 0.09 s. Here it
does so once for each choice of config groups, and single values are set in a copy.
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
      config: Hydra's configuration of the multirun.
      fixed: the overrides that all trials have, unless a trial sets the same key.
      groups: the keys that are config groups.
    """

    config: DictConfig
    fixed: list[str]
    groups: frozenset[str]
    loader: ConfigLoader
    _composed: dict[tuple[str, ...], DictConfig] = field(default_factory=dict, repr=False)

    def compose(self, overrides: list[str]) -> DictConfig:
        """The configuration of a trial with these overrides, `hydra` included."""
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
    """The first choice of each config group that is searched and that the YAML leaves open (`???`).

    Nothing can be composed without them: neither a worker's own configuration nor a trial's
    that a search doesn't decide on.
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
    """A trial's configuration at each end of each range and for each choice, validated.

    Returns:
      The overrides that it has, as a text, and the configuration.

    Raises:
      ConfigError: with a line for all that is wrong with any of them.
    """
    configs: list[tuple[str, TrialConfig]] = []
    problems: dict[str, str] = {}  # Each once, and the first overrides that have it.
    for values in space.extremes():
        overrides = space.overrides(values)
        words = " ".join(overrides)
        try:
            config = app.read(composer.compose(overrides))
            app.check(config)
            configs.append((words, config))
        except ConfigError as error:
            for problem in error.problems:
                problems.setdefault(problem, words)
        except (HydraException, OmegaConfBaseException) as error:
            problems.setdefault(f"study.space: {str(error).splitlines()[0]}", words)
    if problems:
        raise ConfigError(with_overrides(problems))
    return configs


def with_overrides(problems: Mapping[str, str]) -> Iterator[str]:
    """Each problem, and the overrides that have it, where there are any."""
    for problem, words in problems.items():
        yield f"{problem} (with {words})" if words else problem


def searched_files(
    composer: Composer, space: SearchSpace, trial: TrialConfig, app: App
) -> dict[str, dict[str, Any]]:
    """What each file that the search chooses between sets, by "GROUP=NAME".

    Args:
      trial: a trial's configuration before anything searched is set.

    Returns:
      The keys whose values differ from `trial`'s, those of the file's own defaults list included.
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
