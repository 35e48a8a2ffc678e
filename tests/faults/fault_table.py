"""What the fault tests have injected and what it cost, as one table."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path

from rich.table import Table

BEGIN, END = "<!-- fault table -->", "<!-- end of the fault table -->"
COLUMNS = (
    "fault", "injected", "lost", "duplicates", "median seconds to recover", "worst",
)  # fmt: skip


@dataclass
class Fault:
    """One kind of fault, as a test injected it.

    Attributes:
      injected: how many times.
      lost: finished trials that were no longer so, and trials cut short beyond those in progress.
      duplicates: trials that counted twice.
      recoveries: seconds from the fault, or the next start, until trials ran again; of those
        times when they did before the next fault.
    """

    name: str
    injected: int = 0
    lost: int = 0
    duplicates: int = 0
    recoveries: list[float] = field(default_factory=list)

    def cells(self) -> list[str]:
        seconds = self.recoveries
        times = (
            [f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"] if seconds else ["-"] * 2
        )
        return [self.name, *map(str, (self.injected, self.lost, self.duplicates)), *times]


def printed(faults: Sequence[Fault]) -> Table:
    table = Table(title="Faults", title_justify="left", box=None, pad_edge=False)
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if index else "left")
    for fault in faults:
        table.add_row(*fault.cells())
    return table


def write(path: Path, faults: Sequence[Fault]) -> None:
    """Puts the table between the two marks in a Markdown file."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{path}: must hold {BEGIN} and {END}"
    rows = [list(COLUMNS), ["---", *["---:"] * (len(COLUMNS) - 1)], *(f.cells() for f in faults)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    path.write_text("\n".join([before + BEGIN, "", *lines, "", _where(), "", END + after]))


def _where() -> str:
    return (
        f"({len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}, Optuna {version('optuna')}, SQLite "
        f"{sqlite3.sqlite_version}, {date.today()})"
    )
