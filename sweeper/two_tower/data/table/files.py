"""Finds and opens the files of a table, and checks that they have the same columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweeper.common.errors import DataError, shortened
from sweeper.two_tower.config import TFDS_PREFIX
from sweeper.two_tower.data.table.arrays import one_line

FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".dat": "csv", ".data": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}


@dataclass(frozen=True)
class TableFiles:
    """The files of one table, in the order of their rows.

    Attributes:
      key: the YAML key that names them, for errors.
      path: the value of the key.
      format: "csv", "parquet" or "jsonl", or "tfds" for a TFDS data set.
      files: the files; empty for a TFDS data set.
    """

    key: str
    path: str
    format: str
    files: tuple[Path, ...]

    def state(self) -> list[tuple[str, int, int]]:
        """Returns (path, bytes, modification time in ns) of each file, or the TFDS name."""
        if not self.files:
            return [(self.path, 0, 0)]
        stats = [(str(file.resolve()), file.stat()) for file in self.files]
        return [(place, stat.st_size, stat.st_mtime_ns) for place, stat in stats]


def find_files(key: str, path: str, format_: str = "auto") -> TableFiles:
    """Finds the files at `path`: itself, or those in a folder whose names show a format.

    Names that begin with "." or "_" are left out, as in Arrow and Spark.

    Raises:
      DataError: nothing is there, no name shows a format, or there are several formats.
    """
    if path.startswith(TFDS_PREFIX):
        return TableFiles(key, path, "tfds", ())
    place = Path(os.path.expanduser(path))
    if place.is_file():
        return TableFiles(key, path, _format(key, place, format_), (place,))
    if not place.is_dir():
        raise DataError(f"{key}: got {path!r}, where there is no file or folder")
    files = sorted(
        file
        for file in place.rglob("*")
        if file.is_file()
        and not any(part.startswith((".", "_")) for part in file.relative_to(place).parts)
        and (format_ != "auto" or format_of(file))
    )
    if not files:
        raise DataError(
            f"{key}: got the folder {path!r}, which has no file of a known format; must have files "
            f"that end in {', '.join(FORMATS)}, or {_format_key(key)} is set to theirs"
        )
    found = {file: _format(key, file, format_) for file in files}
    if len(set(found.values())) > 1:
        examples = {each: file.name for file, each in found.items()}
        raise DataError(
            f"{key}: got the folder {path!r}, which has files of several formats "
            f"({', '.join(f'{each}: {name}' for each, name in examples.items())}); must have one"
        )
    return TableFiles(key, path, found[files[0]], tuple(files))


def format_of(file: Path) -> str | None:
    """Returns the format that a file's name shows, or None."""
    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() not in COMPRESSIONS]
    return FORMATS.get(suffixes[-1]) if suffixes else None


def compression_of(file: Path) -> str | None:
    """Returns "gzip" or "zstd" by the file's name, or None."""
    return COMPRESSIONS.get(file.suffix.lower())


def _format(key: str, file: Path, format_: str) -> str:
    if format_ != "auto":
        return format_
    if found := format_of(file):
        return found
    raise DataError(
        f"{key}: got {str(file)!r}, whose name doesn't show its format; must end in "
        f"{', '.join(FORMATS)}, or {_format_key(key)} is set to it"
    )


def _format_key(key: str) -> str:
    """Returns "data.items.format" for "data.items.path"."""
    return f"{key.rpartition('.')[0]}.format"


# A block must contain the longest row, and enough rows for Arrow to infer types.
BLOCK_BYTES = 16 * 1024 * 1024
# What Arrow, the file system and the decompressors raise for a file that can't be read.
UNREADABLE = (pa.ArrowException, OSError, EOFError, ValueError)


def opened(file: Path) -> Any:
    """Opens a stream of the file's decompressed bytes."""
    return pa.input_stream(str(file), compression=compression_of(file))


class RewrittenLines:
    """A stream whose lines are changed by `rewrite`, some whole lines at a time."""

    closed = False

    def __init__(self, stream: Any, rewrite: Callable[[bytes], bytes]) -> None:
        self._stream, self._rewrite = stream, rewrite
        self._unread, self._ready = b"", b""

    def read(self, size: int) -> bytes:
        while len(self._ready) < size and (more := self._stream.read(max(size, BLOCK_BYTES))):
            self._unread += more
            end = self._unread.rfind(b"\n") + 1
            self._ready += self._rewrite(self._unread[:end])
            self._unread = self._unread[end:]
        if len(self._ready) < size:
            self._ready += self._rewrite(self._unread)
            self._unread = b""
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> RewrittenLines:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def not_utf8(file: Path) -> DataError:
    """Returns the error for another encoding, with the first line that isn't UTF-8."""
    with opened(file) as stream:
        for number, line in enumerate(stream.read().split(b"\n"), start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                text = shortened(line.decode("latin-1").strip())
                return DataError(
                    f"{file}, line {number}: is not UTF-8 (in Latin-1 it reads {text!r}); must be "
                    "written in UTF-8"
                )
    return DataError(f"{file}: is not UTF-8; must be written in UTF-8")


def unreadable(file: Path, format_: str, error: Exception) -> DataError:
    """Returns the error for a file that can't be read in its format."""
    if isinstance(error, PermissionError):
        return DataError(f"{file}: permission denied; allow reading it")
    reason = one_line(error)
    if "in row" in reason and format_ != "CSV":
        reason += " (the first row is 0)"
    if file.stat().st_size == 0 or "Empty CSV file" in reason:
        return DataError(f"{file}: is empty; must have at least one row")
    with file.open("rb") as start:
        first = start.read(2)
    if first in (b"\xff\xfe", b"\xfe\xff"):
        return DataError(f"{file}: is UTF-16; must be written in UTF-8")
    if format_ == "JSON lines" and first[:1] == b"[":
        return DataError(f"{file}: is a JSON array; must have an object a line")
    return DataError(f"{file}: can't be read as {format_}: {reason}")


def check_same_columns(files: TableFiles, schemas: Sequence[pa.Schema]) -> None:
    """Checks that all files have the same columns, and none twice.

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
    """Returns the type that values of all types can have; None if that is only text.

    Types of codes stand for those of their values.
    """
    values = {type_.value_type if pa.types.is_dictionary(type_) else type_ for type_ in types}
    if pa.uint64() in values and any(pa.types.is_signed_integer(type_) for type_ in values):
        return pa.float64()  # Arrow would use int64, which lacks half of uint64.
    schemas = [pa.schema([("", type_)]) for type_ in sorted(values, key=str)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def types_apart(schemas: Sequence[pa.Schema]) -> dict[str, str]:
    """Returns the columns whose types only have text in common, and describes the types."""
    types = {name: [schema.field(name).type for schema in schemas] for name in schemas[0].names}
    return {
        name: " and ".join(dict.fromkeys(map(str, own)))
        for name, own in types.items()
        if common_type(own) is None
    }


def _names(schema: pa.Schema, files: TableFiles, number: int) -> list[str]:
    try:
        return list(schema.names)
    except UnicodeDecodeError as error:  # Arrow decodes names only now.
        raise not_utf8(files.files[number]) from error
