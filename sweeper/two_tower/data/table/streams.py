"""Opens the files of tables, and says why one can't be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweeper.common.errors import DataError, shortened
from sweeper.two_tower.data.table.files import compression_of

# What a block of a file must hold in whole: the longest row, and Arrow's guess at types.
BLOCK_BYTES = 16 * 1024 * 1024
# What Arrow, the file system and the decompressors raise.
UNREADABLE = (pa.ArrowException, OSError, EOFError, ValueError)


def opened(file: Path) -> Any:
    """A stream of the file's bytes, decompressed."""
    return pa.input_stream(str(file), compression=compression_of(file))


class RewrittenLines:
    """A stream of which `rewrite` has changed some whole lines at a time."""

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
    """The error for a text in another encoding, with the first line that isn't UTF-8."""
    with opened(file) as stream:
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


def unreadable(file: Path, format_: str, error: Exception) -> DataError:
    """The error for a file that isn't what its name says."""
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
