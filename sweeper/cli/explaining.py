"""Explains what is wrong with each override, and with the values of those that compose.

Hydra would report only the first error. Here each override is composed by itself, so that every
error is reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from hydra import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf

from sweeper.cli.overrides import (
    COMPOSING,
    PARSING,
    as_one_value,
    fits,
    hinted,
    mended,
    parse,
    values_of,
)
from sweeper.common.errors import ConfigError, closest, closest_key, shortened
from sweeper.common.exit_codes import first_lines
from sweeper.two_tower.config import (
    Config,
    config_dir_hint,
    known_keys,
    to_dataclass,
    type_at,
    type_problems,
    unknown_key,
)
from sweeper.two_tower.config.experiment import ExperimentConfig
from sweeper.two_tower.validation import validate

# Hydra's error on a file that doesn't fit the schema.
FILE_ERROR = re.compile(r"In '(?P<file>[^']+)': \w+ raised while composing config:")
HYDRA_KEYS = ("defaults", "hydra")
# Keys below which the user chooses the names, and the form of an override of them.
OPEN_KEYS = {
    "optimizer.options": "NAME=VALUE",
    "model.tower_options": "NAME=VALUE",
    "task.options": "NAME=VALUE",
    "data.items.lists": "COLUMN=SEPARATOR",
    "data.users.lists": "COLUMN=SEPARATOR",
    "study.sampler_options": "SAMPLER.NAME=VALUE",
    "study.pruner_options": "PRUNER.NAME=VALUE",
}


def value_problems(config: DictConfig, check: Callable[[Config], None] = validate) -> list[str]:
    """Returns a line for each value of a composed trial that is wrong.

    Args:
      check: raises ConfigError for values that are wrong.
    """
    try:
        check(to_dataclass(config))
    except ConfigError as error:
        return error.problems
    except COMPOSING as error:
        return [first_lines(error)]
    return []


def explain(name: str, overrides: Sequence[str]) -> list[str]:
    """Returns a line for each override that is wrong; none if only the YAML is wrong."""
    meant, problems = mended(overrides)
    composable: list[str] = []
    readable = []
    for text in meant:
        try:
            override = parse([text])[0]
            values = values_of(override)
        except PARSING as error:
            problems.append(_explain_text(text, error))
            continue
        readable.append(override)
        by_value = [_explain(name, value, composable) for value in values]
        wrong = [problem for lines in by_value for problem in lines]
        # If each value is wrong, a single value with commas was probably meant.
        one = as_one_value(override) if all(by_value) else ""
        problems += [f"{text}: has several values, none of which fits{one}"] if one else wrong
    if problems:
        with suppress(*COMPOSING):
            problems += value_problems(compose(name, overrides=composable))
    return list(dict.fromkeys(hinted(problems, readable)))


def _explain_text(text: str, error: Exception) -> str:
    if "=" not in text:
        return f"{shortened(text)}: is not an override; must be KEY=VALUE"
    return f"{shortened(text)}: is not an override: {first_lines(error)}"


def _explain(name: str, value: str, composable: list[str]) -> list[str]:
    """Explains what is wrong with an override of one value, or adds it to `composable`."""
    override = parse([value])[0]
    # Files of a group may contain errors, and Hydra has its own rules for mappings.
    key = override.key_or_group
    is_plain = "." in key and key in known_keys(ExperimentConfig)
    is_plain = is_plain and not isinstance(override.value(), dict)
    try:
        if not (is_plain and fits(value)):
            compose(name, overrides=[value])
    except MissingConfigException as error:
        return [_explain_choice(override, error)]
    except COMPOSING as error:
        return file_problems(error) or _explain_value(override, error)
    composable.append(value)
    return []


def file_problems(error: Exception) -> list[str]:
    """Finds values of another type, and unknown keys, in a YAML file that Hydra couldn't merge.

    Hydra's error only names the file.
    """
    if not (found := FILE_ERROR.match(str(error))):
        return []
    loader = GlobalHydra.instance().config_loader()
    assert isinstance(loader, ConfigLoaderImpl)
    loaded = loader.repository.load_config(found["file"])
    assert loaded is not None
    package = loaded.header["package"]
    if package is None:
        package = found["file"].rpartition("/")[0].replace("/", ".")
    key = "" if package == "_global_" else package
    values = OmegaConf.to_container(loaded.config, resolve=False)
    if not key and isinstance(values, dict):
        # These are Hydra's own.
        values = {name: value for name, value in values.items() if name not in HYDRA_KEYS}
    kind = type_at(ExperimentConfig, key) if key else ExperimentConfig
    lines = type_problems(key, values, kind) if kind else ()
    return [f"{found['file']}.yaml: {line}" for line in lines]


def _explain_choice(override: Override, error: MissingConfigException) -> str:
    options, value = sorted(error.options or []), str(override.value())
    if not options:
        return f"{override.input_line}: {first_lines(error)}"
    group = override.key_or_group
    hint = config_dir_hint(f"{group}/{value}.yaml") or closest(value, options)
    return f"{group}: got {value!r}; must be one of {', '.join(options)}{hint}"


def _explain_value(override: Override, error: Exception) -> list[str]:
    key, cause = shortened(override.key_or_group), error.__cause__ or error
    for name, form in OPEN_KEYS.items():
        if key.startswith(f"{name}.") and not override.is_add():
            return [f"{key}: has no value to change; add it with +{override.input_line}"]
        if key == name:
            given = override.get_value_element_as_str()
            return [f"{key}: got {given}; give each by itself, as +{name}.{form}"]
    known = [*known_keys(ExperimentConfig), "experiment"]
    if key not in known and not key.startswith("hydra"):
        return [f"{key}: {unknown_key(ExperimentConfig, key, closest_key(key, known))}"]
    options = GlobalHydra.instance().config_loader().get_group_options(override.key_or_group)
    if options and isinstance(override.value(), int | float | dict):
        given = override.get_value_element_as_str()
        return [f"{key}: got {given}; must be one of {', '.join(sorted(options))}"]
    kind = type_at(ExperimentConfig, key)
    if kind and (lines := list(type_problems(key, override.value(), kind))):
        return lines
    reason = first_lines(cause).removeprefix(f"{key}: ")
    return [f"{key}: got {shortened(override.get_value_element_as_str())}; {reason}"]
