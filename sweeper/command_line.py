"""From the command line to a checked configuration, and from errors to exit codes.

Hydra reports the first thing that is wrong, with exit code 1 and after it has
made the output directory. Here the configuration is composed and checked before
Hydra runs the job: every error at once, nothing written, exit code 2.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra import compose, version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sweeper.config import Config, config_directory, known_keys, to_dataclass, unfit
from sweeper.errors import (
    ConfigError,
    OutputError,
    Stopped,
    SweeperError,
    closest,
    shortened,
)
from sweeper.files import make_writable
from sweeper.passwords import without_password
from sweeper.record import TRIAL
from sweeper.study.config import ExperimentConfig, register_schema
from sweeper.validation import validate

NO_ROOM_OR_RIGHT = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
# Read before `exit_codes` sets it; the user's own wish to see whole tracebacks.
SHOW_ALL = os.environ.get("HYDRA_FULL_ERROR") == "1"
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
# So many values of a sweep are composed, each by itself, to see what is wrong.
MOST_EXPLAINED = 20
LONGEST_LINE = 2_000
QUESTIONS = ("help", "hydra_help", "cfg", "info", "shell_completion")
EXCLUSIVE = ("run", "multirun", "cfg", "info", "shell_completion")
# Of `study:`, what a single trial goes by too.
OF_A_TRIAL = ("study.split_seeds", "study.seed_mode")


@contextmanager
def exit_codes() -> Iterator[None]:
    """Prints an error of this project and ends with exit code 2, or 128 + N for signal N.

    Any other exception passes through, with its traceback and exit code 1.
    """
    # Lets exceptions through; Hydra would print them its own way and exit with 1.
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except KeyboardInterrupt as error:
        sys.exit(128 + (error.number if isinstance(error, Stopped) else signal.SIGINT))
    except SweeperError as error:
        if SHOW_ALL:
            raise
        _fail([str(error)] if not isinstance(error, ConfigError) else error.problems)
        sys.exit(error.exit_code)
    except (HydraException, OmegaConfBaseException) as error:
        if SHOW_ALL:
            raise
        _fail([_first_lines(error)])
        sys.exit(2)
    except OSError as error:
        if SHOW_ALL or error.errno not in NO_ROOM_OR_RIGHT:
            raise
        _fail([f"{error.filename or 'output'}: {error.strerror}; must be a place to write to"])
        sys.exit(2)
    finally:
        # For whatever is run from this process afterwards.
        del os.environ["HYDRA_FULL_ERROR"]
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


def command_parser(module: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Of `python -m MODULE`, whose help shows both texts as they are written."""
    return argparse.ArgumentParser(
        f"python -m {module}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def start(run: Callable[[], object]) -> None:
    """Checks the command line, then runs what `hydra.main` made; ends with its exit code."""
    register_schema()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup` has SIGHUP ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    with exit_codes():
        prepare()
        run()


def _stop(number: int, _: object) -> None:
    """Ends this process as Ctrl-C does. Once: a scheduler may tell it and its group."""
    # No `SIG_IGN`, which what this process starts would inherit.
    signal.signal(number, lambda *_: None)
    raise Stopped(number)


def prepare(arguments: list[str] | None = None) -> None:
    """Composes and checks what the command line asks for, before Hydra runs it.

    Raises:
      ConfigError: with a line for each override or value that is wrong.
      OutputError: Hydra's output directory can't be made, or holds a trial.
    """
    parsed = get_args_parser().parse_args(arguments)
    given = [name for name in EXCLUSIVE if getattr(parsed, name)]
    if len(given) > 1:
        raise ConfigError(f"--{given[1]}: is given with --{given[0]}; must be alone")
    if any(getattr(parsed, question) for question in QUESTIONS) and not parsed.cfg:
        return
    own = Path(parsed.config_dir) if parsed.config_dir else None
    _check_directory(own)
    if own:
        _find_modules_beside(own)
    with _hydra(parsed.config_path or str(config_directory()), own):
        config = _compose(parsed.config_name or "config", parsed.overrides)
        if parsed.cfg:
            return  # It is shown as it is, right or wrong.
        overrides = _parse(parsed.overrides)
    hydra = config.hydra
    is_multirun = parsed.multirun or hydra.mode == RunMode.MULTIRUN
    problems = _value_problems(config)
    place = hydra.sweep.dir if is_multirun else hydra.run.dir
    if words := unfit(place):
        problems.append(f"hydra.{'sweep' if is_multirun else 'run'}.dir: got {place!r}; {words}")
    if not is_multirun:
        problems += _problems_without_multirun(overrides)
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    # A study may go on where it lies; it looks itself at what is there.
    if not is_multirun:
        _check_output(hydra.run.dir)


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
    _check_directory(config_dir)
    with _hydra(str(config_directory()), config_dir):
        config = _compose(config_name, overrides)
        swept = [each.input_line for each in _parse(overrides) if each.is_sweep_override()]
    problems = [f"{text}: has several values; must be one" for text in swept]
    problems += _value_problems(config) if check else []
    if problems:
        raise ConfigError(problems)
    OmegaConf.set_struct(config, False)
    config.pop("hydra", None)
    return to_dataclass(config)


def _check_directory(own: Path | None) -> None:
    if own and not own.is_dir():
        raise ConfigError(f"--config-dir: got {own}, which is no directory")
    if own and (hidden := _hidden_files(own)):
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


def _find_modules_beside(directory: Path) -> None:
    """Lets Python paths in YAML name modules beside the user's `conf/`, in workers, too."""
    place = str(directory.resolve().parent)
    if place not in sys.path:
        sys.path.append(place)
        known = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{known}{os.pathsep}{place}" if known else place


@contextmanager
def _hydra(directory: str, own: Path | None) -> Iterator[None]:
    """Hydra's loader, with the user's directory after ours, as `--config-dir` has it."""
    version.setbase("1.3")
    search_path = create_config_search_path(str(Path(directory).resolve()))
    if own:
        before = SearchPathQuery(provider="schema")
        search_path.prepend("command-line", f"file://{own.resolve()}", before)
    GlobalHydra.instance().clear()
    Hydra.create_main_hydra2("sweeper", search_path)
    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def _compose(name: str, overrides: list[str]) -> DictConfig:
    """The configuration, with the first value of what is swept; a study checks the others."""
    try:
        values = [_values(override) for override in _parse(overrides)]
        first = [alternatives[0] for alternatives in values if alternatives]
        return compose(name, first, return_hydra_config=True)
    except YAMLError as error:
        raise ConfigError(f"conf: a file is no YAML: {_first_lines(error)}") from error
    except COMPOSING as error:
        raise ConfigError(_explain(name, overrides) or [_first_lines(error)]) from error


def _problems_without_multirun(overrides: list[Override]) -> Iterator[str]:
    for override in overrides:
        key = override.key_or_group
        if override.is_sweep_override():
            yield f"{override.input_line}: has several values; must be one, or with --multirun"
        elif key.startswith("study.") and not key.startswith(OF_A_TRIAL):
            yield f"{key}: is given, but no study; must be with study=NAME or --multirun"
        elif key == "study" and override.value() is not None:
            yield f"{override.input_line}: is given with hydra.mode=RUN, which runs one trial"


def _value_problems(config: DictConfig) -> list[str]:
    OmegaConf.set_struct(config, False)
    config.pop("hydra", None)
    try:
        validate(to_dataclass(config))
    except ConfigError as error:
        return error.problems
    except COMPOSING as error:
        return [_first_lines(error)]
    return []


def _check_output(value: str) -> None:
    """Looks for an earlier trial; makes the directory and a file in it, and takes both away."""
    directory = Path(value)
    if (directory / TRIAL).exists():
        raise OutputError(
            f"hydra.run.dir: got {value}, which already holds a trial ({TRIAL}); must be another "
            "directory: no result is written over"
        )
    existed = directory.exists()
    try:
        make_writable("hydra.run.dir", directory)
    finally:
        if not existed:
            with suppress(OSError):
                directory.rmdir()


def _parse(overrides: list[str]) -> list[Override]:
    # `glob(*)` asks the loader which files there are.
    loader = GlobalHydra.instance().config_loader()
    return list(OverridesParser.create(loader).parse_overrides(overrides))


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
            values = _values(_parse([text])[0])
        except (HydraException, RecursionError, ValueError) as error:
            problems.append(f"{shortened(text)}: is no override: {_first_lines(error)}")
            continue
        for value in values:
            try:
                compose(name, overrides=[value])
            except MissingConfigException as error:
                problems.append(_explain_choice(_parse([value])[0], error))
            except COMPOSING as error:
                problems.append(_explain_value(_parse([value])[0], error))
            else:
                composable.append(value)
    if problems:
        with suppress(*COMPOSING):
            problems += _value_problems(compose(name, overrides=composable))
    return list(dict.fromkeys(problems))


def _explain_choice(override: Override, error: MissingConfigException) -> str:
    options, value = sorted(error.options or []), str(override.value())
    if not options:
        return f"{override.input_line}: {_first_lines(error)}"
    return (
        f"{override.key_or_group}: got {value!r}; must be one of {', '.join(options)}."
        + closest(value, options)
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
        return f"{key}: is no key of the configuration.{closest(key, known)}"
    words = _first_lines(cause).removeprefix(f"{key}: ")
    return f"{key}: got {shortened(override.get_value_element_as_str())}; {words}"


def _first_lines(error: BaseException) -> str:
    """An error's own words, without the lines that tell of OmegaConf's inside."""
    if isinstance(error, RecursionError):
        return "is nested too deeply; must have fewer levels"
    lines = [line.strip() for line in str(error).splitlines()]
    inner = ("full_key:", "object_type=", "reference_type=")
    text = " ".join(line for line in lines if line and not line.startswith(inner))
    key = getattr(error, "full_key", None)
    return text if not key or key in text else f"{key}: {text}"


def _fail(problems: list[str]) -> None:
    for problem in problems:
        lines = without_password(problem).splitlines()
        text = "\n".join(shortened(line, LONGEST_LINE) for line in lines)
        print(f"error: {text}", file=sys.stderr)
