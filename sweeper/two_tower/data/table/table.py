"""Reads a user's interactions (`data=table`), cleans, joins and encodes them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from importlib import metadata

import numpy as np
import pyarrow as pa

from sweeper.common.console import stage
from sweeper.common.errors import DataError
from sweeper.two_tower.config import TABLE_KEYS, DataConfig
from sweeper.two_tower.data.cache import CacheEntry
from sweeper.two_tower.data.columns import CategoricalColumn, Column, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble
from sweeper.two_tower.data.table import cleaning, roles
from sweeper.two_tower.data.table.cleaning import Rows
from sweeper.two_tower.data.table.feature_columns import feature_columns
from sweeper.two_tower.data.table.files import TableFiles, find_files
from sweeper.two_tower.data.table.reading import error_context, read_table
from sweeper.two_tower.data.table.roles import ids
from sweeper.two_tower.data.table.side_tables import SideTable, read_side_table
from sweeper.two_tower.data.table.times import Times, read_times

# To be raised with each change of the rows of the same files.
CACHE_VERSION = 4

# The largest 32-bit float.
MAX_WEIGHT = float(np.finfo(np.float32).max)

Say = Callable[[str], None]


def entry(config: DataConfig) -> CacheEntry:
    """Returns the cache entry of a table, by the state of its files and all keys that matter.

    Raises:
      DataError: a file doesn't exist.
    """
    settings = dataclasses.asdict(config)
    chosen = {key: settings[key] for key in TABLE_KEYS}
    for part in (chosen, chosen["items"], chosen["users"]):
        del part["path"]  # The files identify it, whatever the working directory.
    tables = all_files(config)
    has_tfds = any(table.format == "tfds" for table in tables)
    version = metadata.version("tensorflow-datasets") if has_tfds else ""
    states = [table.state() for table in tables]
    return CacheEntry.of("table", json.dumps([CACHE_VERSION, version, states, chosen]))


def load(config: DataConfig, say: Say = print) -> Interactions:
    """Reads the table, and reports each column's type and use, and the dropped rows.

    Raises:
      DataError: with the key, file, column or row that is wrong.
    """
    files = find_files("data.path", str(config.path), config.format)
    with stage(say, f"Reading {config.path}"):
        table = read_table(files, config.csv, _texts(config), say)
    with error_context(f"data.path ({config.path})"):
        return _encode(config, table, say)


def _encode(config: DataConfig, table: pa.Table, say: Say) -> Interactions:
    columns, settings = config.columns, config.filter
    roles.check_columns(table, columns)
    users = ids(roles.column_of(table, columns.user, "data.columns.user"), columns.user)
    items = ids(roles.column_of(table, columns.item, "data.columns.item"), columns.item)
    missing = {
        columns.user: np.asarray(users.is_null()),
        columns.item: np.asarray(items.is_null()),
    }
    times: Times | None = None
    ratings = weights = None
    if columns.timestamp is not None:
        column = roles.column_of(table, columns.timestamp, "data.columns.timestamp")
        times = read_times(
            column, columns.timestamp, config.timestamp_unit, config.timestamp_format
        )
        missing[columns.timestamp] = times.missing
    if columns.rating is not None:
        column = roles.column_of(table, columns.rating, "data.columns.rating")
        ratings, missing[columns.rating] = roles.numbers(column, columns.rating)
    if columns.weight is not None:
        column = roles.column_of(table, columns.weight, "data.columns.weight")
        weights, missing[columns.weight] = roles.numbers(
            column, columns.weight, least=0, most=MAX_WEIGHT
        )
    _say_roles(config, table, times, say)
    others = _other_columns(config, table)
    used = [name for name in table.column_names if name in others or name in _roles(config)]
    catalogue = _side_table(config, "items", used, say)
    used += catalogue.columns if catalogue else []
    people = _side_table(config, "users", used, say)

    user_words, item_words = users.dictionary.to_pylist(), items.dictionary.to_pylist()
    rows = Rows(_codes(users), _codes(items), np.arange(len(table)))
    cleaning.drop_missing(rows, missing, settings.missing_values)
    if times is not None:
        cleaning.drop_implausible(rows, times, str(columns.timestamp), settings.implausible_times)
    if catalogue:
        known = catalogue.known(item_words)
        policy = settings.unknown_items
        cleaning.drop_unknown(rows, rows.items, known, item_words, "item", policy)
    if people:
        known = people.known(user_words)
        policy = settings.unknown_users
        cleaning.drop_unknown(rows, rows.users, known, user_words, "user", policy)
    if ratings is not None and settings.min_rating is not None:
        rows.drop(ratings[rows.kept] < settings.min_rating, f"rated below {settings.min_rating:g}")
    seconds = None if times is None else times.seconds
    cleaning.drop_duplicates(rows, seconds, settings.duplicates)
    cleaning.drop_rare(rows, settings)
    if rows.dropped:
        reasons = _reasons(rows.dropped)
        say(f"{len(table):,} rows, of which {len(rows.kept):,} are used: {reasons}")
    if not len(rows.kept):
        raise DataError(
            f"none of {len(table):,} rows is left: {_reasons(rows.dropped)}; must be at least one"
        )

    user = _recoded(rows.users[rows.kept], user_words)
    item = _recoded(rows.items[rows.kept], item_words, catalogue.row_of if catalogue else ())
    if len(item.categories) < 2:
        raise DataError(
            f"the column {columns.item!r} has one item, {item.categories[0]!r}; a model needs at "
            "least two to tell apart"
        )
    query: dict[str, Column] = {columns.user: user}
    if columns.timestamp is not None and seconds is not None:
        query[columns.timestamp] = NumericColumn(seconds[rows.kept])
    chosen = table.select(others)
    if len(rows.kept) < len(table):
        chosen = chosen.take(rows.kept)
    query |= feature_columns(chosen, others, settings.missing_features, say, {}, rows.kept)
    if people:
        joined = people.joined(user.categories, settings.missing_features, "users")
        query |= {name: column.take(user.codes) for name, column in joined.items()}
    every = np.arange(len(item.categories), dtype=np.int32)
    candidates: dict[str, Column] = {columns.item: CategoricalColumn(every, item.categories)}
    if catalogue:
        candidates |= catalogue.joined(item.categories, settings.missing_features, "items")
    return assemble(
        query,
        item.codes,
        candidates,
        f"table {config.path}",
        user_column=columns.user,
        item_column=columns.item,
        timestamp_column=columns.timestamp,
        weights=None if weights is None else weights[rows.kept].astype(np.float32),
        dropped=rows.dropped,
    )


def _other_columns(config: DataConfig, table: pa.Table) -> list[str]:
    """Returns the columns that features may read, which have no role (a rating is known later)."""
    chosen = config.columns.others
    others = [name for name in table.column_names if name not in _roles(config)]
    if chosen is None:
        return others
    for name in chosen:
        roles.column_of(table.select(others), name, "data.columns.others")
    return [name for name in others if name in chosen]


def _roles(config: DataConfig) -> list[str]:
    """Returns the columns that have a role."""
    columns = config.columns
    named = (columns.user, columns.item, columns.timestamp, columns.rating, columns.weight)
    return [name for name in named if name is not None]


def _side_table(config: DataConfig, role: str, used: Iterable[str], say: Say) -> SideTable | None:
    settings = {"items": config.items, "users": config.users}[role]
    if settings.path is None:
        return None
    key = config.columns.item if role == "items" else config.columns.user
    # Both tables have the column of ids, unless the other table's ids are in another column.
    names = [name for name in used if name != key or settings.key not in (None, key)]
    return read_side_table(role, settings, key, names, config.filter.missing_features, say)


def _codes(words: pa.DictionaryArray) -> np.ndarray:
    """int32 [rows]; -1 where missing."""
    return words.indices.fill_null(-1).to_numpy(zero_copy_only=False)


def _recoded(codes: np.ndarray, words: list[str], also: Iterable[str] = ()) -> CategoricalColumn:
    """Returns a column of the words that occur, and of `also`, with sorted categories."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(words)))
    categories = sorted({words[code] for code in used}.union(also))
    place = {word: index for index, word in enumerate(categories)}
    new = np.zeros(len(words), np.int32)
    new[used] = [place[words[code]] for code in used]
    return CategoricalColumn(new[codes], categories)


