"""`python -m sweeper.inspect`: profiles a data set before anything is trained on it."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console

from sweeper.cli.composition import composed
from sweeper.common.console import make_console, print_status
from sweeper.common.errors import OutputError
from sweeper.common.exit_codes import command_parser, exit_codes
from sweeper.common.output_files import atomic_write
from sweeper.inspect.columns import columns_of
from sweeper.inspect.held_out import profile_splits
from sweeper.inspect.picture import draw
from sweeper.inspect.profile import profile_data
from sweeper.inspect.suggestion import FILE, Suggestion, suggest
from sweeper.inspect.tables import print_profile, print_suggestion
from sweeper.two_tower.config import DEFAULT_METRIC, Config, DataConfig
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import SHUFFLE_BUFFER, Split, split_interactions
from sweeper.two_tower.validation import validate_data

# Counting and splitting more rows takes more than a moment.
MANY_ROWS = 5_000_000
PLACE = Path("outputs") / "inspect"
DESCRIPTION = """\
Shows what is in a data set before anything is trained on it: rows read and dropped, users,
items, density, time, popularity, how many rows of the split have users and items without a
training row, every column, what a model can know of the test rows under each split, and
features to begin with, as YAML to paste. It also draws a picture.
"""
EXAMPLES = """\
examples:
  the default data:
    python -m sweeper.inspect

  your own interactions; the keys are those of conf/data/table.yaml:
    python -m sweeper.inspect data=table data.path=ratings.csv

  how many rows are cold if the latest rows are held out:
    python -m sweeper.inspect data=synthetic data.split=temporal

  a configuration of your own, or a study's best:
    python -m sweeper.inspect --config-dir outputs/architecture --config-name best

  for another program:
    python -m sweeper.inspect data=synthetic --json

The picture is written to outputs/inspect/DATA.png (for a table to NAME-OF-ITS-FILE.png) and
replaces an earlier one. With a wrong key, value or file, the exit code is 2, and a line for each
says what would be right.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    with exit_codes():
        parsed = _parser().parse_intermixed_args(arguments)
        if parsed.output is not None and parsed.output.suffix != ".png":
            raise OutputError(f"--output: got {parsed.output}; must end in .png")
        config = composed(
            parsed.overrides, parsed.config_dir, parsed.config_name, check=validate_data
        )
        inspect(config, parsed)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("sweeper.inspect", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="as `python -m sweeper` takes them: data=NAME, data.split=temporal, …",
    )
    parser.add_argument(
        "--config-dir",
        type=Path,
        metavar="DIRECTORY",
        help="your own YAML files, besides the shipped ones",
    )
    parser.add_argument(
        "--config-name", default="config", metavar="NAME", help="the file to begin with: NAME.yaml"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE.png",
        help=f"where to write the picture (default: {PLACE}/DATA.png)",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON, for programs")
    return parser


def inspect(config: Config, parsed: argparse.Namespace) -> None:
    """Loads, splits and profiles the data, then prints and draws the profile.

    Raises:
      ConfigError, DataError: as for a trial on this data.
      OutputError: the picture can't be written.
    """
    # Progress goes to standard error, so that standard output only has the JSON.
    progress = Console(stderr=True, highlight=False, emoji=False)
    interactions = load_interactions(config.data, lambda text: print_status(progress, "data", text))
    split = _split(config.data, interactions, progress)
    rows = len(interactions)
    with _status(progress, "Counting", rows):
        splits = profile_splits(config.data, interactions, split)
        profile = profile_data(interactions, split, columns_of(config.data, interactions), splits)
        suggestion = suggest(profile, config.data.split)
    path = parsed.output or PLACE / f"{_picture_name(config.data)}.png"
    with _status(progress, "Drawing", rows):
        _write(path, draw(interactions, profile))
    if parsed.json:
        content = {**asdict(profile), "suggestion": asdict(suggestion), "picture": str(path)}
        print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
        return
    console = make_console()
    print_profile(console, profile, np.bincount(interactions.items, minlength=profile.items))
    print_suggestion(console, suggestion, _command(parsed, suggestion))
    console.print()
    print_status(console, "picture", str(path))


def _command(parsed: argparse.Namespace, suggestion: Suggestion) -> str:
    """Returns the command that trains with the suggestions, once the features are saved."""
    command = ["python", "-m", "sweeper", "--config-dir", str(parsed.config_dir or "DIRECTORY")]
    if parsed.config_name != "config":
        command += ["--config-name", parsed.config_name]
    suggested = {"features": FILE, "task": suggestion.task}
    if suggestion.metric != DEFAULT_METRIC:
        suggested["evaluation.metric"] = suggestion.metric
    command += [each for each in parsed.overrides if each.partition("=")[0] not in suggested]
    return shlex.join([*command, *(f"{key}={value}" for key, value in suggested.items())])


def _picture_name(config: DataConfig) -> str:
    """Returns the name of the data set, or of a table's file, so that each has its own picture."""
    if config.path is None:
        return config.name
    return re.sub(r"[^\w-]+", "_", Path(config.path).stem) or config.name


def _split(config: DataConfig, interactions: Interactions, progress: Console) -> Split:
    if config.split == "random" and len(interactions) <= SHUFFLE_BUFFER:
        print_status(
            progress, "split", "random: TensorFlow shuffles the rows; it takes seconds to start"
        )
    with _status(progress, "Splitting", len(interactions)):
        return split_interactions(config, interactions)


@contextmanager
def _status(progress: Console, text: str, rows: int) -> Iterator[None]:
    """Shows what is going on: a spinner on a terminal; elsewhere a line, if there are many rows."""
    if progress.is_terminal:
        with progress.status(f"{text} …"):
            yield
        return
    if rows >= MANY_ROWS:
        progress.print(f"{text} {rows:,} rows …")
    yield


def _write(path: Path, picture: bytes) -> None:
    try:
        atomic_write(path, picture)
    except OutputError as error:
        reason = getattr(error.__cause__, "strerror", None) or error
        raise OutputError(
            f"{path}: can't be written ({reason}); give another file by --output FILE.png"
        ) from error


if __name__ == "__main__":
    main()
