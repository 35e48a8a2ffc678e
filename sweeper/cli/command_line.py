"""Checks the command line of `python -m sweeper` before Hydra runs it.

Hydra ends a wrong command line with exit code 1, after it has made the output directory. Here every
error is reported at once, nothing is written, and the exit code is 2.
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
from sweeper.two_tower.config import invalid_reason
from sweeper.two_tower.config.experiment import register_schema
from sweeper.two_tower.record import TRIAL

QUESTIONS = ("help", "hydra_help", "cfg", "info", "shell_completion")
EXCLUSIVE = ("run", "multirun", "cfg", "info", "shell_completion")
# Keys of `study` that also apply to a single trial.
TRIAL_KEYS = ("study.split_seeds", "study.seed_mode")
# Keys that have the same value for all trials of a study.
FIXED_KEYS = ("study.", "hydra.", "tracking.")
# Keys and groups that only apply to a study; `study` itself starts one.
STUDY_KEYS = ("study.", "storage")


def start(run: Callable[[], object]) -> None:
    """Checks the command line, then runs what `hydra.main` made, and exits with its code."""
    register_schema()
    stop_in_order()
    with exit_codes():
        prepare()
        run()


def prepare(arguments: list[str] | None = None) -> None:
    """Composes and checks the configuration before Hydra runs it.

    Raises:
      ConfigError: with a line for each override or value that is wrong.
      OutputError: Hydra's output directory can't be made, or contains a trial.
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
            return  # The configuration is shown, right or wrong.
        hydra = config.hydra
        is_multirun = parsed.multirun or hydra.mode == RunMode.MULTIRUN
        overrides = parse(parsed.overrides)
        problems = [*misread(overrides), *value_problems(config)]
        place = hydra.sweep.dir if is_multirun else hydra.run.dir
        if reason := invalid_reason(place):
            key = f"hydra.{'sweep' if is_multirun else 'run'}.dir"
            problems.append(f"{key}: got {place!r}; {reason}")
        if is_multirun:
            problems = [*hinted(problems, overrides), *_swept_texts(overrides)]
        else:
            problems = _problems_without_multirun(problems, overrides)
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    # A study may be resumed in its directory, and checks that itself.
    if not is_multirun:
        _check_output(hydra.run.dir)


def _swept_texts(overrides: list[Override]) -> Iterator[str]:
    """Finds texts with commas for keys that a study can't search."""
    for override in overrides:
        is_one = override.key_or_group.startswith(FIXED_KEYS)
        if is_one and (hint := as_one_value(override)):
            text = override.input_line
            yield f"{text}: has several values; must be one for all trials of a study{hint}"


def _problems_without_multirun(problems: list[str], overrides: list[Override]) -> list[str]:
    """Adds the problems of keys and sweeps that don't apply to a single trial."""
    swept = [each.key_or_group for each in overrides if each.is_sweep_override()]
    # A sweep is wrong as a whole, so what is wrong with its first value doesn't matter.
    problems = [each for each in problems if not any(key in each for key in swept)]
    return [*hinted(problems, overrides), *_keys_of_a_study(overrides)]


def _keys_of_a_study(overrides: list[Override]) -> Iterator[str]:
    for override in overrides:
        key = override.key_or_group
        if override.is_sweep_override():
            yield (
                f"{override.input_line}: has several values; must be one, or with --multirun"
                f"{as_one_value(override)}"
            )
        elif key.startswith(STUDY_KEYS) and not key.startswith(TRIAL_KEYS):
            yield f"{key}: is given without a study; give study=NAME or --multirun"
        elif key == "study" and override.value() is not None:
            yield f"{override.input_line}: is given with hydra.mode=RUN, which runs a single trial"


def _check_output(value: str) -> None:
    """Checks that a trial can be written, and that there is no earlier one."""
    directory = Path(value)
    if (directory / TRIAL).exists():
        raise OutputError(
            f"hydra.run.dir: got {value}, which already holds a trial ({TRIAL}); use another "
            "directory, as results are never overwritten"
        )
    check_writable("hydra.run.dir", directory)
