"""The command line of `python -m sweeper`, checked before Hydra runs what it asks for.

Hydra ends a wrong one with exit code 1, and after it has made the output directory. Here
every error is told at once, nothing is written, and the exit code is 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode

from sweeper.composing import compose_first, loader, parse, value_problems
from sweeper.config import unfit
from sweeper.errors import ConfigError, OutputError
from sweeper.exit_codes import exit_codes, stop_in_order
from sweeper.files import check_writable
from sweeper.record import TRIAL
from sweeper.study.config import register_schema

QUESTIONS = ("help", "hydra_help", "cfg", "info", "shell_completion")
EXCLUSIVE = ("run", "multirun", "cfg", "info", "shell_completion")
# Of `study:`, what a single trial goes by too.
OF_A_TRIAL = ("study.split_seeds", "study.seed_mode")
# Keys and groups that no single trial goes by; `study` itself begins one.
OF_A_STUDY = ("study.", "storage")


def start(run: Callable[[], object]) -> None:
    """Checks the command line, then runs what `hydra.main` made; ends with its exit code."""
    register_schema()
    stop_in_order()
    with exit_codes():
        prepare()
        run()


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
    with loader(parsed.config_path, own):
        config = compose_first(parsed.config_name or "config", parsed.overrides, parsed.multirun)
        if parsed.cfg:
            return  # It is shown as it is, right or wrong.
        overrides = parse(parsed.overrides)
    hydra = config.hydra
    is_multirun = parsed.multirun or hydra.mode == RunMode.MULTIRUN
    problems = value_problems(config)
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


def _problems_without_multirun(overrides: list[Override]) -> Iterator[str]:
    for override in overrides:
        key = override.key_or_group
        if override.is_sweep_override():
            yield f"{override.input_line}: has several values; must be one, or with --multirun"
        elif key.startswith(OF_A_STUDY) and not key.startswith(OF_A_TRIAL):
            yield f"{key}: is given, but no study; must be with study=NAME or --multirun"
        elif key == "study" and override.value() is not None:
            yield f"{override.input_line}: is given with hydra.mode=RUN, which runs one trial"


def _check_output(value: str) -> None:
    """Looks for an earlier trial, and whether one can be written."""
    directory = Path(value)
    if (directory / TRIAL).exists():
        raise OutputError(
            f"hydra.run.dir: got {value}, which already holds a trial ({TRIAL}); must be another "
            "directory: no result is written over"
        )
    check_writable("hydra.run.dir", directory)
