"""Reads the files of a table with Arrow: CSV, Parquet, JSON lines, or a TFDS data set.

Columns of ids are read as text, as they are written. Arrow infers the types of the others; if a
later row or another file doesn't fit, the whole column is read as text, and that is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pyarrow as pa

from sweeper.common.errors import DataError
from sweeper.two_tower.config import TFDS_PREFIX, CsvConfig
from sweeper.two_tower.data.table.arrays import UNREADABLE_VALUE, unreadable_value
from sweeper.two_tower.data.table.csv_files import CsvFile
from sweeper.two_tower.data.table.files import TableFiles, check_same_columns, types_apart
from sweeper.two_tower.data.table.json_lines import first_json_lines, read_json_lines
from sweeper.two_tower.data.table.parquet_files import read_parquet

SOME_ROWS = 1_000

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Ignores a text."""


def read_table(
    files: TableFiles, csv: CsvConfig, ids: Collection[str], say: Say = silent
) -> pa.Table:
    """Reads all rows, in the order of the files.

    Args:
      ids: columns to be read as text, whatever their values look like.
      say: receives what was found out about the files.

    Raises:
      DataError: a file (which is named) can't be read in its format, has no row, or differs from
        the others in its columns.
    """
    if files.format == "tfds":
        return _read_tfds(files)
    if files.format == "parquet":
        return _not_empty(files, read_parquet(files, ids, say))
    reads = _readers(files, csv, say)
    texts = set(ids)
    while True:
        tables = [read(texts) for read in reads]
        schemas = [table.schema for table in tables]
        check_same_columns(files, schemas)
        apart = {name: types for name, types in types_apart(schemas).items() if name not in texts}
        if not apart:
            break
        for name, types in apart.items():
            say(f"{name}: texts, as its type differs between the files: {types}")
        texts |= apart.keys()
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"{files.key}: the files of {files.path} differ: {error}") from error
    return _not_empty(files, table)


def first_rows(files: TableFiles, csv: CsvConfig) -> pa.Table:
    """Reads some of the first rows, with the types that Arrow infers from them.

    Raises:
      DataError: as `read_table`.
    """
    if files.format == "parquet":
        return _not_empty(files, read_parquet(files, (), silent, SOME_ROWS))
    if files.format == "csv":
        table = CsvFile(files.files[0], _csv_key(files), csv).first_rows()
        check_same_columns(replace(files, files=files.files[:1]), [table.schema])
        return _not_empty(files, table)
    if files.format == "jsonl":
        return _not_empty(files, first_json_lines(files.files[0]).slice(0, SOME_ROWS))
    return read_table(files, csv, ()).slice(0, SOME_ROWS)


def _readers(
    files: TableFiles, csv: CsvConfig, say: Say
) -> list[Callable[[Collection[str]], pa.Table]]:
    """Returns a reader of each file, which takes the columns to be read as text."""
    if files.format == "jsonl":
        return [partial(read_json_lines, file) for file in files.files]
    found = [CsvFile(file, _csv_key(files), csv) for file in files.files]
    # One note of each kind is enough for all files.
    notes = {kind: text for file in reversed(found) for kind, text in file.notes.items()}
    for text in notes.values():
        say(text)
    return [file.read for file in found]


def _csv_key(files: TableFiles) -> str:
    """Returns "data.items.csv" for "data.items.path"."""
    return f"{files.key.rpartition('.')[0]}.csv"


def _read_tfds(files: TableFiles) -> pa.Table:
    """Reads all splits of a TFDS data set, which TFDS downloads if needed."""
    from sweeper.two_tower.data.table.tfds_records import read_records

    return _not_empty(files, read_records(files.key, files.path.removeprefix(TFDS_PREFIX)))


def _not_empty(files: TableFiles, table: pa.Table) -> pa.Table:
    if len(table) == 0:
        raise DataError(f"{files.key}: {files.path} has no row; must have at least one")
    return table


@contextmanager
def error_context(where: str) -> Iterator[None]:
    """Adds the name of a table to its errors, unless they name a key already.

    Raises:
      DataError: also for a value that Arrow can't convert.
    """
    try:
        yield
    except DataError as error:
        raise error if str(error).startswith("data.") else DataError(f"{where}: {error}") from error
    except UNREADABLE_VALUE as error:
        raise unreadable_value(where, error) from error
