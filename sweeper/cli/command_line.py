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

from sweeper.cli.composition import compose_first, loader
from sweeper.cli.explaining import value_problems
from sweeper.cli.overrides import as_one_value, hinted, misread, parse
from sweeper.common.errors import ConfigError, OutputError
from sweeper.common.exit_codes import exit_codes, stop_in_order
from sweeper.common.output_files import check_writable
from sweeper.study.config import register_schema
from sweeper.two_tower.config import invalid_reason
from sweeper.two_tower.record import TRIAL

QUESTIONS = ("help", "hydra_help", "cfg", "info", "shell_completion")
EXCLUSIVE = ("run", "multirun", "cfg", "info", "shell_completion")
# Of `study:`, what a single trial goes by too.
OF_A_TRIAL = ("study.split_seeds", "study.seed_mode")
# The same for all trials of a study.
OF_ALL_TRIALS = ("study.", "hydra.", "tracking.")
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
        raise ConfigError(f"--{given[1]}: can't be combined with --{given[0]}")
    if any(getattr(parsed, question) for question in QUESTIONS) and not parsed.cfg:
        return
    own = Path(parsed.config_dir) if parsed.config_dir else None
    name = parsed.config_name or "config"
    with loader(parsed.config_path, own):
        config = compose_first(name, parsed.overrides, parsed.multirun)
        if parsed.cfg:
            return  # It is shown as it is, right or wrong.
        hydra = config.hydra
        is_multirun = parsed.multirun or hydra.mode == RunMode.MULTIRUN
        overrides = parse(parsed.overrides)
        problems = [*misread(overrides), *value_problems(config)]
        place = hydra.sweep.dir if is_multirun else hydra.run.dir
        if words := invalid_reason(place):
            key = f"hydra.{'sweep' if is_multirun else 'run'}.dir"
            problems.append(f"{key}: got {place!r}; {words}")
        if is_multirun:
            problems = [*hinted(problems, overrides), *_swept_texts(overrides)]
        else:
            problems = _problems_without_multirun(problems, overrides)
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    # A study may go on where it lies; it looks itself at what is there.
    if not is_multirun:
        _check_output(hydra.run.dir)


def _swept_texts(overrides: list[Override]) -> Iterator[str]:
    """Texts with commas that stand for one value: such keys no study can search."""
    for override in overrides:
        is_one = override.key_or_group.startswith(OF_ALL_TRIALS)
        if is_one and (hint := as_one_value(override)):
            text = override.input_line
            yield f"{text}: has several values; must be one for all trials of a study{hint}"


def _problems_without_multirun(problems: list[str], overrides: list[Override]) -> list[str]:
    """Those of the values, and of what a single trial can't go by."""
    swept = [each.key_or_group for each in overrides if each.is_sweep_override()]
    # What is wrong with the first value of several is no matter where there must be one.
    problems = [each for each in problems if not any(key in each for key in swept)]
    return [*hinted(problems, overrides), *_misplaced(overrides)]


def _misplaced(overrides: list[Override]) -> Iterator[str]:
    for override in overrides:
        key = override.key_or_group
        if override.is_sweep_override():
            yield (
                f"{override.input_line}: has several values; must be one, or with --multirun"
                f"{as_one_value(override)}"
            )
        elif key.startswith(OF_A_STUDY) and not key.startswith(OF_A_TRIAL):
            yield f"{key}: is given without a study; give study=NAME or --multirun"
        elif key == "study" and override.value() is not None:
            yield f"{override.input_line}: is given with hydra.mode=RUN, which runs a single trial"


def _check_output(value: str) -> None:
    """Looks for an earlier trial, and whether one can be written."""
    directory = Path(value)
    if (directory / TRIAL).exists():
        raise OutputError(
            f"hydra.run.dir: got {value}, which already holds a trial ({TRIAL}); use another "
            "directory, as results are never overwritten"
        )
    check_writable("hydra.run.dir", directory)
