"""Who works on a study's directory: one main process, and any number of workers.

Locks of the operating system (flock): they end with the process that holds them,
however it ends, and a forked child keeps its parent's.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper.errors import OutputError

MAIN, WORKERS = ".main.lock", ".workers.lock"
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
