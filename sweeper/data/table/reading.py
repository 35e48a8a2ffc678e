"""Reads the files of a table with Arrow: CSV, Parquet, JSON lines, or a TFDS data set.

Columns of ids are texts whatever they look like. Of the others Arrow infers a type; where
a later row, or another file, doesn't fit it, the column is a text as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.dataset
import pyarrow.json

from sweeper.config import CsvConfig
from sweeper.data.table.files import TFDS, TableFiles, compression_of
from sweeper.errors import DataError, shortened

WORDS = pa.dictionary(pa.int32(), pa.string())
# What a block of a file must hold in whole: the longest row, and Arrow's guess at types.
BLOCK_BYTES = 16 * 1024 * 1024
SOME_ROWS = 1_000


def read_table(files: TableFiles, csv: CsvConfig, ids: Collection[str]) -> pa.Table:
    """All rows, in the order of the files.

    Args:
      ids: columns that are texts, whatever they look like.

    Raises:
      DataError: naming the file: it can't be read as what its name says, holds no row, or
        differs from the others in its columns.
    """
    if files.format == "tfds":
        return _read_tfds(files)
    if files.format == "parquet":
        return _read_parquet(files, ids)
    read = {"csv": _read_csv, "jsonl": _read_json_lines}[files.format]
    as_text: set[str] = set()
    while True:
        tables = [read(file, csv, ids, as_text) for file in files.files]
        _check_same_columns(files, tables)
        apart = _columns_apart(tables) - as_text
        if not apart:
            break
        # Numbers in one file and texts in another: texts in all.
        as_text |= apart
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
        return _read_parquet(files, (), SOME_ROWS)
    if files.format == "csv":
        file = files.files[0]
        try:
            with _csv_reader(file, csv) as reader:
                table = pa.Table.from_batches(islice(reader, 1), reader.schema)
        except (pa.ArrowException, OSError, EOFError, ValueError) as error:
            raise _unreadable(file, "CSV", error) from error
        _names(table, file)
        return _not_empty(files, table)
    if files.format == "jsonl":
        return _not_empty(files, _first_json_lines(files.files[0]).slice(0, SOME_ROWS))
    return read_table(files, csv, ()).slice(0, SOME_ROWS)


def _read_csv(
    file: Path, csv: CsvConfig, ids: Collection[str], as_text: Collection[str]
) -> pa.Table:
    """One file; again with a column as text where its rows don't fit the type of the first."""
    texts, threads = set(as_text), True
    while True:
        types = dict.fromkeys([*ids, *texts], WORDS)
        try:
            with _opened(file) as stream:
                table = pyarrow.csv.read_csv(
                    stream,
                    pyarrow.csv.ReadOptions(
                        column_names=csv.column_names,
                        block_size=BLOCK_BYTES,
                        use_threads=threads,
                    ),
                    _parsing(file, csv),
                    pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False),
                )
            if any(pa.types.is_binary(type_) for type_ in table.schema.types):
                # What Arrow makes of texts that are none.
                raise _not_utf8(file)
            return table
        except UnicodeDecodeError as error:
            raise _not_utf8(file) from error
        except (pa.ArrowException, OSError, EOFError, ValueError) as error:
            if "invalid UTF8" in str(error):
                raise _not_utf8(file) from error
            column = _unfit_column(file, csv, str(error))
            if threads and "parse error" in str(error):
                threads = False  # Then the error has the row.
                continue
            if column is None or column in types:
                raise _unreadable(file, "CSV", error) from error
            texts.add(column)


def _unfit_column(file: Path, csv: CsvConfig, message: str) -> str | None:
    """The name of the column of which Arrow says that a value doesn't fit its type."""
    found = re.search(r"In CSV column #(\d+): .*conversion error", message)
    if not found:
        return None
    with _csv_reader(file, csv) as reader:
        return str(reader.schema.names[int(found.group(1))])


def _csv_reader(file: Path, csv: CsvConfig) -> pyarrow.csv.CSVStreamingReader:
    """Reads a file block by block, the first of them at once."""
    return pyarrow.csv.open_csv(
        _opened(file),
        pyarrow.csv.ReadOptions(column_names=csv.column_names),
        _parsing(file, csv),
    )


