"""The directories of trials: `trials/0007`, or what the user's `hydra.sweep.subdir` sets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

KEY = "hydra.sweep.subdir"
# The default of conf/config.yaml, and Hydra's own, which other primary configurations have.
DEFAULTS = ("trials/${hydra.job.num}", "${hydra.job.num}")
# A study keeps other files in directories whose names begin with these.
RESERVED_NAMES = ("workers", "reference", "confirmation")
MAX_NAME_BYTES = 200


def custom_subdir(config: DictConfig) -> str | None:
    """Returns the user's `hydra.sweep.subdir`, unresolved, or None if it is the default."""
    hydra: Any = OmegaConf.to_container(config.hydra, resolve=False)
    subdir, overrides = str(hydra["sweep"]["subdir"]), hydra["overrides"]["hydra"]
    is_given = any(text.lstrip("+").startswith(f"{KEY}=") for text in overrides)
    return subdir if is_given or subdir not in DEFAULTS else None


def trial_subdir(config: DictConfig, number: int) -> str:
    """Returns the directory of a trial, relative to the study's directory.

    Args:
      config: the composed configuration of the trial, including `hydra`; it is changed.
      number: the number of the trial.
    """
    with open_dict(config):
        config.hydra.job.num = number
        config.hydra.job.id = f"{config.hydra.job.name}_{number}"
    # `${hydra:job.num}` is resolved in Hydra's global configuration.
    instance = HydraConfig.instance()
    before = instance.cfg
    instance.set_config(config)
    try:
        return str(OmegaConf.select(config, KEY))
    finally:
        instance.cfg = before


def subdir_problems(given: str, resolved: Sequence[str]) -> Iterator[str]:
    """Yields a line for each reason why trials can't have these directories.

    Args:
      given: the value of `hydra.sweep.subdir`.
      resolved: the directories of trials that differ only in their number.
    """
    got = f"{KEY}: got {given!r}"
    if len(set(resolved)) < len(resolved):
        yield (
            f"{got}, which is {resolved[0]!r} for several trials; must contain ${{hydra.job.num}}, "
            "so that each trial has its own directory"
        )
    path = PurePosixPath(resolved[0])
    parts = path.parts
    if path.is_absolute() or ".." in parts or not parts or parts[0].startswith("."):
        yield f"{got}, which is {resolved[0]!r}; must be a directory below hydra.sweep.dir"
    elif parts[0].startswith(RESERVED_NAMES):
        yield f"{got}; must not begin with {parts[0]!r}, where the study keeps other files"
    if any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in parts):
        yield (
            f"{got}, which is {len(os.fsencode(resolved[0]))} bytes long; each name must have "
            f"at most {MAX_NAME_BYTES} bytes; hydra.job.config.override_dirname.exclude_keys "
            "shortens names"
        )
