"""Locks a study's directory for one main process and any number of workers.

The locks are the operating system's (flock): they end with the process that holds them,
however it ends, and a forked child keeps those of its parent. The module also writes a file
that stops workers while the study's storage is unreachable.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sweeper.common.errors import OutputError

MAIN, WORKERS, STOP = ".main.lock", ".workers.lock", ".stop"
# The children of a killed process end within this time.
SECONDS_TO_END = {MAIN: 2.0, WORKERS: 10.0}


@contextmanager
def main_process(directory: Path) -> Iterator[None]:
    """Holds the lock of the process that starts and recovers a study.

    Raises:
      OutputError: another process holds it.
    """
    with _lock(directory / MAIN, fcntl.LOCK_EX, f"another process runs the study in {directory}"):
        yield


@contextmanager
def worker(directory: Path) -> Iterator[None]:
    """Holds the lock that all workers and their trial processes share."""
    with _lock(directory / WORKERS, fcntl.LOCK_SH, f"another process recovers {directory}"):
        yield


def wait_for_workers(directory: Path) -> None:
    """Waits until no worker of an earlier start is left.

    Raises:
      OutputError: a worker still runs after the time that it has to end.
    """
    with _lock(directory / WORKERS, fcntl.LOCK_EX, f"workers of an earlier start run {directory}"):
        pass


def must_stop(directory: Path) -> bool:
    """Returns whether `request_stop` was called."""
    return (directory / STOP).exists()


def request_stop(directory: Path) -> None:
    """Makes all workers that see the directory stop at once."""
    with suppress(OSError):  # The disk may be full; then workers learn it from the storage.
        (directory / STOP).touch()


def withdraw_stop(directory: Path) -> None:
    """Undoes `request_stop`."""
    (directory / STOP).unlink(missing_ok=True)


@contextmanager
def _lock(path: Path, kind: int, held: str) -> Iterator[None]:
    deadline = time.monotonic() + SECONDS_TO_END[path.name]
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OutputError(
                        f"hydra.sweep.dir: {held}; wait until that ends, or stop it first"
                    ) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)