def _parsing(file: Path, csv: CsvConfig) -> pyarrow.csv.ParseOptions:
    """With a tab between the values of a file whose name says so, unless another is given."""
    is_tabbed = ".tsv" in (suffix.lower() for suffix in file.suffixes)
    delimiter = "\t" if is_tabbed and csv.delimiter == CsvConfig().delimiter else csv.delimiter
    return pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)


def _read_json_lines(
    file: Path, csv: CsvConfig, ids: Collection[str], as_text: Collection[str]
) -> pa.Table:
    texts = [pa.field(name, pa.string()) for name in dict.fromkeys([*ids, *as_text])]
    try:
        return _parse_json_lines(file, texts)
    except (pa.ArrowException, OSError, EOFError) as error:
        if "from string to number" not in str(error) or not texts:
            raise _unreadable(file, "JSON lines", error) from error
    # Numbers in JSON.
    try:
        table = _parse_json_lines(file, [])
    except (pa.ArrowException, OSError, EOFError) as error:
        raise _unreadable(file, "JSON lines", error) from error
    for name in set(as_text) & set(table.column_names):
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].cast(pa.string()))
    return table


def _parse_json_lines(file: Path, texts: list[pa.Field]) -> pa.Table:
    options = pyarrow.json.ParseOptions(
        explicit_schema=pa.schema(texts) if texts else None, newlines_in_values=False
    )
    with _opened(file) as stream:
        table = pyarrow.json.read_json(
            stream, pyarrow.json.ReadOptions(block_size=BLOCK_BYTES), options
        )
    # Arrow adds the columns of its schema that the file lacks.
    gone = [
        field.name
        for field in texts
        if table[field.name].null_count == len(table) and len(table) > 0
    ]
    if not gone:
        return table
    own = set(_parse_json_lines(file, []).column_names)
    return table.drop_columns([name for name in gone if name not in own])


def _first_json_lines(file: Path) -> pa.Table:
    """The whole lines of a file's first block."""
    try:
        with _opened(file) as stream:
            block = stream.read(BLOCK_BYTES)
        if len(block) == BLOCK_BYTES:
            block = block[: block.rfind(b"\n") + 1]
        return pyarrow.json.read_json(
            pa.BufferReader(block), pyarrow.json.ReadOptions(block_size=BLOCK_BYTES)
        )
    except (pa.ArrowException, OSError, EOFError) as error:
        raise _unreadable(file, "JSON lines", error) from error


def _read_parquet(files: TableFiles, ids: Collection[str], rows: int | None = None) -> pa.Table:
    try:
        found = _parquet(files, ids)
        table = found.to_table() if rows is None else found.head(rows)
        _names(table, files.files[0])
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(files, error) from error
    return _not_empty(files, table)


def _no_parquet(files: TableFiles, error: Exception) -> DataError:
    for file in files.files:
        if file.stat().st_size == 0:
            return DataError(f"{file}: is empty; must have at least one row")
    return DataError(f"{files.key}: {files.path} can't be read as Parquet: {error}")


def _parquet(files: TableFiles, ids: Collection[str]) -> Any:
    """Arrow's data set of the files, `name=value` folders as columns; those of ids as texts."""
    keys = dict.fromkeys(
        part.partition("=")[0] for file in files.files for part in file.parts if "=" in part
    )
    partitioning = pyarrow.dataset.HivePartitioning.discover()
    if any(key in ids for key in keys):
        texts = pa.schema([(key, pa.string()) for key in keys])
        partitioning = pyarrow.dataset.HivePartitioning(texts)
    root = Path(files.path).expanduser()
    open_ = partial(
        pyarrow.dataset.dataset,
        [str(file) for file in files.files],
        format="parquet",
        partitioning=partitioning,
        partition_base_dir=str(root if root.is_dir() else root.parent),
    )
    try:
        found = open_()
        schemas = [fragment.physical_schema for fragment in found.get_fragments()]
        _check_same_columns(files, [schema.empty_table() for schema in schemas])
        return open_(schema=_of_all(found.schema, schemas))
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(files, error) from error


