"""`python -m sweeper.init`: writes a new project for the user's table."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.cli.composition import composed
from sweeper.common.console import make_console, print_status
from sweeper.common.errors import ConfigError
from sweeper.common.exit_codes import command_parser, exit_codes
from sweeper.common.quoting import rejoined
from sweeper.init.completion import Say, complete, load_or_report
from sweeper.init.inference import ROLES
from sweeper.init.project import (
    FILES,
    VARIANTS,
    existing_files,
    project_files,
    write_files,
)
from sweeper.inspect.columns import columns_of
from sweeper.inspect.profile import profile_data
from sweeper.inspect.suggestion import LEFT_OUT, features_yaml, knows_users_by_id, suggest
from sweeper.two_tower.config import ColumnsConfig, DataConfig, config_directory
from sweeper.two_tower.data.columns import CategoricalColumn
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.validation import data_problems, range_problems

DESCRIPTION = """\
Writes a new project: conf/ with your table, first features, an experiment and a small study;
plugins.py with an example of each part that you can write yourself, and a test of them; and
README.md with the commands. Existing files are never overwritten.
"""
EXAMPLES = """\
examples:
  python -m sweeper.init my_project data.path=ratings.csv
  python -m sweeper.init my_project data.path=ratings.csv data.items.path=films.csv
  python -m sweeper.init my_project data.path=plays.parquet data.columns.user=listener
  python -m sweeper.init my_project                        without a table yet

