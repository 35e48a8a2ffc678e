"""`python -m sweeper.init`: writes a project's `conf/`, with the user's table wired in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweeper.composing import composed
from sweeper.config import ColumnsConfig, DataConfig, config_directory
from sweeper.console import make_console, say
from sweeper.data.interactions import Interactions, load_interactions
from sweeper.data.split import split_interactions
from sweeper.data.table.files import find_files
from sweeper.data.table.reading import first_rows
from sweeper.errors import ConfigError
from sweeper.exit_codes import command_parser, exit_codes
from sweeper.init.guesses import NAMES, guess_key, guess_lists, guess_roles
from sweeper.init.project import FILES, project_files, write_files
from sweeper.inspect.columns import columns_of
from sweeper.inspect.facts import facts_of
from sweeper.inspect.suggestion import in_comment, suggest
from sweeper.quoting import rejoined
from sweeper.validation import range_problems, validate

DESCRIPTION = """\
Writes a folder to begin a project of your own in: conf/ with your table, features to begin
with, an experiment and a small study; plugins.py, with an example of each part that you can
write yourself, and a test of them; README.md, with the commands. No file is written over.
"""
EXAMPLES = """\
examples:
  python -m sweeper.init my_project data.path=ratings.csv
  python -m sweeper.init my_project data.path=ratings.csv data.items.path=films.csv
  python -m sweeper.init my_project data.path=plays.parquet data.columns.user=listener
  python -m sweeper.init my_project                        a table to be named later

Keys are those of `data` in docs/configuration.md. What isn't given is told by the names of the
table's columns, and said.
"""
# Before a table is named.
PLACEHOLDER = "ratings.csv"
# What YAML reads as something else than a text.
YAML_VALUES = ("null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_parser("sweeper.init", DESCRIPTION, EXAMPLES)
    parser.add_argument("directory", type=Path, help="the project's folder; may be there already")
    parser.add_argument(
        "overrides", nargs="*", metavar="data.KEY=VALUE", help="your table, and what it holds"
    )
    with exit_codes():
        parsed = parser.parse_intermixed_args(arguments)
        start_project(parsed.directory, parsed.overrides)


def start_project(directory: Path, overrides: Sequence[str]) -> None:
    """Looks into the table, and writes the project.

    Raises:
      ConfigError, DataError: what is wrong with the keys or the table.
      OutputError: a file is there already, or can't be written.
    """
    console = make_console()
    name = _name(directory)
    given = _keys(overrides)
    values: dict[str, Any] = {"name": name, "folder": shlex.quote(str(directory))}
    if "data.path" in given:
        config = composed(["data=table", *overrides], check=False)
        if problems := list(range_problems(config.data, "data.")):
            raise ConfigError(problems)
        comments = _complete(config.data, given)
        validate(config)
        roles = {role: getattr(config.data.columns, role) for role in NAMES}
        words = [f"{role} {column or 'none'}" for role, column in roles.items()]
        say(console, "columns", ", ".join(words))
        interactions = load_interactions(config.data, lambda text: say(console, "data", text))
        values |= {"data": config.data, "comments": comments, "is_placeholder": False}
        values |= _suggested(config.data, interactions)
    elif overrides:
        raise ConfigError("data.path: is missing; must be given with the other keys of data")
    else:
        data = DataConfig(path=PLACEHOLDER, columns=ColumnsConfig("user_id", "item_id", None))
        values |= {"data": data, "comments": {}, "is_placeholder": True}
        values |= {"features": None, "task": "corrected_softmax"}
    files = project_files(directory, values)
    write_files(files)
    say(console, "begin", f"{directory / 'README.md'} has the commands")
    written = ", ".join(str(path.relative_to(directory)) for path in files)
    say(console, "output", f"{directory} ({written})")


def _name(directory: Path) -> str:
    """The folder's name as Hydra and YAML take one: Latin letters, digits and "_", a letter first.

    Raises:
      ConfigError: a shipped file has it, which would be taken in place of the project's.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", directory.resolve().name).strip("_")
    if not name[:1].isalpha() or name.lower() in YAML_VALUES:
        name = f"my_{name}" if name else "mine"
    places = [Path(place) for place in FILES.values() if place.startswith("conf/")]
    beside = config_directory().parent
    shipped = [place.parent.name for place in places if (beside / place.with_stem(name)).exists()]
    if shipped:
        raise ConfigError(
            f"directory: got {str(directory)!r}, and there is a shipped {shipped[0]}={name}, which "
            "would be taken in place of the project's; must have another name"
        )
    return name


def _keys(overrides: Sequence[str]) -> set[str]:
    """The keys that the user gives.

    Raises:
      ConfigError: something else than keys of `data`.
    """
    overrides, problems = rejoined(overrides)
    keys = [text.lstrip("+").partition("=")[0] for text in overrides]
    problems += [
        f"{text}: must have the form data.KEY=VALUE"
        for text, key in zip(overrides, keys, strict=True)
        if "=" not in text or not key.startswith("data.")
    ]
    if problems:
        raise ConfigError(problems)
    return set(keys)


def _complete(data: DataConfig, given: set[str]) -> dict[str, str]:
    """Sets what isn't given, by the names of the columns; returns each table's columns in words."""
    table = first_rows(find_files("data.path", str(data.path), data.format), data.csv)
    roles = guess_roles(
        table.column_names,
        {role: getattr(data.columns, role) for role in NAMES if f"data.columns.{role}" in given},
    )
    for role, column in roles.items():
        setattr(data.columns, role, column)
    if data.columns.timestamp is not None and "data.split" not in given:
        data.split = "temporal"
    comments = {"data": _types(table)}
    for role, side in (("item", data.items), ("user", data.users)):
        if side.path is None:
            continue
        key = f"data.{role}s"
        table = first_rows(find_files(f"{key}.path", side.path, side.format), side.csv)
        comments[f"{role}s"] = _types(table)
        if side.key is None:
            own = getattr(data.columns, role)
            side.key = guess_key(table.column_names, own, role, side.path)
        if not any(each.startswith(f"{key}.lists") for each in given):
            side.lists = guess_lists(table)
    return comments


def _types(table: pa.Table) -> str:
    """ "user (text), stars (number)"."""

    def word(type_: pa.DataType) -> str:
        if pa.types.is_integer(type_) or pa.types.is_floating(type_):
            return "number"
        inside = type_.value_type if pa.types.is_dictionary(type_) else type_
        return "text" if pa.types.is_string(inside) else str(inside)

    return ", ".join(f"{in_comment(field.name)} ({word(field.type)})" for field in table.schema)


def _suggested(data: DataConfig, interactions: Interactions) -> dict[str, Any]:
    split = split_interactions(data, interactions)
    suggestion = suggest(facts_of(interactions, split, columns_of(data, interactions)), data.split)
    # Its first line says where to save it, which is done here.
    features = suggestion.features.partition("\n")[2]
    return {"features": features, "task": suggestion.task}


if __name__ == "__main__":
    main()