def _of_all(schema: pa.Schema, schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The schema with each column's common type in all files; Arrow takes that of the first."""
    apart = _columns_apart([each.empty_table() for each in schemas])
    fields = []
    for field in schema:
        own = [pa.schema([each.field(field.name)]) for each in schemas if field.name in each.names]
        if field.name in apart:
            fields.append(pa.field(field.name, pa.string()))
        elif own:
            fields.append(pa.unify_schemas(own, promote_options="permissive").field(0))
        else:
            fields.append(field)
    return pa.schema(fields)


def _read_tfds(files: TableFiles) -> pa.Table:
    """All splits of a TFDS data set; prepared, or downloaded as TFDS does it."""
    from sweeper.data.table.tfds_records import read_records

    return _not_empty(files, read_records(files.key, files.path.removeprefix(TFDS)))


def _opened(file: Path) -> Any:
    return pa.input_stream(str(file), compression=compression_of(file))


def _check_same_columns(files: TableFiles, tables: Sequence[pa.Table]) -> None:
    first = _names(tables[0], files.files[0])
    for file, table in zip(files.files, tables, strict=True):
        if differing := sorted(set(_names(table, file)) ^ set(first)):
            raise DataError(
                f"{files.key}: {file} and {files.files[0]} differ in their columns "
                f"({', '.join(differing)}); must have the same"
            )
    twice = sorted({name for name in first if first.count(name) > 1})
    if twice:
        raise DataError(
            f"{files.key}: {files.files[0]} has several columns of the name {twice[0]!r}; must "
            "have one of each name"
        )


def _names(table: pa.Table, file: Path) -> list[str]:
    try:
        return list(table.column_names)
    except UnicodeDecodeError as error:  # Arrow hasn't looked at them before.
        raise _not_utf8(file) from error


def _columns_apart(tables: Sequence[pa.Table]) -> set[str]:
    """Columns whose types, in different files, have no common one but text."""

    def kind(type_: pa.DataType) -> str:
        type_ = type_.value_type if pa.types.is_dictionary(type_) else type_
        is_number = pa.types.is_integer(type_) or pa.types.is_floating(type_)
        return "number" if is_number else "null" if pa.types.is_null(type_) else str(type_)

    return {
        name
        for name in tables[0].column_names
        if len({kind(table.schema.field(name).type) for table in tables} - {"null"}) > 1
    }


def _not_empty(files: TableFiles, table: pa.Table) -> pa.Table:
    if len(table) == 0:
        raise DataError(f"{files.key}: {files.path} has no row; must have at least one")
    return table


def _not_utf8(file: Path) -> DataError:
    """The error for a text in another encoding, with the first line that isn't UTF-8."""
    with _opened(file) as stream:
        for number, line in enumerate(stream.read().split(b"\n"), start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                text = shortened(line.decode("latin-1").strip())
                return DataError(
                    f"{file}, line {number}: is no UTF-8 (in Latin-1 it reads {text!r}); must be "
                    "written in UTF-8"
                )
    return DataError(f"{file}: is no UTF-8; must be written in UTF-8")


def _unreadable(file: Path, format_: str, error: Exception) -> DataError:
    if isinstance(error, PermissionError):
        return DataError(f"{file}: may not be read; must be allowed to be")
    words = shortened(" ".join(str(error).split()), 300)
    if "in row" in words and format_ != "CSV":
        words += " (the first row is 0)"
    if file.stat().st_size == 0 or "Empty CSV file" in words:
        return DataError(f"{file}: is empty; must have at least one row")
    with file.open("rb") as start:
        first = start.read(2)
    if first in (b"\xff\xfe", b"\xfe\xff"):
        return DataError(f"{file}: is UTF-16; must be written in UTF-8")
    if format_ == "JSON lines" and first[:1] == b"[":
        return DataError(f"{file}: is a JSON array; must have an object a line")
    return DataError(f"{file}: can't be read as {format_}: {words}")


@contextmanager
def told_of(where: str) -> Iterator[None]:
    """Lets errors of a table say which one, unless they name a key already.

    Raises:
      DataError: also for what Arrow can't make of a value.
    """
    try:
        yield
    except DataError as error:
        raise error if str(error).startswith("data.") else DataError(f"{where}: {error}") from error
    except (pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
        words = shortened(" ".join(str(error).split()), 300)
        raise DataError(f"{where}: a value can't be read: {words}") from error
