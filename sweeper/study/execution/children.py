"""Checks child processes without reaping them.

The kernel may give the identifiers of a reaped child and of its process group to any new
process. A signal to such an identifier would reach an unrelated process.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

SECONDS_BETWEEN_QUESTIONS = 0.02


def is_running(process: int) -> bool:
    """Returns whether a process is a child of this one and has not ended."""
    with suppress(ChildProcessError):
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    return False


def is_unreaped(process: int) -> bool:
    """Returns whether an identifier still belongs to a child of this process, running or ended."""
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    return False


def wait_for_end(process: int, seconds: float) -> bool:
    """Waits for a child without reaping it; returns False if it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while is_running(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(SECONDS_BETWEEN_QUESTIONS)
    return True
