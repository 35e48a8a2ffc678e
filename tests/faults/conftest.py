"""What all fault tests share: the table of faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fault_table
import pytest
from rich.console import Console

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
