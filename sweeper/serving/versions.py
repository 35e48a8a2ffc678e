"""The versions of an export: each directory is complete or absent, and is never overwritten."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sweeper.common.errors import ConfigError, OutputError, unwritable
from sweeper.common.output_files import check_writable, make_writable
from sweeper.serving.manifest import MANIFEST
from sweeper.study.storage.markers import holds_study
from sweeper.two_tower import record as records

PREFIX = ".unfinished_"
EXAMPLES = 3


def find_version(directory: Path, version: int | None) -> Path:
    """Returns the directory of one version of an export.

    Args:
      directory: of an export with its versions, or of one version.
      version: None: the newest.

    Raises:
      OutputError: there is no such version.
    """
    if version is None and (directory / MANIFEST).exists():
        return directory
    if (directory / MANIFEST).exists():
        raise OutputError(
            f"version: got {version}, but {directory} is one version itself; must be left out"
        )
    found = list_versions(directory)
    if not found:
        raise OutputError(
            f"{directory}: holds no export ({MANIFEST}); must be a directory that "
            f"python -m sweeper.export wrote{_examples(directory)}"
        )
    number = found[-1] if version is None else version
    if number not in found:
        raise OutputError(
            f"version: got {version}; must be one that {directory} has: "
            f"{', '.join(map(str, found))}"
        )
    return directory / str(number)


def is_version(name: str) -> bool:
    """Returns whether a directory's name is that of a version: 1, 2, …"""
    return name.isascii() and name.isdigit()


def list_versions(directory: Path) -> list[int]:
    """Returns the versions of an export, in order."""
    return sorted(
        int(path.parent.name)
        for path in directory.glob(f"*/{MANIFEST}")
        if is_version(path.parent.name)
    )


def _examples(directory: Path) -> str:
    """Names exports below the directory, one of which the user may have meant."""
    places = sorted({str(path.parent.parent) for path in directory.glob(f"*/*/{MANIFEST}")})
    return f": {', '.join(places[:EXAMPLES])}" if places else ""


def check_output_directory(output: Path) -> None:
    """Raises an error for a directory that can't be written, or that holds a study or a run."""
    if holds_study(output) or (output / records.TRIAL).exists():
        raise ConfigError(
            f"output: got {output}, which holds a study or a run; must be another directory: an "
            "export's versions lie in it"
        )
    check_writable("output", output)


def write_version(output: Path, write: Callable[[Path], None]) -> Path:
    """Writes the next version of an export, numbered from 1.

    Args:
      output: holds all versions.
      write: fills the directory that it is given.

    Raises:
      OutputError: there is no space left, or no permission to write.
    """
    make_writable("output", output)
    beside = Path(tempfile.mkdtemp(prefix=PREFIX, dir=output))
    try:
        try:
            write(beside)
            _flush(beside)
            beside.chmod(0o755)
            return _rename(beside, output)
        except OSError as error:
            raise unwritable("output", output, error) from error
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _rename(beside: Path, output: Path) -> Path:
    number = next_version(output)
    while True:
        place = output / str(number)
        try:
            # A rename can replace an empty directory, but not one with files.
            os.rename(beside, place)
            return place
        except OSError:
            # Another export has used the number meanwhile.
            if not place.exists():
                raise
            number += 1


def next_version(output: Path) -> int:
    """Returns one more than the highest number there, whether that version is complete or not."""
    return max([0, *map(int, filter(is_version, os.listdir(output)))]) + 1


def _flush(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
