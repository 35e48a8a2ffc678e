"""Writes files atomically, and checks that directories can be written."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sweeper.common.errors import OutputError, unwritable

# Where a trial that fails leaves the traceback, in its directory.
TRACEBACK = "traceback.txt"


def atomic_write(path: Path, content: bytes) -> None:
    """Writes a file beside its place, flushes it to disk, then renames it.

    Raises:
      OutputError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).chmod(0o644)
            os.replace(beside, path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(
            f"{path}: can't be written ({error.strerror or error}); give a directory that can be "
            "written and has room"
        ) from error


def make_writable(key: str, directory: Path) -> None:
    """Makes a directory, and checks by a temporary file that it can be written.

    Raises:
      OutputError: it can't; the error names `key`.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise unwritable(key, directory, error) from error


def check_writable(key: str, directory: Path) -> None:
    """Does the same as `make_writable`, and removes the directory again if it is new."""
    existed = directory.exists()
    try:
        make_writable(key, directory)
    finally:
        if not existed:
            with suppress(OSError):
                directory.rmdir()


@contextmanager
def temporary_files_in(directory: Path) -> Iterator[None]:
    """Makes libraries put temporary files there that they would leave in the system's directory."""
    before = tempfile.tempdir
    tempfile.tempdir = str(directory)
    try:
        yield
    finally:
        tempfile.tempdir = before


def read_json(path: Path, what: str) -> Any:
    """Reads a JSON file; `what` names its content in errors.

    Raises:
      OutputError: the file can't be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(f"{path}: no {what} can be read from it: {error}") from error
