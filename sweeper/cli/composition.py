"""Composes and checks a configuration from overrides, and reports all errors at once.

Hydra would report only the first error. Nothing is written here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import compute_search_path_dir, create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from yaml import YAMLError

from sweeper.cli.explaining import explain, file_problems, value_problems
from sweeper.cli.overrides import COMPOSING, as_one_value, hinted, misread, parse, values_of
from sweeper.common.errors import ConfigError
from sweeper.common.exit_codes import first_lines
from sweeper.study.config import to_study
from sweeper.two_tower.config import Config, config_dir_hint, config_directory, to_dataclass
from sweeper.two_tower.config.experiment import register_schema
from sweeper.two_tower.validation import validate

# The beginning of Hydra's error on a group whose choice is `???`.
LEFT_OPEN = "You must specify"


def composed(
    overrides: list[str],
    config_dir: Path | None = None,
    config_name: str = "config",
    check: Callable[[Config], None] | None = validate,
) -> Config:
    """Returns the configuration of one trial, as `python -m sweeper` would compose it.

    Args:
      check: raises ConfigError for values that are wrong; None if the caller checks them.

    Raises:
      ConfigError: with a line for each override or value that is wrong.
    """
    register_schema()
    with loader(None, config_dir):
        config = compose_first(config_name, overrides)
        read = parse(overrides)
        problems = [*misread(read), *(value_problems(config, check) if check else [])]
        problems = hinted(problems, read)
        problems += [
            f"{each.input_line}: has several values; must be one{as_one_value(each)}"
            for each in read
            if each.is_sweep_override()
        ]
    if problems:
        raise ConfigError(problems)
    return to_dataclass(config)


@contextmanager
def loader(config_path: str | None, own: Path | None) -> Iterator[ConfigLoader]:
    """Sets up Hydra's loader, in which `compose_first` and `parse` work.

    Args:
      config_path: the value of `--config-path`, relative to this package; None for the shipped
        `conf/`.
      own: the user's directory of `--config-dir`, which is searched after the shipped one.

    Raises:
      ConfigError: `own` is not a directory, or hides shipped files.
    """
    if own:
        add_plugin_path(own)
        _check_nothing_hidden(own)
    version.setbase("1.3")
    # Hydra looks for a relative path beside the program that `hydra.main` decorates.
    program = str(Path(__file__).parents[1] / "__main__.py")
    ours = compute_search_path_dir(program, None, config_path or str(config_directory()))
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
            f"--config-dir: {each} has the name of a shipped file, which Hydra would use "
            "instead; give it another name"
            for each in hidden
        )


def _hidden_files(own: Path) -> list[Path]:
    """Returns files of a user's directory that have the name of a shipped file, but differ."""
    ours = config_directory()
    if own.resolve() == ours:
        return []
    return [
        own / place
        for place in sorted(path.relative_to(ours) for path in ours.rglob("*.yaml"))
        if (own / place).is_file() and (own / place).read_bytes() != (ours / place).read_bytes()
    ]


def add_plugin_path(directory: Path) -> None:
    """Lets Python paths in YAML name modules beside the user's `conf/`, also in workers.

    Raises:
      ConfigError: the directory doesn't exist.
    """
    if not directory.is_dir():
        raise ConfigError(f"--config-dir: got {directory}, which is not a directory")
    place = str(directory.resolve().parent)
    if place not in sys.path:
        sys.path.append(place)
        known = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{known}{os.pathsep}{place}" if known else place


def compose_first(name: str, overrides: list[str], multirun: bool = False) -> DictConfig:
    """Composes the configuration with the first value of each sweep; a study checks the others.

    Args:
      multirun: whether `--multirun` is given; `hydra.mode` may say the same.
    """
    try:
        values = [values_of(override) for override in parse(overrides)]
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
        raise ConfigError(f"conf: invalid YAML in a file: {first_lines(error)}") from error
    except COMPOSING as error:
        if isinstance(error, MissingConfigException) and error.missing_cfg_file == name:
            raise ConfigError(
                f"--config-name: got {name!r}, but there is no {name}.yaml in the directories of "
                f"the configuration{config_dir_hint(f'{name}.yaml')}"
            ) from error
        problems = explain(name, overrides) or file_problems(error) or [first_lines(error)]
        raise ConfigError(problems) from error


def _searched_choices(name: str, overrides: list[str], multirun: bool) -> list[str]:
    """Returns a study's first choices of the config groups that the YAML leaves open (`???`)."""
    from sweeper.study.composition import open_choices
    from sweeper.study.space.keys import SearchableKeys
    from sweeper.study.space.reader import parse_space
    from sweeper.two_tower.app import TwoTowerApp

    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    config = hydra.compose_config(
        name, overrides, RunMode.MULTIRUN, from_shell=False, with_log_configuration=False
    )
    if not multirun and config.hydra.mode != RunMode.MULTIRUN:
        return []
    app, loader = TwoTowerApp(), hydra.config_loader
    groups = {group: loader.get_group_options(group) for group in app.groups}
    keys = SearchableKeys.of(app, groups)
    return open_choices(config, parse_space(to_study(config).space, keys))
