"""From overrides to a checked configuration, or to all that is wrong with them.

Hydra reports the first thing that is wrong; here it composes the configuration so that
every error is told at once, and nothing is written.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra import compose, version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import compute_search_path_dir, create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sweeper.config import Config, config_directory, known_keys, to_dataclass
from sweeper.errors import ConfigError, closest, shortened
from sweeper.exit_codes import first_lines
from sweeper.study.config import ExperimentConfig, register_schema, to_study
from sweeper.validation import validate

# What Hydra and OmegaConf raise of a configuration that can't be composed: numbers too big for
# their type, names too long for a file, lists in lists in lists among their reasons.
COMPOSING = (
    HydraException, OmegaConfBaseException, ArithmeticError, AssertionError, AttributeError,
    OSError, RecursionError, TypeError, ValueError,
)  # fmt: skip
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
# How Hydra begins its complaint of a group whose choice is `???`.
LEFT_OPEN = "You must specify"
# So many values of a sweep are composed, each by itself, to see what is wrong.
MOST_EXPLAINED = 20


def composed(
    overrides: list[str],
    config_dir: Path | None = None,
    config_name: str = "config",
    check: bool = True,
) -> Config:
    """The configuration of one trial, as `python -m sweeper` would have it; nothing is written.

    Args:
      check: whether values are held to their ranges and rules, or that is left to the caller.

    Raises:
      ConfigError: with a line for each override or value that is wrong.
    """
    register_schema()
    with loader(None, config_dir):
        config = compose_first(config_name, overrides)
        swept = [each.input_line for each in parse(overrides) if each.is_sweep_override()]
    problems = [f"{text}: has several values; must be one" for text in swept]
    problems += value_problems(config) if check else []
    if problems:
        raise ConfigError(problems)
    return to_dataclass(config)


@contextmanager
def loader(config_path: str | None, own: Path | None) -> Iterator[ConfigLoader]:
    """Hydra's loader, with the user's directory after ours, as `--config-dir` has it.

    Within it `compose_first` and `parse` work.

    Args:
      config_path: as `--config-path` has it: relative to this package; None takes ours.

    Raises:
      ConfigError: `own` is no directory, or hides shipped files.
    """
    if own:
        find_modules_beside(own)
        _check_nothing_hidden(own)
    version.setbase("1.3")
    ours = compute_search_path_dir(__file__, None, config_path or str(config_directory()))
    search_path = create_config_search_path(ours)
    if own:
        before = SearchPathQuery(provider="schema")
        search_path.prepend("command-line", f"file://{own.resolve()}", before)
    GlobalHydra.instance().clear()
    Hydra.create_main_hydra2("sweeper", search_path)
    try:
        yield GlobalHydra.instance().config_loader()
    finally:
        GlobalHydra.instance().clear()


def _check_nothing_hidden(own: Path) -> None:
    if hidden := _hidden_files(own):
        raise ConfigError(
            f"--config-dir: {each} has the name of a shipped file, which Hydra would take in its "
            "place; must have another name"
            for each in hidden
        )


def _hidden_files(own: Path) -> list[Path]:
    """Files of a user's directory that are named as ours are, and differ from them."""
    ours = config_directory()
    if own.resolve() == ours:
        return []
    return [
        own / place
        for place in sorted(path.relative_to(ours) for path in ours.rglob("*.yaml"))
        if (own / place).is_file() and (own / place).read_bytes() != (ours / place).read_bytes()
    ]


def find_modules_beside(directory: Path) -> None:
    """Lets Python paths in YAML name modules beside the user's `conf/`, in workers, too.

    Raises:
      ConfigError: there is no such directory.
    """
    if not directory.is_dir():
        raise ConfigError(f"--config-dir: got {directory}, which is no directory")
    place = str(directory.resolve().parent)
    if place not in sys.path:
        sys.path.append(place)
        known = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{known}{os.pathsep}{place}" if known else place


