"""What the files of one table must have in common: their columns, and a type of each."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sweeper.common.errors import DataError
from sweeper.two_tower.data.table.files import TableFiles
from sweeper.two_tower.data.table.streams import not_utf8


def check_same_columns(files: TableFiles, schemas: Sequence[pa.Schema]) -> None:
    """Every file must have the same columns, and none twice.

    Raises:
      DataError: naming the files and the columns.
    """
    names = [_names(schema, files, number) for number, schema in enumerate(schemas)]
    for file, own in zip(files.files, names, strict=True):
        if differing := sorted(set(own) ^ set(names[0])):
            raise DataError(
                f"{files.key}: {file} and {files.files[0]} differ in their columns "
                f"({', '.join(differing)}); must have the same"
            )
    twice = sorted({name for name in names[0] if names[0].count(name) > 1})
    if twice:
        raise DataError(
            f"{files.key}: {files.files[0]} has several columns of the name {twice[0]!r}; must "
            "have one of each name"
        )


def common_type(types: Sequence[pa.DataType]) -> pa.DataType | None:
    """The one type that values of all can have, those of codes standing for their values.

    None: there is none but text.
    """
    values = {type_.value_type if pa.types.is_dictionary(type_) else type_ for type_ in types}
    if pa.uint64() in values and any(pa.types.is_signed_integer(type_) for type_ in values):
        return pa.float64()  # Arrow would take int64, which lacks half of the others.
    schemas = [pa.schema([("", type_)]) for type_ in sorted(values, key=str)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def types_apart(schemas: Sequence[pa.Schema]) -> dict[str, str]:
    """The columns whose types have nothing but text in common, and the types in words."""
    types = {name: [schema.field(name).type for schema in schemas] for name in schemas[0].names}
    return {
        name: " and ".join(dict.fromkeys(map(str, own)))
        for name, own in types.items()
        if common_type(own) is None
    }


def _names(schema: pa.Schema, files: TableFiles, number: int) -> list[str]:
    try:
        return list(schema.names)
    except UnicodeDecodeError as error:  # Arrow hasn't looked at them before.
        raise not_utf8(files.files[number]) from error
