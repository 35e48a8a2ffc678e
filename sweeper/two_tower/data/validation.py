"""Checks of `data`'s values before anything is read."""

from __future__ import annotations

import dataclasses
import os.path
from collections.abc import Iterator

from sweeper.common.errors import closest
from sweeper.two_tower.config import (
    AUTO,
    NAMED_SOURCES,
    TABLE_KEYS,
    DataConfig,
    SideTableConfig,
    SyntheticConfig,
)
from sweeper.two_tower.data.table.files import TFDS
from sweeper.two_tower.data.table.time_formats import format_problem


def data_problems(data: DataConfig, evaluated: str) -> Iterator[str]:
    """What is wrong with the values of `data`, a line each.

    Args:
      evaluated: `evaluation.split`.
    """
    yield from _table_problems(data)
    yield from _synthetic_problems(data)
    if data.name in ("synthetic", "table"):
        if data.source != "auto":
            yield f"data.source: got {data.source!r} with data.name {data.name!r}; must be 'auto'"
    elif data.source not in NAMED_SOURCES and not _is_there(data.source):
        yield (
            f"data.source: got {data.source!r}, which is no file or folder; must be "
            f"{', '.join(NAMED_SOURCES)}, or the path of a MovieLens folder or zip"
            + closest(data.source, NAMED_SOURCES)
        )
    elif data.source == "package_index" and data.name != "movielens_100k":
        yield (
            f"data.source: got 'package_index' with data.name {data.name!r}; the package index "
            "has movielens_100k alone; must be 'auto', 'tfds' or a path"
        )
    if data.split == "leave_last_out":
        for key in ("train_size", "validation_size", "test_size"):
            size = getattr(data, key)
            if size is not None and 0 < size < 1:
                yield (
                    f"data.{key}: got {size} with data.split 'leave_last_out'; must be a whole "
                    "number of rows of each user"
                )
    else:
        for key in ("train_size", "validation_size", "test_size"):
            if getattr(data, key) == 1:
                yield (
                    f"data.{key}: got 1, a single row of all; must be a share below 1 or more rows"
                )
    if data.cut and data.split == "random":
        yield (
            f"data.cut: got {data.cut} with data.split 'random', which has no order of time; must "
            "be 0, or data.split 'temporal' or 'leave_last_out'"
        )
    if data.test_size == 0:
        yield "data.test_size: got 0; must be greater than 0: the test part would be empty"
    shares = [s for s in (data.train_size, data.validation_size, data.test_size) if s and s < 1]
    nothing_left = data.train_size is None and sum(shares) > 1 - 1e-9
    if sum(shares) > 1 + 1e-9 or nothing_left:
        limit = "below 1, to leave rows for training" if nothing_left else "at most 1"
        yield f"data.test_size: the shares add up to {sum(shares):g}; must be {limit}"
    if evaluated == "validation" and data.validation_size == 0:
        yield (
            "data.validation_size: got 0 with evaluation.split 'validation'; must be greater "
            "than 0, or evaluation.split 'test'"
        )


def _table_problems(data: DataConfig) -> Iterator[str]:
    """Keys of `data=table` that are missing, don't go together, or are given for other data."""
    if data.name != "table":
        for key in TABLE_KEYS:
            if getattr(data, key) != getattr(DataConfig(), key):
                yield f"data.{key}: is given with data.name {data.name!r}; is of data=table alone"
        return
    if data.path is None:
        yield "data.path: is missing; must be a file, a folder of files, or tfds:NAME"
    for key, path in (
        ("path", data.path), ("items.path", data.items.path), ("users.path", data.users.path),
    ):  # fmt: skip
        if path is not None and not path.startswith(TFDS) and not _is_there(path):
            yield f"data.{key}: got {path!r}, where there is no file or folder"
    for key, csv in (
        ("csv", data.csv), ("items.csv", data.items.csv), ("users.csv", data.users.csv),
    ):  # fmt: skip
        # Without a given delimiter the file's own is told when it is read.
        given = None if AUTO in (csv.delimiter, csv.quote_char) else csv.quote_char
        if given is not None and given in csv.delimiter:
            yield (
                f"data.{key}.quote_char: got {csv.quote_char!r}, which data.{key}.delimiter has, "
                "too; must be another character"
            )
    if data.timestamp_format:
        yield from _format_problems(data.timestamp_format, data.timestamp_unit)
    columns = dataclasses.asdict(data.columns)
    del columns["others"]
    for key, name in columns.items():
        others = [other for other in columns if columns[other] == name and other != key]
        if name is not None and others:
            yield (
                f"data.columns.{key}: got {name!r}, which data.columns.{others[0]} is, too; must "
                "be another column"
            )
    if data.columns.timestamp is None and data.split != "random":
        yield (
            f"data.split: got {data.split!r}, which goes by time, without data.columns.timestamp; "
            "must be 'random', or that be given"
        )
    if data.columns.rating is None and data.filter.min_rating is not None:
        yield (
            f"data.filter.min_rating: got {data.filter.min_rating:g} without data.columns.rating; "
            "must be null, or that be given"
        )
    for role in ("items", "users"):
        side = getattr(data, role)
        if side.path is None and side != SideTableConfig():
            yield f"data.{role}: is given without data.{role}.path; must have it"
        for column, separator in side.lists.items():
            if not separator:
                yield f"data.{role}.lists.{column}: got ''; must be at least one character"
        policy = getattr(data.filter, f"unknown_{role}")
        if side.path is None and policy != "error":
            yield (
                f"data.filter.unknown_{role}: got {policy!r} without data.{role}.path, which says "
                "which are known; must be 'error', or that be given"
            )


def _format_problems(format_: str, unit: str) -> Iterator[str]:
    if problem := format_problem(format_):
        yield f"data.timestamp_format: got {format_!r}; {problem}"
    if unit != "auto":
        yield (
            f"data.timestamp_unit: got {unit!r} with data.timestamp_format {format_!r}, which says "
            "what the times are; must be 'auto', or the form null"
        )


def _synthetic_problems(data: DataConfig) -> Iterator[str]:
    synthetic = data.synthetic
    if data.name != "synthetic":
        if synthetic != SyntheticConfig():
            yield f"data.synthetic: is given with data.name {data.name!r}; is of data=synthetic"
    elif synthetic.num_interactions > (pairs := synthetic.num_users * synthetic.num_items):
        yield (
            f"data.synthetic.num_interactions: got {synthetic.num_interactions}; must be at most "
            f"the {pairs} pairs of data.synthetic.num_users and num_items"
        )


def _is_there(path: str) -> bool:
    """Whether a path is a file or a folder; no device, which could be read for ever."""
    path = os.path.expanduser(path)
    return os.path.isfile(path) or os.path.isdir(path)
