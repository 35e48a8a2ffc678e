"""The cache of encoded interactions.

`<cache_dir>/encoded/<name>-<key>/` contains three Arrow files, which are memory-mapped when
they are read, and a manifest with their sizes and checksums. An entry appears at once, by a rename.
It is built once, however many processes ask for it, and built again if a checksum shows that it is
damaged. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.ipc

from sweeper.common.errors import DataError
from sweeper.two_tower.data.columns import Column, from_arrow, to_arrow
from sweeper.two_tower.data.interactions import Interactions, assemble

FORMAT_VERSION = 2
MANIFEST = "manifest.json"
# The query columns; each row's item, and its weight if it has one; the candidates' columns.
ROWS, ITEMS, CATALOGUE = "rows.arrow", "items.arrow", "catalogue.arrow"
FILES = (ROWS, ITEMS, CATALOGUE)
ITEM_INDEX, WEIGHT = "item_index", "weight"


@dataclass(frozen=True)
class CacheEntry:
    """The name of an entry: the data set, and a key of its source."""

    name: str
    key: str

    @classmethod
    def of(cls, name: str, settings: str) -> CacheEntry:
        """Makes the entry of a data set whose rows are determined by `settings`."""
        return cls(name, hashlib.sha256(settings.encode()).hexdigest()[:16])

    @property
    def directory_name(self) -> str:
        return f"{self.name}-{self.key}"


class DamagedCacheError(Exception):
    """An entry exists, but isn't what was written."""


def cache_directory(configured: str | None) -> Path:
    """Returns `data.cache_dir`, else $SWEEPER_CACHE_DIR, else the user's cache directory."""
    chosen = configured or os.environ.get("SWEEPER_CACHE_DIR")
    if chosen:
        return Path(os.path.expanduser(chosen)).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(home)).absolute() / "sweeper"


def load_or_build(
    directory: Path,
    entry: CacheEntry,
    build: Callable[[], Interactions],
    say: Callable[[str], None],
) -> Interactions:
    """Reads the entry; if it is missing or damaged, builds and writes it first.

    Raises:
      DataError: `directory` can't be written, or whatever `build` raises.
    """
    place = directory / "encoded" / entry.directory_name
    with contextlib.suppress(DamagedCacheError):
        if place.exists():
            return read_entry(place)
    with writing_to(directory):
        place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place, say):
        try:
            if place.exists():
                return read_entry(place)
        except DamagedCacheError as error:
            say(f"The cache entry {place} is damaged ({error}): building it again.")
        interactions = build()
        with writing_to(directory):
            _write_entry(place, interactions)
        return read_entry(place)


@contextlib.contextmanager
def writing_to(directory: Path) -> Iterator[None]:
    """Turns errors of the file system into one that says what to set."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"The cache directory {directory} can't be written: {error}. Free or allow it, or "
            "choose another with data.cache_dir=... or the environment variable SWEEPER_CACHE_DIR."
        ) from error


@contextlib.contextmanager
def _locked(place: Path, say: Callable[[str], None]) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(place.with_name(place.name + ".lock"))
    with writing_to(place.parent):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"Waiting for another process that is preparing {place.name} ...")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_entry(place: Path) -> Interactions:
    """Reads an entry; its columns are views of the mapped files.

    Raises:
      DamagedCacheError: something is missing, altered, or of another format.
    """
    try:
        manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format_version"] != FORMAT_VERSION:
            raise DamagedCacheError(f"format version {manifest['format_version']}")
        for name in FILES:
            if _checksum(place / name) != manifest["files"][name]:
                raise DamagedCacheError(f"{name} is not what was written")
        items = _read_table(place / ITEMS)
        weighted = WEIGHT in items.column_names
        return assemble(
            query_columns=_columns(_read_table(place / ROWS)),
            items=items[ITEM_INDEX].chunk(0).to_numpy(),
            candidate_columns=_columns(_read_table(place / CATALOGUE)),
            source=manifest["source"],
            fingerprint=manifest["fingerprint"],
            user_column=manifest["roles"]["user"],
            item_column=manifest["roles"]["item"],
            timestamp_column=manifest["roles"]["timestamp"],
            weights=items[WEIGHT].chunk(0).to_numpy() if weighted else None,
            dropped=manifest["dropped"],
        )
    except (
        OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError,
        pa.ArrowException, DataError,
    ) as error:  # fmt: skip
        raise DamagedCacheError(f"{type(error).__name__}: {error}") from error


def _write_entry(place: Path, interactions: Interactions) -> None:
    """Writes beside the place and renames, so that a half-written entry is never seen.

    The caller holds the entry's lock, so what a killed writer left behind is removed first.
    """
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        items = {ITEM_INDEX: pa.array(interactions.items, pa.int32())}
        if interactions.weights is not None:
            items[WEIGHT] = pa.array(interactions.weights, pa.float32())
        _write_table(partial / ROWS, _arrays(interactions.query_columns))
        _write_table(partial / ITEMS, items)
        _write_table(partial / CATALOGUE, _arrays(interactions.candidate_columns))
        manifest = json.dumps(_manifest(partial, interactions), indent=2)
        with open(partial / MANIFEST, "wb") as file:
            file.write(manifest.encode())
            _sync(file)
        if place.exists():  # a rename can't replace a directory that isn't empty
            os.replace(place, partial / "damaged")
        os.replace(partial, place)
        shutil.rmtree(place / "damaged", ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _manifest(partial: Path, interactions: Interactions) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "source": interactions.source,
        "fingerprint": interactions.fingerprint,
        "roles": {
            "user": interactions.user_column,
            "item": interactions.item_column,
            "timestamp": interactions.timestamp_column,
        },
        "dropped": interactions.dropped,
        "num_rows": len(interactions),
        "num_users": interactions.num_users,
        "num_items": interactions.num_items,
        "files": {name: _checksum(partial / name) for name in FILES},
    }


def _checksum(path: Path) -> dict[str, int]:
    size = path.stat().st_size
    if size == 0:
        return {"bytes": 0, "crc32": 0}
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {"bytes": size, "crc32": zlib.crc32(data)}


def _write_table(path: Path, columns: dict[str, pa.Array]) -> None:
    table = pa.table(columns)
    with open(path, "wb") as file:
        with pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        _sync(file)


def _read_table(path: Path) -> pa.Table:
    return pyarrow.ipc.open_file(pa.memory_map(str(path))).read_all()


def _columns(table: pa.Table) -> dict[str, Column]:
    return {name: from_arrow(table[name]) for name in table.column_names}


def _arrays(columns: dict[str, Column]) -> dict[str, pa.Array]:
    return {name: to_arrow(column) for name, column in columns.items()}


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
