"""The rules that values of `data` must obey together, and the form of a rule."""

from __future__ import annotations

import dataclasses
import os.path
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeAlias

from sweeper.common.errors import closest
from sweeper.common.ranges import AUTO
from sweeper.two_tower.config.data import (
    EXAMPLE_TIME,
    NAMED_SOURCES,
    TABLE_KEYS,
    TFDS_PREFIX,
    DataConfig,
    SideTableConfig,
    SyntheticConfig,
    split_has_seed,
)
from sweeper.two_tower.config.trial import Config

# From a configuration to a line for each thing that is wrong with it.
Rule: TypeAlias = Callable[[Config], Iterable[str]]
SIZES = ("train_size", "validation_size", "test_size")


@dataclass(frozen=True)
class Conflict:
    """A rule on one key, whose value doesn't go together with other values.

    Attributes:
      key: the dotted key.
      applies: whether the configuration breaks the rule.
      message: ends the line "KEY: got VALUE …"; `{…}` stands for other values of the configuration.
    """

    key: str
    applies: Callable[[Config], Any]
    message: str

    def __call__(self, config: Config) -> Iterator[str]:
        if self.applies(config):
            value = attrgetter(self.key)(config)
            shown = f"{value:g}" if isinstance(value, float) else repr(value)
            yield f"{self.key}: got {shown} {self.message.format(**vars(config))}"


def _keys_of_other_data(config: Config) -> Iterator[str]:
    """Keys that only apply to `data=table` or to `data=synthetic`."""
    data, default = config.data, DataConfig()
    for owner, keys in (("table", TABLE_KEYS), ("synthetic", ("synthetic",))):
        for key in keys if data.name != owner else ():
            if getattr(data, key) != getattr(default, key):
                yield (
                    f"data.{key}: is given with data.name {data.name!r}; it only applies to "
                    f"data={owner}"
                )


def _paths(config: Config) -> Iterator[str]:
    data = config.data
    if data.path is None:
        yield "data.path: is missing; must be a file, a folder of files, or tfds:NAME"
    for key, path in _table_paths(data).items():
        if path is not None and not path.startswith(TFDS_PREFIX) and not _is_there(path):
            yield f"data.{key}: got {path!r}, where there is no file or folder"


def _table_paths(data: DataConfig) -> dict[str, str | None]:
    return {"path": data.path, "items.path": data.items.path, "users.path": data.users.path}


def _quotes(config: Config) -> Iterator[str]:
    data = config.data
    tables = {"csv": data.csv, "items.csv": data.items.csv, "users.csv": data.users.csv}
    for key, csv in tables.items():
        quote = csv.quote_char
        # What is "auto" is found, and checked, when the file is read.
        if quote is not None and AUTO not in (csv.delimiter, quote) and quote in csv.delimiter:
            yield (
                f"data.{key}.quote_char: got {quote!r}, which is part of "
                f"data.{key}.delimiter; must be another character"
            )


def timestamp_format_problem(format_: str) -> str | None:
    """Why a text is not a format of times, as "must …"; None if it is one."""
    if "%Z" in format_.replace("%%", ""):
        return "must have %z (+02:00, Z) for the zone: names of zones, %Z, are not read"
    try:
        found = datetime.strptime(EXAMPLE_TIME.strftime(format_), format_)
    except (ValueError, re.error) as error:
        return f"must be a format that Python's datetime.strptime reads, such as %d.%m.%Y ({error})"
    if found.year != EXAMPLE_TIME.year:
        return "must have the year, such as %Y in %d.%m.%Y"
    if "%I" in format_ and found.hour != EXAMPLE_TIME.hour:
        return "must have %p (AM or PM) with the hour of twelve, %I, or %H of twenty-four"
    return None


def _timestamp_format(config: Config) -> Iterator[str]:
    format_ = config.data.timestamp_format
    if format_ and (problem := timestamp_format_problem(format_)):
        yield f"data.timestamp_format: got {format_!r}; {problem}"


def _one_role_a_column(config: Config) -> Iterator[str]:
    columns = dataclasses.asdict(config.data.columns)
    del columns["others"]
    for key, name in columns.items():
        others = [other for other in columns if columns[other] == name and other != key]
        if name is not None and others:
            yield (
                f"data.columns.{key}: got {name!r}, which is also data.columns.{others[0]}; must "
                "be another column"
            )


def _side_tables(config: Config) -> Iterator[str]:
    for role in ("items", "users"):
        side: SideTableConfig = getattr(config.data, role)
        if side.path is None and side != SideTableConfig():
            yield f"data.{role}: is given without data.{role}.path; set data.{role}.path"
        for column, separator in side.lists.items():
            if not separator:
                yield f"data.{role}.lists.{column}: got ''; must be at least one character"
        policy = getattr(config.data.filter, f"unknown_{role}")
        if side.path is None and policy != "error":
            yield (
                f"data.filter.unknown_{role}: got {policy!r} without data.{role}.path, which says "
                f"which {role} are known; use 'error', or set data.{role}.path"
            )


