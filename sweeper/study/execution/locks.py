"""Who works on a study's directory: one main process, and any number of workers.

Locks of the operating system (flock): they end with the process that holds them,
however it ends, and a forked child keeps its parent's. And a file that has workers stop
which can't be told by the study's storage, since that is away.
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
# A process that was killed may leave children, which notice within this time.
SECONDS_TO_END = {MAIN: 2.0, WORKERS: 10.0}


@contextmanager
def main_process(directory: Path) -> Iterator[None]:
    """Held by the process that starts and settles a study, while it does.

    Raises:
      OutputError: another process has it.
    """
    with _lock(directory / MAIN, fcntl.LOCK_EX, f"another process runs the study in {directory}"):
        yield


@contextmanager
def worker(directory: Path) -> Iterator[None]:
    """Held by each worker, together with the others, and by the processes of its trials."""
    with _lock(directory / WORKERS, fcntl.LOCK_SH, f"the study in {directory} is being settled"):
        yield


def wait_for_workers(directory: Path) -> None:
    """Returns when no worker of an earlier start is left.

    Raises:
      OutputError: some still run after its time to end.
    """
    with _lock(directory / WORKERS, fcntl.LOCK_EX, f"workers of an earlier start run {directory}"):
        pass


def must_stop(directory: Path) -> bool:
    """Whether the main process has been told to stop."""
    return (directory / STOP).exists()


def request_stop(directory: Path) -> None:
    """Has all workers that see the directory end what they do, at once."""
    with suppress(OSError):  # A full disk: then the storage tells them.
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
                        f"hydra.sweep.dir: {held}; wait for its end or stop it first"
                    ) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)
