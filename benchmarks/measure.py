"""What the benchmarks share: child processes, medians, and the machine's name.

Each measurement runs in a process of its own, so that nothing is left over from
the one before. Children that run at once wait for each other after their
warm-up, so that all of what is timed overlaps.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from sweeper.common.runtime import available_cores, peak_memory_mb

ROOT = Path(__file__).resolve().parent.parent
READY = "ready"
PACKAGES = ("tensorflow", "tf-keras", "tensorflow-recommenders", "numpy")


class BenchmarkError(RuntimeError):
    """A child process failed; the text has the end of what it printed."""


@dataclass(frozen=True)
class Spread:
    """Repeats of one measurement; shown as "median (smallest-largest)"."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def show(self, digits: int = 2) -> str:
        if len(self.values) == 1:
            return f"{self.median:.{digits}f}"
        low, high = min(self.values), max(self.values)
        return f"{self.median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def layer_list(text: str) -> list[int]:
    """Widths from the command line: "64,32" to [64, 32]."""
    return [int(width) for width in text.split(",")]


def positive(text: str) -> int:
    """A whole number from 1 on, from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"got {text}; must be at least 1")
    return number


def peak_gigabytes() -> float:
    """The most resident memory that this process has had, by itself."""
    return peak_memory_mb() * 2**20 / 1e9


def wait_for_go() -> None:
    """In a child: tells that the warm-up is over, waits until all children are there."""
    print(READY, flush=True)
    sys.stdin.readline()


def run_together(commands: list[list[str]], python: str = sys.executable) -> list[dict[str, Any]]:
    """Runs Python modules at the same time; returns what each printed last, as JSON.

    Args:
      commands: for each child the module's name and its arguments. With more
        than one, each gets `--wait` and is released once all are warm.
      python: the interpreter, of whichever environment.

    Raises:
      BenchmarkError: a child failed.
    """
    wait = len(commands) > 1
    children = [_Child([*command, *(["--wait"] if wait else [])], python) for command in commands]
    try:
        if wait:
            for child in children:
                child.read_until_ready()
            for child in children:
                child.release()
        return [child.result() for child in children]
    finally:
        for child in children:
            child.end()


class _Child:
    """One process that runs a module of this folder."""

    def __init__(self, command: list[str], python: str) -> None:
        self.command = command
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (read by fail)
        self.process = subprocess.Popen(
            [python, "-m", *command],
            cwd=ROOT,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def read_until_ready(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.strip() == READY:
                return
        self.fail("ended before its warm-up was over")

    def release(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self) -> dict[str, Any]:
        output, _ = self.process.communicate()
        if self.process.returncode:
            self.fail(f"ended with exit code {self.process.returncode}")
        return json.loads(output.splitlines()[-1])

    def fail(self, what: str) -> None:
        self.process.wait()
        self.errors.seek(0)
        raise BenchmarkError(
            f"python -m {' '.join(self.command)}: {what}\n{self.errors.read()[-2000:]}"
        )

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.errors.close()


def child_environment() -> dict[str, str]:
    """This process's environment, less any number of threads that is set in it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    }
    return environment | {"TF_CPP_MIN_LOG_LEVEL": "2"}


def describe_machine() -> dict[str, Any]:
    """Processor, cores, versions and date."""
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "system": platform.system(),
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version()}
        | {package: metadata.version(package) for package in PACKAGES},
    }


def machine_line(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; {versions}; "
        f"{machine['date']}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
