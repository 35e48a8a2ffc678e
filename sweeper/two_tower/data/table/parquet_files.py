"""Reads Parquet files with Arrow's data sets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset

from sweeper.common.errors import DataError
from sweeper.two_tower.data.table.arrays import plain_table
from sweeper.two_tower.data.table.files import TableFiles, check_same_columns, common_type
from sweeper.two_tower.data.table.roles import ids as id_texts


def read_parquet(
    files: TableFiles, ids: Collection[str], say: Callable[[str], None], rows: int | None = None
) -> pa.Table:
    """Reads all rows, or the first `rows`, in plain types (see `plain_column`).

    If the types of a column of ids differ between files, it is read as text.

    Raises:
      DataError: a file can't be read, or files differ in their columns.
    """
    try:
        found = _data_set(files, ids)
        fragments = list(found.get_fragments())
        schemas = [fragment.physical_schema for fragment in fragments]
        check_same_columns(files, schemas)
        types = {name: {each.field(name).type for each in schemas} for name in schemas[0].names}
        differing = {name for name, own in types.items() if len(own) > 1}
        if not differing:
            return plain_table(found.to_table() if rows is None else found.head(rows))
        tables = [_own_types(found.schema, each, differing) for each in fragments]
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(files, error) from error
    for name in sorted(differing):
        columns = [table[name] for table in tables]
        if name in ids:
            columns = [
                _ids(file, column, name) for file, column in zip(files.files, columns, strict=True)
            ]
        else:
            columns = _alike(columns, name, say)
        tables = [
            table.set_column(table.column_names.index(name), name, column)
            for table, column in zip(tables, columns, strict=True)
        ]
    return pa.concat_tables(tables, promote_options="permissive").slice(0, rows)


def _data_set(files: TableFiles, ids: Collection[str]) -> Any:
    """Returns Arrow's data set of the files, with `name=value` folders as columns."""
    keys = dict.fromkeys(
        part.partition("=")[0] for file in files.files for part in file.parts if "=" in part
    )
    partitioning = pyarrow.dataset.HivePartitioning.discover()
    if any(key in ids for key in keys):
        texts = pa.schema([(key, pa.string()) for key in keys])
        partitioning = pyarrow.dataset.HivePartitioning(texts)
    root = Path(files.path).expanduser()
    return pyarrow.dataset.dataset(
        [str(file) for file in files.files],
        format="parquet",
        partitioning=partitioning,
        partition_base_dir=str(root if root.is_dir() else root.parent),
    )


def _own_types(schema: pa.Schema, fragment: Any, differing: Collection[str]) -> pa.Table:
    """Reads the rows of one file, with its own types of the columns that differ."""
    own = fragment.physical_schema
    fields = [own.field(field.name) if field.name in differing else field for field in schema]
    return plain_table(fragment.to_table(schema=pa.schema(fields)))


def _ids(file: Path, column: pa.ChunkedArray, name: str) -> pa.Array:
    try:
        return id_texts(column, name)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def _alike(
    columns: list[pa.ChunkedArray], name: str, say: Callable[[str], None]
) -> list[pa.ChunkedArray]:
    """Converts a feature's values of several files to their common type, or to text."""
    types = [column.type for column in columns]
    common = common_type(types)
    if common is None:
        words = " and ".join(dict.fromkeys(map(str, types)))
        say(f"{name}: texts, as its type differs between the files: {words}")
        common = pa.string()
    try:
        return [column.cast(common, safe=False) for column in columns]
    except pa.ArrowException as error:
        raise DataError(
            f"the column {name!r} has different types in different files "
            f"({', '.join(dict.fromkeys(map(str, types)))}), and a value of one can't be "
            f"{common}; must have one type in all"
        ) from error


def _unreadable(files: TableFiles, error: Exception) -> DataError:
    for file in files.files:
        if file.stat().st_size == 0:
            return DataError(f"{file}: is empty; must have at least one row")
    return DataError(f"{files.key}: {files.path} can't be read as Parquet: {error}")