def _say_roles(config: DataConfig, table: pa.Table, times: Times | None, say: Say) -> None:
    columns = config.columns
    for name, use in (
        (columns.user, "the users"),
        (columns.item, "the items"),
        (columns.timestamp, f"when ({times.description()})" if times else ""),
        (columns.rating, "the rating, no feature"),
        (columns.weight, "what a row counts in the loss"),
    ):
        if name is not None:
            type_ = table[name].type
            inside = type_.value_type if pa.types.is_dictionary(type_) else type_
            say(f"{name}: {inside}: {use}")
    if times is not None and (remark := times.remark()):
        say(f"{columns.timestamp}: {remark}")


def _reasons(dropped: dict[str, int]) -> str:
    return "; ".join(f"{number:,} dropped ({reason})" for reason, number in dropped.items())


def _texts(config: DataConfig) -> list[str]:
    """Returns the columns to be read as text: ids, and times with a format."""
    columns = config.columns
    times = [] if config.timestamp_format is None else [columns.timestamp]
    return [name for name in (columns.user, columns.item, *times) if name is not None]


def all_files(config: DataConfig) -> list[TableFiles]:
    found = [find_files("data.path", str(config.path), config.format)]
    for role, settings in (("items", config.items), ("users", config.users)):
        if settings.path is not None:
            found.append(find_files(f"data.{role}.path", settings.path, settings.format))
    return found