The keys are those of `data` in docs/configuration.md. Keys that you don't give are inferred from
the names and values of the table's columns, and reported.
"""
# The path until the user names a table.
PLACEHOLDER = "ratings.csv"
# Matches problems of keys that are needed to read a table.
READ_BY = re.compile(r"^data\.((items|users)\.)?(path|format|csv\.\w+): ")
# Texts that YAML reads as something else.
YAML_VALUES = ("null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_parser("sweeper.init", DESCRIPTION, EXAMPLES)
    parser.add_argument("directory", type=Path, help="the folder of the project, which may exist")
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],  # Otherwise argparse lists it as required.
        metavar="data.KEY=VALUE",
        help="your table and its columns",
    )
    with exit_codes():
        parsed = parser.parse_intermixed_args(arguments)
        start_project(parsed.directory, parsed.overrides)


def start_project(directory: Path, overrides: Sequence[str]) -> None:
    """Reads the table, and writes the project.

    Raises:
      ConfigError: with a line for each problem of the folder, the keys and the tables.
      OutputError: a file can't be written.
    """
    console = make_console()
    overrides, problems = rejoined(overrides)
    given, wrong_keys = _keys(overrides)
    name, wrong_name = _name(directory)
    problems += [*wrong_keys, *wrong_name, *existing_files(directory, name)]
    values: dict[str, Any] = {
        "name": name, "folder": shlex.quote(str(directory)), "variant": None, "history": [],
    }  # fmt: skip
    if "data.path" in given:
        values |= _of_table(partial(print_status, console), overrides, given, problems)
    elif overrides or problems:
        missing = ["data.path: is missing; must be given with the other keys of data"]
        raise ConfigError(problems or missing)
    else:
        data = DataConfig(path=PLACEHOLDER, columns=ColumnsConfig("user_id", "item_id", None))
        values |= {"data": data, "comments": {}, "is_placeholder": True}
        values |= {"features": None, "task": "corrected_softmax", "metric": None, "user": "ID"}
    files = project_files(directory, values)
    write_files(files)
    print_status(console, "begin", f"{directory / 'README.md'} has the commands")
    written = ", ".join(str(path.relative_to(directory)) for path in files)
    print_status(console, "output", f"{directory} ({written})")


def _of_table(
    say: Say, overrides: Sequence[str], given: set[str], problems: list[str]
) -> dict[str, Any]:
    """Returns the values of the templates for a table.

    Raises:
      ConfigError: with `problems`, and those of the keys and the table.
    """
    keys = [text for text in overrides if _is_key(text)]
    try:
        config = composed(["data=table", *keys], check=None)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error
    data = config.data
    wrong = list(range_problems(data, "data."))
    comments: dict[str, str] = {}
    if not any(READ_BY.search(problem) for problem in wrong):
        comments, found = complete(data, given, say)
        wrong += found
    wrong += data_problems(config)
    if problems or wrong:
        raise ConfigError(dict.fromkeys([*problems, *wrong]))
    roles = [f"{role} {getattr(data.columns, role) or 'none'}" for role in ROLES]
    say("columns", ", ".join(roles))
    interactions = load_or_report(data, given, say)
    split = split_interactions(data, interactions)
    profile = profile_data(interactions, split, columns_of(data, interactions))
    suggestion = suggest(profile, data.split)
    say("metric", f"{suggestion.metric} ({suggestion.why_metric})")
    features = _without_head(suggestion.features)
    for line in features.splitlines():
        if line.startswith(LEFT_OUT):
            say("features", f"left out:{line.removeprefix(LEFT_OUT)}")
    values = {
        "data": data,
        "comments": comments,
        "is_placeholder": False,
        "features": features,
        "task": suggestion.task,
        "metric": suggestion.metric,
        "why_metric": suggestion.why_metric,
        "k": min(10, interactions.num_items),
        **_example(interactions),
    }
    if interactions.timestamps is None:
        return values
    user_id = knows_users_by_id(profile, data.split)
    other = features_yaml(profile, data.split, user_id=not user_id)
    return values | {
        "variant": VARIANTS[user_id],
        "variant_words": f"{'without' if user_id else 'with'} the user's id",
        "variant_features": _without_head(other),
    }


def _without_head(features: str) -> str:
    """Removes the line that says where to save the features, which is done here."""
    return features.partition("\n")[2]


def _example(interactions: Interactions) -> dict[str, Any]:
    """Returns the user with the most rows and, if there are times, the user's latest items."""
    users, times = interactions.query_columns[interactions.user_column], interactions.timestamps
    items = interactions.candidate_columns[interactions.item_column]
    assert isinstance(users, CategoricalColumn)
    assert isinstance(items, CategoricalColumn)
    most_active = int(np.bincount(users.codes).argmax())
    example: dict[str, Any] = {"user": users.categories[most_active], "history": []}
    if times is not None:
        rows = np.flatnonzero(users.codes == most_active)
        latest = interactions.items[rows[np.argsort(times[rows], kind="stable")][-3:]]
        example["history"] = [items.categories[code] for code in items.codes[latest]]
    return example


def _name(directory: Path) -> tuple[str, list[str]]:
    """Returns a name for Hydra and YAML, made from the folder's, and what is wrong with it.

    It has Latin letters, digits and "_", and begins with a letter. The name of a shipped file is
    wrong, because Hydra would use that instead of the project's.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", directory.resolve().name).strip("_")
    if not name[:1].isalpha() or name.lower() in YAML_VALUES:
        name = f"my_{name}" if name else "mine"
    places = [Path(place) for place in FILES.values() if place.startswith("conf/")]
    beside = config_directory().parent
    shipped = [place.parent.name for place in places if (beside / place.with_stem(name)).exists()]
    if not shipped:
        return name, []
    return name, [
        f"directory: got {str(directory)!r}, but {shipped[0]}={name} is shipped, and Hydra would "
        "use it instead of the project's; give the folder another name"
    ]


def _keys(overrides: Sequence[str]) -> tuple[set[str], list[str]]:
    """Returns the keys that the user gives, and a line for each that isn't one of `data`."""
    given = {text.lstrip("+").partition("=")[0] for text in overrides}
    return given, [
        f"{text}: must have the form data.KEY=VALUE" for text in overrides if not _is_key(text)
    ]


def _is_key(text: str) -> bool:
    return "=" in text and text.lstrip("+").startswith("data.")


if __name__ == "__main__":
    main()
