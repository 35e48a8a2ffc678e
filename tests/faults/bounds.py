"""Limits of time and memory around what is tried, and what counts as a clear end."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

from sweeper.common.exit_codes import exit_codes

GIGABYTE = 2**30


class TookTooLongError(BaseException):
    """No `Exception`: what is tried must not be able to catch it."""


@contextmanager
def bounded(seconds: float = 10.0, gigabytes: float = 1.0) -> Iterator[None]:
    """Within it, more time raises TookTooLongError, so much more memory MemoryError."""

    def stop(*_: Any) -> None:
        raise TookTooLongError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + int(gigabytes * GIGABYTE), hard))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def told(function: Callable[[], object], seconds: float = 10.0) -> str:
    """What the user is told where a command ends with exit code 2; "" where it goes well.

    Raises:
      Exception: whatever the user would see the traceback of.
    """
    printed = StringIO()
    try:
        with bounded(seconds), redirect_stderr(printed), exit_codes():
            function()
    except SystemExit as end:
        code = end.code
    else:
        return ""
    assert code == 2, code
    assert printed.getvalue().startswith(("error: ", "usage: ")), printed.getvalue()
    return printed.getvalue()
