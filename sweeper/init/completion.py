"""Completes the user's keys of `data` from the tables, and reports everything that is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pyarrow as pa

from sweeper.common.errors import ConfigError, DataError
from sweeper.init.inference import ROLES, infer_key, infer_lists, infer_roles
from sweeper.inspect.suggestion import in_comment
from sweeper.two_tower.config import DataConfig, SideTableConfig
from sweeper.two_tower.data.column_names import is_row_number_name
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.table import table as table_source
from sweeper.two_tower.data.table.files import find_files
from sweeper.two_tower.data.table.reading import first_rows

Say = Callable[[str, str], None]
SIDES = {"item": "items", "user": "users"}
# With these values reading goes on after an error, to find further ones.
LENIENT = {
    "missing_values": "drop", "unknown_items": "drop", "unknown_users": "drop",
    "missing_features": "fill", "duplicates": "keep",
}  # fmt: skip
# Errors that dropping those rows can cause.
ERRORS_OF_DROPPING = ("rows is left", "has one item")
CAN_BE_NULL = ("timestamp", "rating", "weight")


def complete(data: DataConfig, given: set[str], say: Say) -> tuple[dict[str, str], list[str]]:
    """Sets keys that the user doesn't give, by the first rows of each table.

    Args:
      data: the configuration, which is changed.
      given: the keys that the user gives, such as `data.path`.
      say: receives a topic and a text about what is found.

    Returns:
      a description of each table's columns, by "data", "items" and "users"; and a line for each
      problem.
    """
    problems: list[str] = []
    tables = {"data": _first_rows("data", data, problems)}
    for part in SIDES.values():
        if getattr(data, part).path is not None:
            tables[part] = _first_rows(f"data.{part}", getattr(data, part), problems)
    table = tables["data"]
    if table is not None:
        _set_roles(data, table, tables, given, problems)
    if data.columns.timestamp is not None and "data.split" not in given:
        data.split = "temporal"
    for role, part in SIDES.items():
        own, side = tables.get(part), getattr(data, part)
        if own is None:
            continue
        if not any(each.startswith(f"data.{part}.lists") for each in given):
            side.lists = infer_lists(own)
        column = getattr(data.columns, role)
        if side.key is None and table is not None and column is not None:
            try:
                side.key = infer_key(own, role, side.path, column, table)
            except ConfigError as error:
                problems += error.problems
    if table is not None and "data.columns.others" not in given:
        _leave_out_shared(data, table, tables, say)
    comments = {part: _types(each) for part, each in tables.items() if each is not None}
    return comments, problems


def _first_rows(
    key: str, settings: DataConfig | SideTableConfig, problems: list[str]
) -> pa.Table | None:
    """Reads some rows of a table; returns None if it can't be read."""
    try:
        files = find_files(f"{key}.path", str(settings.path), settings.format)
        return first_rows(files, settings.csv)
    except DataError as error:
        problems.append(str(error))
        return None


def _set_roles(
    data: DataConfig,
    table: pa.Table,
    tables: dict[str, pa.Table | None],
    given: set[str],
    problems: list[str],
) -> None:
    named = {r: getattr(data.columns, r) for r in ROLES if f"data.columns.{r}" in given}
    others = {role: each for role, part in SIDES.items() if (each := tables.get(part)) is not None}
    roles, wrong = infer_roles(table, named, others)
    problems += wrong
    for role, column in roles.items():
        setattr(data.columns, role, column)


def _leave_out_shared(
    data: DataConfig, table: pa.Table, tables: dict[str, pa.Table | None], say: Say
) -> None:
    """Leaves out columns that a table of items or users also has."""
    used = [getattr(data.columns, role) for role in ROLES]
    shared = {}
    for part in SIDES.values():
        own = tables.get(part)
        for name in own.column_names if own is not None else ():
            of_rows = name in table.column_names and name not in used
            if of_rows and name != getattr(data, part).key and not is_row_number_name(name):
                shared[name] = f"data.{part}.path"
    if shared:
        left = [name for name in table.column_names if name not in (*used, *shared)]
        data.columns.others = left
    for name, path in shared.items():
        say("columns", f"{name} is taken from {path}, which also has it")


def _types(table: pa.Table) -> str:
    """Describes the columns: "user (text), stars (number)"."""

    def word(type_: pa.DataType) -> str:
        if pa.types.is_integer(type_) or pa.types.is_floating(type_):
            return "number"
        if pa.types.is_temporal(type_):
            return "time"
        inside = type_.value_type if pa.types.is_dictionary(type_) else type_
        return "text" if pa.types.is_string(inside) else str(inside)

    return ", ".join(f"{in_comment(field.name)} ({word(field.type)})" for field in table.schema)


def load_or_report(data: DataConfig, given: set[str], say: Say) -> Interactions:
    """Reads the whole tables.

    Raises:
      ConfigError: with a line for each problem of their values.
    """
    try:
        return load_interactions(data, lambda text: say("data", text))
    except DataError as error:
        problems = [_with_way_out(data, given, str(error))]
    lenient = copy.deepcopy(data)
    while _pass_over(lenient, problems[-1]):
        try:
            # Without the cache, as nothing is trained on this data.
            table_source.load(lenient, lambda text: None)
            break
        except DataError as error:
            if any(words in str(error) for words in ERRORS_OF_DROPPING):
                break
            problems.append(_with_way_out(lenient, given, str(error)))
    raise ConfigError(problems)


def _pass_over(data: DataConfig, problem: str) -> bool:
    """Changes the configuration so that the problem doesn't arise; returns False if it can't."""
    for key, value in LENIENT.items():
        if f"data.filter.{key}" in problem and getattr(data.filter, key) != value:
            setattr(data.filter, key, value)
            return True
    for role in CAN_BE_NULL:
        column = getattr(data.columns, role)
        if column is not None and f"the column {column!r}" in problem:
            setattr(data.columns, role, None)
            if role == "timestamp":
                data.split = "random"
            if role == "rating":
                data.filter.min_rating = None
            return True
    return False


def _with_way_out(data: DataConfig, given: set[str], problem: str) -> str:
    """Adds to a problem of an inferred column how to do without it."""
    for role in CAN_BE_NULL:
        column = getattr(data.columns, role)
        if f"data.columns.{role}" in given or column is None:
            continue
        if f"the column {column!r}" in problem and "data.filter." not in problem:
            return f"{problem}. It was taken for the {role}; data.columns.{role}=null leaves it out"
    return problem
