"""Turns what Hydra composes into the dataclasses, and these into dictionaries."""

from __future__ import annotations

import dataclasses
import glob
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sweeper.common.errors import ConfigError, closest_key
from sweeper.common.schema import (
    flatten,
    known_keys,
    nested_keys,
    section_type_errors,
    unknown_key,
    with_new_names,
)
from sweeper.two_tower.config.features import FeatureConfig
from sweeper.two_tower.config.trial import OF_A_STUDY, Config


def config_directory() -> Path:
    """Returns the shipped `conf/`: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def to_dataclass(config: Any) -> Config:
    """Returns the trial's part of what Hydra composes, as plain dataclasses.

    Raises:
      ConfigError: a key is unknown (Hydra lets `+key=value` add any) or has no value.
    """
    schema = OmegaConf.structured(Config)
    of_others = (*OF_A_STUDY, "hydra")
    config = OmegaConf.masked_copy(config, [key for key in config if key not in of_others])
    known = known_keys(Config)
    # The user chooses the names below mappings that are empty in the schema.
    open_ = tuple(
        f"{key}." for key, value in flatten(to_dictionary(Config())).items() if value == {}
    )
    unknown = [key for key in nested_keys(OmegaConf.to_container(config)) if key not in known]
    problems = [
        f"{key}: {unknown_key(Config, key, closest_key(key, known))}"
        for key in unknown
        if not key.startswith(open_) and not any(other.startswith(f"{key}.") for other in unknown)
    ]
    if problems:
        raise ConfigError(problems)
    merged = OmegaConf.merge(schema, config)
    if missing := sorted(OmegaConf.missing_keys(merged)):
        raise ConfigError(f"{key}: is missing; must be given" for key in missing)
    trial = OmegaConf.to_object(merged)
    if problems := list(section_type_errors(trial, Config())):
        raise ConfigError(problems)
    return trial  # type: ignore[return-value]


def to_dictionary(config: Config) -> dict[str, Any]:
    """Returns the configuration as nested dictionaries, for records and comparisons.

    They leave out `tracking`, which changes no result and may name a server with its password.
    """
    dictionary = dataclasses.asdict(config)
    del dictionary["tracking"]
    return dictionary


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fills in the keys that are newer than a recorded configuration, with their defaults."""

    def merged(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: merged(schema[name], given[name])
            if name in given and isinstance(schema.get(name), dict)
            else given.get(name, schema.get(name))
            for name in dict.fromkeys([*schema, *given])
        }

    config = with_new_names(Config, config)
    filled = merged(to_dictionary(Config()), config)
    # Before the key existed, only this was possible.
    filled["evaluation"]["seen"] = config.get("evaluation", {}).get("seen", "training")
    for tower in ("query", "candidate"):
        features = filled["features"][tower]
        filled["features"][tower] = [
            dataclasses.asdict(FeatureConfig()) | feature for feature in features
        ]
    return filled


# Where a project's conf/ and a study's best.yaml are, relative to where users start.
PLACES = ("", "*/", "*/*/", "*/*/conf/")
MAX_NAMED = 3


def directories_with(file: str) -> list[Path]:
    """Returns up to three directories near the working directory that contain a file.

    Args:
      file: the path within a configuration directory, such as "study/my_films.yaml".
    """
    found: list[Path] = []
    # Users can type a name that no file may have.
    with suppress(OSError, ValueError):
        for place in PLACES:
            pattern = f"{place}{glob.escape(file)}"
            found += sorted(
                Path(match.removesuffix(file) or ".")
                for match in glob.iglob(pattern)
                if Path(match).is_file()
            )
            if len(found) >= MAX_NAMED:
                break
    return found[:MAX_NAMED]


def config_dir_hint(file: str) -> str:
    """Returns an ending for an error line: which `--config-dir` has the file, or ""."""
    found = directories_with(file)
    options = " or ".join(f"--config-dir {shlex.quote(str(directory))}" for directory in found)
    return f". {found[0] / file} exists: give {options}" if found else ""
