"""Where a study's trials lie: `trials/0007`, or what the user's `hydra.sweep.subdir` says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

KEY = "hydra.sweep.subdir"
# Ours in conf/config.yaml, and Hydra's, which a primary configuration without ours has.
DEFAULTS = ("trials/${hydra.job.num}", "${hydra.job.num}")
# What else lies in a study's directory.
RESERVED_NAMES = ("workers", "reference", "confirmation")
MAX_NAME_BYTES = 200


def custom_subdir(config: DictConfig) -> str | None:
    """`hydra.sweep.subdir` as the user gave it, unresolved; None where it is the default."""
    hydra: Any = OmegaConf.to_container(config.hydra, resolve=False)
    subdir, overrides = str(hydra["sweep"]["subdir"]), hydra["overrides"]["hydra"]
    by_hand = any(text.lstrip("+").startswith(f"{KEY}=") for text in overrides)
    return subdir if by_hand or subdir not in DEFAULTS else None


def trial_subdir(config: DictConfig, number: int) -> str:
    """Where a trial goes, below the study's directory.

    Args:
      config: the trial's composed configuration, `hydra` included; is changed.
    """
    with open_dict(config):
        config.hydra.job.num = number
        config.hydra.job.id = f"{config.hydra.job.name}_{number}"
    # `${hydra:job.num}` asks Hydra's own.
    instance = HydraConfig.instance()
    before = instance.cfg
    instance.set_config(config)
    try:
        return str(OmegaConf.select(config, KEY))
    finally:
        instance.cfg = before


def subdir_problems(given: str, places: Sequence[str]) -> Iterator[str]:
    """Why trials can't lie there.

    Args:
      given: `hydra.sweep.subdir`.
      places: what it comes to for trials that differ in their number alone.
    """
    got = f"{KEY}: got {given!r}"
    if len(set(places)) < len(places):
        yield (
            f"{got}, which is {places[0]!r} for several trials; must have ${{hydra.job.num}} "
            "in it, so that each has a directory of its own"
        )
    path = PurePosixPath(places[0])
    parts = path.parts
    if path.is_absolute() or ".." in parts or not parts or parts[0].startswith("."):
        yield f"{got}, which is {places[0]!r}; must be a place below hydra.sweep.dir"
    elif parts[0].startswith(RESERVED_NAMES):
        yield f"{got}; must not begin with {parts[0]!r}, where a study keeps something else"
    if any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in parts):
        yield (
            f"{got}, which is {len(os.fsencode(places[0]))} letters long; must have names of at "
            f"most {MAX_NAME_BYTES}, as hydra.job.config.override_dirname.exclude_keys helps to"
        )
