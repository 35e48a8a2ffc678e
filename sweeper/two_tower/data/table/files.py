"""Which files a table is in, and in which format."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sweeper.common.errors import DataError

# A path of this form is the name of a TFDS data set.
TFDS = "tfds:"

FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".dat": "csv", ".data": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}


@dataclass(frozen=True)
class TableFiles:
    """The files of one table, in the order in which their rows count.

    Attributes:
      key: the YAML key that names them, for errors.
      path: what it was given.
      format: "csv", "parquet" or "jsonl"; of a TFDS data set "tfds".
      files: empty of a TFDS data set.
    """

    key: str
    path: str
    format: str
    files: tuple[Path, ...]

    def state(self) -> list[tuple[str, int, int]]:
        """(place, bytes, time of the last change in nanoseconds) of each file; a TFDS name."""
        if not self.files:
            return [(self.path, 0, 0)]
        stats = [(str(file.resolve()), file.stat()) for file in self.files]
        return [(place, stat.st_size, stat.st_mtime_ns) for place, stat in stats]


def find_files(key: str, path: str, format_: str = "auto") -> TableFiles:
    """The files at `path`: itself, or those in a folder whose names tell a format.

    Names that begin with "." or "_" are left out, as Arrow and Spark have it.

    Raises:
      DataError: nothing is there, no name tells a format, or several formats.
    """
    if path.startswith(TFDS):
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
            f"that end in {', '.join(FORMATS)}, or {_format_key(key)} say which they are"
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
    """What a file's name says of its format."""
    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() not in COMPRESSIONS]
    return FORMATS.get(suffixes[-1]) if suffixes else None


def compression_of(file: Path) -> str | None:
    """ "gzip" or "zstd", by the file's name."""
    return COMPRESSIONS.get(file.suffix.lower())


def _format(key: str, file: Path, format_: str) -> str:
    if format_ != "auto":
        return format_
    if found := format_of(file):
        return found
    raise DataError(
        f"{key}: got {str(file)!r}, whose name doesn't tell its format; must end in "
        f"{', '.join(FORMATS)}, or {_format_key(key)} say which it is"
    )


def _format_key(key: str) -> str:
    """ "data.items.format" beside "data.items.path"."""
    return f"{key.rpartition('.')[0]}.format"
