"""`python -m … | head`: nothing reads the output any more, and the program ends without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest
from processes import ROOT

from sweeper.common.console import make_console
from sweeper.common.errors import Stopped
from sweeper.common.exit_codes import exit_codes

QUIET = (0, 128 + signal.SIGPIPE)
MODULES = ["sweeper", "sweeper.inspect", "sweeper.init", "sweeper.report", "sweeper.export",
           "sweeper.recommend", "sweeper.embed"]  # fmt: skip


def run_with_closed_output(
    directory: Path, *words: str, unbuffered: str = ""
) -> subprocess.CompletedProcess[str]:
    """`python -m …` whose standard output is a pipe that is closed at the other end."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
            stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)


@pytest.mark.parametrize("module", MODULES)
def test_the_help_of_each_program_ends_quietly(module: str, tmp_path: Path) -> None:
    done = run_with_closed_output(tmp_path, module, "--help")
    assert done.stderr == ""
    assert done.returncode in QUIET


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_so_does_a_configuration_that_is_shown(tmp_path: Path, unbuffered: str) -> None:
    done = run_with_closed_output(tmp_path, "sweeper", "--cfg", "job", unbuffered=unbuffered)
    assert done.stderr == ""
    assert done.returncode in QUIET


@contextmanager
def closed_output() -> Iterator[None]:
    """Standard output of this process, closed at the other end."""
    reading, writing = os.pipe()
    os.close(reading)
    before = os.dup(1)
    os.dup2(writing, 1)
    os.close(writing)
    try:
        with os.fdopen(1, "w", closefd=False) as output, redirect_stdout(output):
            yield
    finally:
        os.dup2(before, 1)
        os.close(before)


def test_what_is_printed_by_any_means_ends_the_same() -> None:
    with closed_output(), pytest.raises(SystemExit) as caught, exit_codes():
        print("a line", flush=True)
    assert caught.value.code == 128 + signal.SIGPIPE


def test_a_trial_that_prints_is_interrupted_as_by_a_signal() -> None:
    with closed_output(), pytest.raises(Stopped, match="SIGPIPE"):
        make_console().print("a line")


def test_another_pipe_that_breaks_is_an_error_as_ever() -> None:
    with pytest.raises(BrokenPipeError), exit_codes():
        raise BrokenPipeError(32, "a worker is gone")
