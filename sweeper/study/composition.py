"""Composes what a study's trials will be, to find what is wrong before any of them runs."""

from __future__ import annotations

import functools

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.config import Config, to_dataclass
from sweeper.errors import ConfigError
from sweeper.study.search_space import SearchSpace
from sweeper.validation import validate


def trial_config(config: DictConfig) -> Config:
    """The trial's part of a composed configuration."""
    trial = OmegaConf.create(config)
    OmegaConf.set_struct(trial, False)
    trial.pop("hydra", None)
    return to_dataclass(trial)


def composition_problems(
    config: DictConfig, fixed: list[str], space: SearchSpace, loader: ConfigLoader
) -> list[str]:
    """Composes and validates a trial at each end of each range and for each choice.

    Hydra composes each choice of config groups once; single values are set in a copy,
    which takes a fifth of the time.

    Args:
      config: Hydra's configuration of the multirun.
      fixed: the overrides that all trials have.
    """

    @functools.cache
    def composed(groups: tuple[str, ...]) -> DictConfig:
        return loader.load_sweep_config(config, [*fixed, *groups])

    problems = []
    for values in space.extremes():
        overrides = space.overrides(values)
        words = " ".join(overrides)
        groups = tuple(text for text in overrides if _is_group(text, space))
        try:
            trial = composed(groups).copy()
            OmegaConf.set_struct(trial, False)
            for override in OverridesParser.create().parse_overrides(overrides[len(groups) :]):
                OmegaConf.update(trial, override.key_or_group, override.value())
            validate(trial_config(trial))
        except ConfigError as error:
            problems += [f"{problem} (with {words})" for problem in error.problems]
        except (HydraException, OmegaConfBaseException) as error:
            problems.append(f"study.space: {words}: {str(error).splitlines()[0]}")
    return problems


def _is_group(override: str, space: SearchSpace) -> bool:
    name = override.split("=", 1)[0]
    return any(
        parameter.key.element == name and parameter.key.options is not None
        for parameter in space.parameters
    )
