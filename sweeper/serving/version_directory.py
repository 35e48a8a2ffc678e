"""A version's directory: it is there whole or not at all, and none is written over."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sweeper.common.errors import ConfigError, unwritable
from sweeper.common.output_files import check_writable, make_writable
from sweeper.serving.manifest import is_version
from sweeper.study.storage.markers import holds_study
from sweeper.two_tower import record as records

PREFIX = ".unfinished_"


def check_output(output: Path) -> None:
    """Refuses a directory that can't be written, or that holds a study or a run."""
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
      OutputError: there is no room, or no right to write.
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
            # A rename replaces an empty directory, but none with files.
            os.rename(beside, place)
            return place
        except OSError:
            # Another export has taken the number meanwhile.
            if not place.exists():
                raise
            number += 1


def next_version(output: Path) -> int:
    """One more than any that is there, whether it is whole or not."""
    return max([0, *map(int, filter(is_version, os.listdir(output)))]) + 1


def _flush(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
