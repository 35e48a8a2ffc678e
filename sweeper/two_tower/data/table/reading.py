"""Reads the files of a table with Arrow: CSV, Parquet, JSON lines, or a TFDS data set.

Columns of ids are texts as they are written. Of the others Arrow infers a type; where a later
row, or another file, doesn't fit it, the column is a text as a whole, which is said.
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
    """Says nothing."""


def read_table(
    files: TableFiles, csv: CsvConfig, ids: Collection[str], say: Say = silent
) -> pa.Table:
    """All rows, in the order of the files.

    Args:
      ids: columns that are texts, whatever they look like.
      say: told what was found out about the files.

    Raises:
      DataError: naming the file: it can't be read as what its name says, holds no row, or
        differs from the others in its columns.
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
        apart = {name: words for name, words in types_apart(schemas).items() if name not in texts}
        if not apart:
            break
        for name, words in apart.items():
            say(f"{name}: texts, as its type differs between the files: {words}")
        texts |= apart.keys()
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"{files.key}: the files of {files.path} differ: {error}") from error
    return _not_empty(files, table)


def first_rows(files: TableFiles, csv: CsvConfig) -> pa.Table:
    """Some of the first rows, with the types that Arrow makes of these.

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
    """What reads each file, given the columns that are texts."""
    if files.format == "jsonl":
        return [partial(read_json_lines, file) for file in files.files]
    found = [CsvFile(file, _csv_key(files), csv) for file in files.files]
    # One file stands for all.
    notes = {kind: text for file in reversed(found) for kind, text in file.notes.items()}
    for text in notes.values():
        say(text)
    return [file.read for file in found]


def _csv_key(files: TableFiles) -> str:
    """ "data.items.csv" beside "data.items.path"."""
    return f"{files.key.rpartition('.')[0]}.csv"


def _read_tfds(files: TableFiles) -> pa.Table:
    """All splits of a TFDS data set; prepared, or downloaded as TFDS does it."""
    from sweeper.two_tower.data.table.tfds_records import read_records

    return _not_empty(files, read_records(files.key, files.path.removeprefix(TFDS_PREFIX)))


def _not_empty(files: TableFiles, table: pa.Table) -> pa.Table:
    if len(table) == 0:
        raise DataError(f"{files.key}: {files.path} has no row; must have at least one")
    return table


@contextmanager
def error_context(where: str) -> Iterator[None]:
    """Lets errors of a table say which one, unless they name a key already.

    Raises:
      DataError: also for what Arrow can't make of a value.
    """
    try:
        yield
    except DataError as error:
        raise error if str(error).startswith("data.") else DataError(f"{where}: {error}") from error
    except UNREADABLE_VALUE as error:
        raise unreadable_value(where, error) from error
