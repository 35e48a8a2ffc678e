"""Locks a study with PostgreSQL's advisory locks, which end with their connection.

The database must know who works on a study, because the study's directory may have been
copied, and workers on other machines may not see it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from sweeper.common.errors import OutputError
from sweeper.study.storage.retry import RetryingStorage, with_retry

# An advisory lock has two numbers: the first is one of these, the second identifies the study.
STUDIES, MAIN, WORKERS, STUDY_LOCK = 0x53570000, 0x53570001, 0x53570002, 0x53570003
SECONDS_BETWEEN_TRIES = 0.2
TRY = text("SELECT pg_try_advisory_lock(:kind, :study)")
LOCK = text("SELECT pg_advisory_lock(:kind, :study)")
UNLOCK = text("SELECT pg_advisory_unlock(:kind, :study)")
# A worker acquires its lock on the study with each claim, as its connection may be a new one.
ACQUIRE_STUDY_LOCK = text(
    f"SELECT pg_advisory_lock_shared({WORKERS}, :study), pg_advisory_lock({STUDY_LOCK}, :study)"
)


class AdvisoryStudyLock:
    """A study lock of a worker, on the only connection of its storage.

    The lock belongs to the database session, which lives on while the connection lies in
    the pool. `release` therefore reports whether the connection broke since `acquire`.
    """

    def __init__(self, storage: RetryingStorage, study: int) -> None:
        self._storage, self._study = storage, study
        self._held = False

    def acquire(self) -> None:
        with_retry(self._acquire, self._storage.seconds, self._storage.give_up)
        self._held = True

    def _acquire(self) -> None:
        with self._storage.engine.connect() as connection:
            connection.execute(ACQUIRE_STUDY_LOCK, {"study": self._study})

    def release(self) -> bool:
        if not self._held:
            return True
        self._held = False
        try:
            with self._storage.engine.connect() as connection:
                values = {"kind": STUDY_LOCK, "study": self._study}
                return bool(connection.scalar(UNLOCK, values))
        except DBAPIError:
            return False


@contextmanager
def main_process(engine: Engine, study: int, held: str) -> Iterator[None]:
    """Holds the lock of a study's main process, on a connection of its own.

    Raises:
      OutputError: another process holds the lock; `held` is the message.
    """
    with _own_connection(engine) as connection:
        if not connection.scalar(TRY, {"kind": MAIN, "study": study}):
            raise OutputError(held)
        yield


def wait_for_workers(engine: Engine, study: int, seconds: float) -> None:
    """Waits until no connection of a worker holds a lock on a study.

    Raises:
      OutputError: a worker still holds one after `seconds`.
    """
    values, deadline = {"kind": WORKERS, "study": study}, time.monotonic() + seconds
    with _own_connection(engine) as connection:
        while not connection.scalar(TRY, values):
            if time.monotonic() > deadline:
                raise OutputError(
                    "hydra.sweep.dir: workers of an earlier start still run this study on other "
                    "machines; wait until they end, or stop them first"
                )
            time.sleep(SECONDS_BETWEEN_TRIES)


@contextmanager
def creation_lock(engine: Engine) -> Iterator[None]:
    """Holds the lock under which a study is created, and the tables with the first study."""
    with _own_connection(engine) as connection:
        connection.execute(LOCK, {"kind": STUDIES, "study": 0})
        yield


@contextmanager
def _own_connection(engine: Engine) -> Iterator[Connection]:
    """Opens a connection and closes it at the end, which releases its locks.

    The connection may have broken by then.
    """
    connection = engine.connect()
    try:
        yield connection
    finally:
        connection.invalidate()
        connection.close()
