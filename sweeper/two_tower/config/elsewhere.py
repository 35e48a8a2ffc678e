"""Configuration files that the command line doesn't name, near the working directory."""

from __future__ import annotations

import glob
import shlex
from contextlib import suppress
from pathlib import Path

# Where a project's conf/ and a study's best.yaml lie, seen from the folders that users start in.
PLACES = ("", "*/", "*/*/", "*/*/conf/")
MAX_NAMED = 3


def directories_with(file: str) -> list[Path]:
    """Up to three directories, of which each would do as `--config-dir` to find a file.

    Args:
      file: as a configuration directory has it: "study/my_films.yaml".
    """
    found: list[Path] = []
    # A name can be anything that a user types, also what no file may be called.
    with suppress(OSError, ValueError):
        for place in PLACES:
            pattern = f"{place}{glob.escape(file)}"
            found += sorted(
                Path(match.removesuffix(file) or ".")
                for match in glob.iglob(pattern)
                if Path(match).is_file()
            )
            if len(found) >= MAX_NAMED:
                break
    return found[:MAX_NAMED]


def config_dir_hint(file: str) -> str:
    """What ends the line of an error: which `--config-dir` has the file, or ""."""
    found = directories_with(file)
    options = " or ".join(f"--config-dir {shlex.quote(str(directory))}" for directory in found)
    return f". {found[0] / file} is there: give {options}" if found else ""
