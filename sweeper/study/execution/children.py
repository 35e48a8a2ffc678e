"""Asks after child processes without reaping them.

The kernel may give the identifier of a reaped child to any new process, and the identifier
of its group with it. A signal by that identifier would reach a stranger.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

SECONDS_BETWEEN_QUESTIONS = 0.02


def is_running(process: int) -> bool:
    """Whether a process is a child of this one and has not ended."""
    with suppress(ChildProcessError):
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    return False


def is_unreaped(process: int) -> bool:
    """Whether an identifier still is that of a child of this process, running or ended."""
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    return False


def wait_for_end(process: int, seconds: float) -> bool:
    """Waits until a child has ended, without reaping it; False if it runs on after `seconds`."""
    deadline = time.monotonic() + seconds
    while is_running(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(SECONDS_BETWEEN_QUESTIONS)
    return True
