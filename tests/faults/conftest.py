"""What all fault tests share: the toy study, started and ended, and the table of faults."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

# What the other tests make up: studies, plans, archives.
for folder in ("study", "data", "report"):
    sys.path.append(str(Path(__file__).parents[1] / folder))

import fault_table  # noqa: E402
from toy_runs import starting  # noqa: E402

FAULTS = pytest.StashKey[list[fault_table.Fault]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", help="a Markdown file to write the table of faults into")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FAULTS] = []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    faults = config.stash[FAULTS]
    if not faults:
        return
    Console(file=terminalreporter._tw._file, width=110).print("", fault_table.printed(faults))
    if path := config.getoption("--fault-table", None):
        fault_table.write(Path(path), faults)


@pytest.fixture
def fault(request) -> Callable[[str], fault_table.Fault]:
    """A new row of the table."""

    def note(name: str) -> fault_table.Fault:
        request.config.stash[FAULTS].append(fault_table.Fault(name))
        return request.config.stash[FAULTS][-1]

    return note


@pytest.fixture
def started(tmp_path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the toy in the background."""
    with starting(tmp_path, seconds=0.12) as begin:
        yield begin
