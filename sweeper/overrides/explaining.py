"""What is wrong with each override, and with the values of those that compose.

Hydra reports the first that is wrong. Here each is composed by itself, so that every error is told
at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from hydra import compose
from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException
from omegaconf import DictConfig

from sweeper.config import Config, config_dir_hint, known_keys, to_dataclass
from sweeper.errors import ConfigError, closest, closest_key, shortened
from sweeper.exit_codes import first_lines
from sweeper.overrides.mending import as_one_value, hinted, mended
from sweeper.overrides.parsing import COMPOSING, PARSING, fits, parse, values_of
from sweeper.study.config import ExperimentConfig
from sweeper.validation import validate

# Keys that hold whatever names the user gives, and the form of what is below them.
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
    """What is wrong with the values of a composed trial, a line each.

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
    """A line for each that is wrong; none if the fault is in the YAML alone."""
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
        wrong = [problem for value in values if (problem := _explain(name, value, composable))]
        # Each value is wrong because there should be one, with commas in it.
        one = as_one_value(override) if len(wrong) == len(values) else ""
        problems += [f"{text}: has several values, none of which fits{one}"] if one else wrong
    if problems:
        with suppress(*COMPOSING):
            problems += value_problems(compose(name, overrides=composable))
    return list(dict.fromkeys(hinted(problems, readable)))


def _explain_text(text: str, error: Exception) -> str:
    if "=" not in text:
        return f"{shortened(text)}: is no override; must be KEY=VALUE"
    return f"{shortened(text)}: is no override: {first_lines(error)}"


def _explain(name: str, value: str, composable: list[str]) -> str:
    """What is wrong with an override of one value; "" adds it to those that compose."""
    override = parse([value])[0]
    # A group's files may be wrong inside, and Hydra has rules of its own for mappings.
    key = override.key_or_group
    is_plain = "." in key and key in known_keys(ExperimentConfig)
    is_plain = is_plain and not isinstance(override.value(), dict)
    try:
        if not (is_plain and fits(value)):
            compose(name, overrides=[value])
    except MissingConfigException as error:
        return _explain_choice(override, error)
    except COMPOSING as error:
        return _explain_value(override, error)
    composable.append(value)
    return ""


def _explain_choice(override: Override, error: MissingConfigException) -> str:
    options, value = sorted(error.options or []), str(override.value())
    if not options:
        return f"{override.input_line}: {first_lines(error)}"
    group = override.key_or_group
    hint = config_dir_hint(f"{group}/{value}.yaml") or closest(value, options)
    return f"{group}: got {value!r}; must be one of {', '.join(options)}{hint}"


def _explain_value(override: Override, error: Exception) -> str:
    key, cause = shortened(override.key_or_group), error.__cause__ or error
    for name, form in OPEN_KEYS.items():
        if key.startswith(f"{name}.") and not override.is_add():
            return f"{key}: has no value to change; add it with +{override.input_line}"
        if key == name:
            given = override.get_value_element_as_str()
            return f"{key}: got {given}; give each by itself, as +{name}.{form}"
    known = [*known_keys(ExperimentConfig), "experiment"]
    if key not in known and not key.startswith("hydra"):
        return f"{key}: is no key of the configuration{closest_key(key, known)}"
    words = first_lines(cause).removeprefix(f"{key}: ")
    return f"{key}: got {shortened(override.get_value_element_as_str())}; {words}"
