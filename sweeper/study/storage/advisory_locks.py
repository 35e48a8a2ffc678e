"""PostgreSQL's locks of a session: they end with its connection, however that ends.

Who works on a study is known to the database, too, since its directory may have been
copied, and its workers may not see it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from sweeper.common.errors import OutputError
from sweeper.study.storage.retry import RetryingStorage, with_retry

# The first of a lock's two numbers; the second is the study's.
STUDIES, MAIN, WORKERS, STUDY_LOCK = 0x53570000, 0x53570001, 0x53570002, 0x53570003
SECONDS_BETWEEN_TRIES = 0.2
TRY = text("SELECT pg_try_advisory_lock(:kind, :study)")
LOCK = text("SELECT pg_advisory_lock(:kind, :study)")
UNLOCK = text("SELECT pg_advisory_unlock(:kind, :study)")
# A worker's lock on the study is taken with each turn: its connection may be a new one.
ACQUIRE_STUDY_LOCK = text(
    f"SELECT pg_advisory_lock_shared({WORKERS}, :study), pg_advisory_lock({STUDY_LOCK}, :study)"
)


class AdvisoryStudyLock:
    """The turn of a worker, on the one connection that its storage has.

    The lock is the session's, which goes on while the connection lies in the pool: so
    whatever breaks the connection between `acquire` and `release` is told by `release`.
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
    """Held, on a connection of its own, by the process that starts and settles a study.

    Raises:
      OutputError: another process has it; `held` says where.
    """
    with _own_connection(engine) as connection:
        if not connection.scalar(TRY, {"kind": MAIN, "study": study}):
            raise OutputError(held)
        yield


def wait_for_workers(engine: Engine, study: int, seconds: float) -> None:
    """Returns when no worker has a connection with its lock on a study.

    Raises:
      OutputError: some still have after so many seconds.
    """
    values, deadline = {"kind": WORKERS, "study": study}, time.monotonic() + seconds
    with _own_connection(engine) as connection:
        while not connection.scalar(TRY, values):
            if time.monotonic() > deadline:
                raise OutputError(
                    "hydra.sweep.dir: workers of an earlier start still run this study, on other "
                    "machines; wait for their end or stop them first"
                )
            time.sleep(SECONDS_BETWEEN_TRIES)


@contextmanager
def creation_lock(engine: Engine) -> Iterator[None]:
    """Held while a study, and with the first one the tables, are made."""
    with _own_connection(engine) as connection:
        connection.execute(LOCK, {"kind": STUDIES, "study": 0})
        yield


@contextmanager
def _own_connection(engine: Engine) -> Iterator[Connection]:
    """Closed at the end, and its locks with it; it may have broken by then."""
    connection = engine.connect()
    try:
        yield connection
    finally:
        connection.invalidate()
        connection.close()
