"""This project's programs in processes of their own, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def run_module(
    directory: Path, module: str, *arguments: str, timeout: float = 120, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE ARGUMENTS` in a directory, to its end.

    Args:
      timeout: in seconds.
      variables: of the environment, beside those of these tests.
    """
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


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