def compose_first(name: str, overrides: list[str], multirun: bool = False) -> DictConfig:
    """The configuration, with the first value of what is swept; a study checks the others.

    Args:
      multirun: whether `--multirun` is given; `hydra.mode` may say the same.
    """
    try:
        values = [_values(override) for override in parse(overrides)]
        first = [alternatives[0] for alternatives in values if alternatives]
        try:
            return compose(name, first, return_hydra_config=True)
        except ConfigCompositionException as error:
            if not str(error).startswith(LEFT_OPEN):
                raise
            choices = _searched_choices(name, first, multirun)
            if not choices:
                raise ConfigError(f"{name}.yaml: {first_lines(error)}") from error
            return compose(name, [*choices, *first], return_hydra_config=True)
    except YAMLError as error:
        raise ConfigError(f"conf: a file is no YAML: {first_lines(error)}") from error
    except COMPOSING as error:
        raise ConfigError(_explain(name, overrides) or [first_lines(error)]) from error


def _searched_choices(name: str, overrides: list[str], multirun: bool) -> list[str]:
    """What a study searches first of the config groups that the YAML leaves open (`???`)."""
    from sweeper.study.composition import open_choices
    from sweeper.study.plan import GROUPS
    from sweeper.study.space.reader import parse_space

    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    config = hydra.compose_config(
        name, overrides, RunMode.MULTIRUN, from_shell=False, with_log_configuration=False
    )
    if not multirun and config.hydra.mode != RunMode.MULTIRUN:
        return []
    groups = {group: hydra.config_loader.get_group_options(group) for group in GROUPS}
    return open_choices(config, parse_space(to_study(config).space, groups))


def parse(overrides: list[str]) -> list[Override]:
    """The overrides, within `loader`."""
    # `glob(*)` asks the loader which files there are.
    config_loader = GlobalHydra.instance().config_loader()
    return list(OverridesParser.create(config_loader).parse_overrides(overrides))


def value_problems(config: DictConfig) -> list[str]:
    """What is wrong with the values of a composed trial, a line each."""
    try:
        validate(to_dataclass(config))
    except ConfigError as error:
        return error.problems
    except COMPOSING as error:
        return [first_lines(error)]
    return []


def _values(override: Override) -> list[str]:
    """The override itself, or one for each value that it sweeps over.

    Of an interval its ends, of a range its first, of a long list its first ones.
    """
    key, value = override.get_key_element(), override.value()
    if isinstance(value, RangeSweep):
        # Not all of them: there may be no end of them.
        return [f"{key}={value.start}"]
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    if override.is_discrete_sweep():
        values = itertools.islice(override.sweep_string_iterator(), MOST_EXPLAINED)
        return [f"{key}={text}" for text in values]
    return [str(override.input_line)]


def _explain(name: str, overrides: list[str]) -> list[str]:
    """What is wrong with each override, and with the values of those that compose.

    Empty if the fault is in the YAML alone.
    """
    problems, composable = [], []
    for text in overrides:
        try:
            values = _values(parse([text])[0])
        except (HydraException, RecursionError, ValueError) as error:
            problems.append(f"{shortened(text)}: is no override: {first_lines(error)}")
            continue
        for value in values:
            try:
                compose(name, overrides=[value])
            except MissingConfigException as error:
                problems.append(_explain_choice(parse([value])[0], error))
            except COMPOSING as error:
                problems.append(_explain_value(parse([value])[0], error))
            else:
                composable.append(value)
    if problems:
        with suppress(*COMPOSING):
            problems += value_problems(compose(name, overrides=composable))
    return list(dict.fromkeys(problems))


def _explain_choice(override: Override, error: MissingConfigException) -> str:
    options, value = sorted(error.options or []), str(override.value())
    if not options:
        return f"{override.input_line}: {first_lines(error)}"
    return (
        f"{override.key_or_group}: got {value!r}; must be one of {', '.join(options)}"
        f"{closest(value, options)}"
    )


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
        return f"{key}: is no key of the configuration{closest(key, known)}"
    words = first_lines(cause).removeprefix(f"{key}: ")
    return f"{key}: got {shortened(override.get_value_element_as_str())}; {words}"
