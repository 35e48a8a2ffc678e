"""This project's programs in processes of their own, as a user starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fork_server import Request

from sweeper.common.runtime import THREADS_VARIABLE

ROOT = Path(__file__).parent.parent


def run_module(
    directory: Path, module: str, *arguments: str, timeout: float = 120, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE ARGUMENTS` in a directory, to its end, as `run_forked` runs it.

    Args:
      timeout: in seconds.
      variables: of the environment, beside those of these tests.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return run_forked(directory, module, *arguments, timeout=timeout, environment=environment)


def run_fresh(
    directory: Path, *words: str, timeout: float = 120, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`python WORDS` in a directory, to its end, in a new interpreter."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@cache
def _fork_server() -> tuple[subprocess.Popen[bytes], Connection]:
    """The server of this process, which ends with it, and the connection to it."""
    connection, theirs = Pipe()
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(theirs.fileno())],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    theirs.close()
    return process, connection


def run_forked(
    directory: Path, program: str, *arguments: str, timeout: float, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs a module or a script to its end in a process of its own.

    It is the fork of one that has imported TensorFlow and Optuna, but started nothing. That saves
    seconds; what looks at imports, or at the start of an interpreter, needs `run_fresh`.

    Raises:
      subprocess.TimeoutExpired: it took longer than `timeout` seconds, and was killed.
    """
    _, server = _fork_server()
    # TensorFlow has not started there, with whatever number of threads it has started here.
    environment = {name: environment[name] for name in environment if name != THREADS_VARIABLE}
    with tempfile.TemporaryDirectory() as scratch:
        printed = [Path(scratch, name) for name in ("stdout", "stderr")]
        for path in printed:
            path.touch()
        streams = (os.devnull, *map(str, printed))
        server.send(Request(program, arguments, str(directory), environment, streams))
        process = server.recv()
        in_time = server.poll(timeout)
        if not in_time:
            os.kill(process, signal.SIGKILL)
        code = server.recv()
        if not in_time:
            raise subprocess.TimeoutExpired([program, *arguments], timeout)
        output, error = (path.read_text() for path in printed)
    return subprocess.CompletedProcess([program, *arguments], code, output, error)


@contextmanager
def started_module(
    directory: Path, module: str, *arguments: str, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """The same in the background, with all that it prints in `stdout`; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    with killed_at_the_end(process):
        yield process


@contextmanager
def killed_at_the_end(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Nothing of a process is left, whatever has become of a test."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