TABLE_RULES: tuple[Rule, ...] = (
    _paths,
    _quotes,
    _timestamp_format,
    Conflict(
        "data.timestamp_unit",
        lambda config: config.data.timestamp_format and config.data.timestamp_unit != "auto",
        "with data.timestamp_format {data.timestamp_format!r}, which already says what the times "
        "are; use 'auto', or set data.timestamp_format to null",
    ),
    _one_role_a_column,
    Conflict(
        "data.split",
        lambda config: config.data.columns.timestamp is None and config.data.split != "random",
        "without data.columns.timestamp, but it goes by time; use 'random', or set "
        "data.columns.timestamp",
    ),
    Conflict(
        "data.filter.min_rating",
        lambda config: (
            config.data.columns.rating is None and config.data.filter.min_rating is not None
        ),
        "without data.columns.rating; use null, or set data.columns.rating",
    ),
    _side_tables,
)


def _of_table(config: Config) -> Iterator[str]:
    for rule in TABLE_RULES if config.data.name == "table" else ():
        yield from rule(config)


def _enough_pairs(config: Config) -> Iterator[str]:
    synthetic: SyntheticConfig = config.data.synthetic
    pairs = synthetic.num_users * synthetic.num_items
    if config.data.name == "synthetic" and synthetic.num_interactions > pairs:
        yield (
            f"data.synthetic.num_interactions: got {synthetic.num_interactions}; must be at most "
            f"the {pairs} pairs of data.synthetic.num_users and num_items"
        )


def _source(config: Config) -> Iterator[str]:
    data = config.data
    if data.name in ("synthetic", "table"):
        if data.source != "auto":
            yield f"data.source: got {data.source!r} with data.name {data.name!r}; must be 'auto'"
    elif data.source not in NAMED_SOURCES and not _is_there(data.source):
        yield (
            f"data.source: got {data.source!r}, which is not a file or folder; must be "
            f"{', '.join(NAMED_SOURCES)}, or the path of a MovieLens folder or zip"
            + closest(data.source, NAMED_SOURCES)
        )
    elif data.source == "package_index" and data.name != "movielens_100k":
        yield (
            f"data.source: got 'package_index' with data.name {data.name!r}; the package index "
            "only has movielens_100k; must be 'auto', 'tfds' or a path"
        )


def _sizes(config: Config) -> Iterator[str]:
    data = config.data
    for key in SIZES:
        size = getattr(data, key)
        if data.split == "leave_last_out" and size is not None and 0 < size < 1:
            yield (
                f"data.{key}: got {size} with data.split 'leave_last_out'; must be a whole "
                "number of rows of each user"
            )
        if data.split != "leave_last_out" and size == 1:
            yield f"data.{key}: got 1, a single row of all; must be a share below 1 or more rows"
    if data.test_size == 0:
        yield "data.test_size: got 0; must be greater than 0, or the test part would be empty"
    total = sum(size for key in SIZES if (size := getattr(data, key)) and size < 1)
    nothing_left = data.train_size is None and total > 1 - 1e-9
    if total > 1 + 1e-9 or nothing_left:
        limit = "below 1, to leave rows for training" if nothing_left else "at most 1"
        yield f"data.test_size: the shares add up to {total:g}; must be {limit}"


DATA_RULES: tuple[Rule, ...] = (
    _keys_of_other_data,
    _of_table,
    _enough_pairs,
    _source,
    _sizes,
    Conflict(
        "data.cut",
        lambda config: config.data.cut and config.data.split == "random",
        "with data.split 'random', which has no order of time; use 0, or set data.split to "
        "'temporal' or 'leave_last_out'",
    ),
    Conflict(
        "data.validation_size",
        lambda config: config.data.validation_size == 0 and config.evaluation.split == "validation",
        "with evaluation.split 'validation'; must be greater than 0, or evaluation.split 'test'",
    ),
)


def split_seed_problems(seeds: Sequence[int], data: DataConfig) -> Iterator[str]:
    """Says what is wrong with `study.split_seeds`, with this `data.split`."""
    if seeds and not split_has_seed(data):
        yield (
            f"study.split_seeds: got {list(seeds)} with data.split {data.split!r}, which has no "
            "seed; must be empty, or data.split 'random'. To repeat a split by time, use several "
            "cuts: data.cut=0,1,2 in a grid, and study.confirm.cuts once a search is done"
        )
    for seed in dict.fromkeys(seeds):
        if seeds.count(seed) > 1:
            yield f"study.split_seeds: got {seed} {seeds.count(seed)} times; must be given once"
        if seed < 0:
            yield f"study.split_seeds: got {seed}; must be whole numbers of at least 0"


def working_directory_problems(config: Config, changes: bool | None) -> Iterator[str]:
    """Finds paths of the data that trials couldn't open from their own directories.

    Args:
      config: a trial's configuration.
      changes: `hydra.job.chdir`.
    """
    data = config.data
    source = None if data.source in NAMED_SOURCES else data.source
    paths = {**_table_paths(data), "source": source, "cache_dir": data.cache_dir}
    for key, path in paths.items() if changes else ():
        is_absolute = not path or os.path.isabs(os.path.expanduser(path))
        if path and not is_absolute and not path.startswith(TFDS_PREFIX):
            yield (
                f"hydra.job.chdir: got True with data.{key} {path!r}, which would be looked for in "
                f"a trial's own directory; use False, or set data.{key} to an absolute path"
            )


def _is_there(path: str) -> bool:
    """Whether a path is a file or a folder, and not a device, which could be read forever."""
    path = os.path.expanduser(path)
    return os.path.isfile(path) or os.path.isdir(path)
