"""Stores a study in one file of its directory: an SQLite database or a journal."""

from __future__ import annotations

import json
import os
import sqlite3
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError

from sweeper.common.errors import OutputError
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storage.bulk_rdb import TrialStorage
from sweeper.study.storage.markers import DATABASE, JOURNAL
from sweeper.study.storage.storage import StudyLock, StudyStorage, create

STUDY_LOCK, JOURNAL_LOCK = ".turn.lock", ".journal.lock"
# How long SQLite waits for another process's transaction: while trials run, and at the start.
SECONDS_TO_WAIT, SECONDS_TO_START = 60.0, 5.0
DAMAGED = "{}: is not a database of a study, or is damaged: {}; use another directory"
LOCKED = (
    "{}: another program has kept this database locked for {:g} s; wait until it ends, or stop it"
)


class FileStudyLock:
    """A lock of the operating system (flock), which ends with its process, however that ends."""

    def __init__(self, directory: Path) -> None:
        self._lock = FileLock(directory / STUDY_LOCK)

    def acquire(self) -> None:
        self._lock.acquire()

    def release(self) -> bool:
        self._lock.release(force=True)
        return True


class StudyFile(StudyStorage):
    """A file that holds one study."""

    file_name: str

    def __init__(self, directory: Path) -> None:
        self.directory, self.path = directory, directory / self.file_name

    @abstractmethod
    def open(self, name: str) -> BaseStorage:
        """Opens a file in the directory, and creates it if needed."""

    def connect(self) -> BaseStorage:
        return self.open(self.file_name)

    def exists(self) -> bool:
        return self.path.exists()

    def make(
        self, objectives: Sequence[ObjectiveConfig], values: Mapping[str, Any], name: str
    ) -> None:
        beside = self.directory / f".{self.file_name}.new"
        beside.unlink(missing_ok=True)
        storage = self.open(beside.name)
        create(storage, name, objectives, values)
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()
        beside.rename(self.path)

    def study_name(self) -> str:
        # Opening an empty file would create Optuna's tables in it.
        self.check()
        return self._only_name(self.connect())

    def load(self) -> optuna.Study:
        storage = self.connect()
        return optuna.load_study(study_name=self._only_name(storage), storage=storage)

    def _only_name(self, storage: BaseStorage) -> str:
        names = optuna.get_all_study_names(storage)
        if len(names) != 1:
            raise OutputError(f"{self.path}: holds {len(names)} studies; must hold one")
        return names[0]

    def lock(self, study: optuna.Study) -> StudyLock:
        return FileStudyLock(self.directory)


class Sqlite(StudyFile):
    """Optuna's storage in the study's own SQLite file: the default."""

    kind, file_name = "sqlite", DATABASE

    def open(self, name: str) -> RDBStorage:
        path = self.directory / name
        url = URL.create("sqlite", database=str(path)).render_as_string()
        try:
            return TrialStorage(url, engine_kwargs={"connect_args": {"timeout": SECONDS_TO_WAIT}})
        except DatabaseError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise OutputError(LOCKED.format(path, SECONDS_TO_WAIT)) from error
            raise OutputError(DAMAGED.format(path, error.orig)) from error
        except RuntimeError as error:
            # Optuna raises this for a database of another version of Optuna.
            raise OutputError(f"{path}: {' '.join(str(error).split())}") from error

    def check(self) -> None:
        """Checks the whole database."""
        if not self.path.stat().st_size:
            raise OutputError(f"{self.path}: is empty; must be a study's database")
        try:
            with closing(sqlite3.connect(self.path, timeout=SECONDS_TO_START)) as connection:
                (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise OutputError(LOCKED.format(self.path, SECONDS_TO_START)) from error
            found = str(error)
        if found != "ok":
            raise OutputError(DAMAGED.format(self.path, found.splitlines()[-1]))


class Journal(StudyFile):
    """Optuna's journal, an append-only file for a file system that machines share."""

    kind, file_name = "journal", JOURNAL

    def open(self, name: str) -> JournalStorage:
        lock: Any = _AppendLock(self.directory / name)
        return JournalStorage(JournalFileBackend(str(self.directory / name), lock))

    def check(self) -> None:
        """Cuts off a last line that was not completely written; every other line must be valid."""
        lock = _AppendLock(self.path)
        lock.acquire()
        lock.release()
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    json.loads(line)
                except ValueError as error:
                    raise OutputError(
                        f"{self.path}: line {number} is damaged: {error}; use another directory"
                    ) from error


def cut_torn_line(path: Path) -> None:
    """Removes everything after a file's last line end: a line that was not completely written.

    A further line after it would make both unreadable.
    """
    with path.open("rb+") as file:
        end = whole = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if file.read(1) in (b"", b"\n"):
            return
        while whole:
            start = max(0, whole - 65_536)
            file.seek(start)
            found = file.read(whole - start).rfind(b"\n")
            if found >= 0:
                whole = start + found + 1
                break
            whole = start
        file.truncate(whole)


class _AppendLock:
    """A lock for appending to a journal; `acquire` cuts off the torn line of a killed process.

    It uses flock, as Optuna's lock files outlive a killed process for half a minute.
    """

    def __init__(self, journal: Path) -> None:
        self._journal, self._lock = journal, FileLock(journal.with_name(JOURNAL_LOCK))

    def __reduce__(self) -> tuple[type[_AppendLock], tuple[Path]]:
        """Pickles only the path, as Optuna pickles storages and each process needs its own lock."""
        return _AppendLock, (self._journal,)

    def acquire(self) -> bool:
        self._lock.acquire()
        cut_torn_line(self._journal)
        return True

    def release(self) -> None:
        self._lock.release()
