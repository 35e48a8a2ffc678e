"""From what Hydra composes to the dataclasses, and from these to dictionaries."""

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
    """The shipped `conf/`: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def to_dataclass(config: Any) -> Config:
    """The trial's part of what Hydra composes, as plain dataclasses.

    Raises:
      ConfigError: a key that the schema lacks; Hydra lets `+key=value` add any.
    """
    schema = OmegaConf.structured(Config)
    of_others = (*OF_A_STUDY, "hydra")
    config = OmegaConf.masked_copy(config, [key for key in config if key not in of_others])
    known = known_keys(Config)
    # Below what is empty in the schema there are whatever names the user gives.
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
    """The configuration as nested dictionaries, for records and to compare.

    Without `tracking`, which changes no result, and may name a server with its password.
    """
    dictionary = dataclasses.asdict(config)
    del dictionary["tracking"]
    return dictionary


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded configuration, and the schema's values of keys that it is older than."""

    def merged(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: merged(schema[name], given[name])
            if name in given and isinstance(schema.get(name), dict)
            else given.get(name, schema.get(name))
            for name in dict.fromkeys([*schema, *given])
        }

    config = with_new_names(Config, config)
    filled = merged(to_dictionary(Config()), config)
    # Before there was a choice, these were the ones.
    filled["evaluation"]["seen"] = config.get("evaluation", {}).get("seen", "training")
    for tower in ("query", "candidate"):
        features = filled["features"][tower]
        filled["features"][tower] = [
            dataclasses.asdict(FeatureConfig()) | feature for feature in features
        ]
    return filled


# Where a project's conf/ and a study's best.yaml lie, seen from the folders that users start in.
PLACES = ("", "*/", "*/*/", "*/*/conf/")
MAX_NAMED = 3


def directories_with(file: str) -> list[Path]:
    """Up to three directories, of which each would do as `--config-dir` to find a file.

    Args:
      file: as a configuration directory has it: "study/my_films.yaml".
    """
    found: list[Path] = []
    # A name can be anything that a user types, also what no file may be called.
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
    """What ends the line of an error: which `--config-dir` has the file, or ""."""
    found = directories_with(file)
    options = " or ".join(f"--config-dir {shlex.quote(str(directory))}" for directory in found)
    return f". {found[0] / file} is there: give {options}" if found else ""
