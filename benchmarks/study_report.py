"""What a part of `benchmarks.study` comes to, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Limit:
    """Something that must hold.

    Attributes:
      text: what must hold, "overhead of a trial at most 0.25 s".
      figure: what was measured.
      is_a_count: it holds at any size, so `--quick` judges it too.
    """

    text: str
    figure: str
    met: bool
    is_a_count: bool = False


@dataclass
class PartResult:
    """What one part has measured.

    Attributes:
      rows: (what, figure), in the order to show them.
      ratio: (of what against which reference, figure).
      figures: all of it for `--json`.
    """

    ratio: tuple[str, str]
    rows: list[tuple[str, str]]
    limits: list[Limit]
    figures: dict[str, Any] = field(default_factory=dict)


def ratio_text(numerator: float | None, denominator: float | None) -> str:
    """ "5.2 x", or "-" where one of the two is missing."""
    if numerator is None or not denominator:
        return "-"
    return f"{numerator / denominator:.2f} x"


def results_table(results: Mapping[str, PartResult]) -> Table:
    """All figures of all parts, the ratio of each last."""
    table = Table(title="Studies", title_justify="left", box=None, pad_edge=False)
    table.add_column("part")
    table.add_column("")
    table.add_column("value", justify="right")
    for part, result in results.items():
        title = part
        for what, figure in result.rows:
            table.add_row(title, what, figure)
            title = ""
        what, figure = result.ratio
        table.add_row(title, f"ratio: {what}", figure, style="bold", end_section=True)
    return table


def show_limits(results: Mapping[str, PartResult], quick: bool, console: Console) -> bool:
    """Prints a line for each limit; returns whether all that count are met."""
    all_met = True
    for part, result in results.items():
        for limit in result.limits:
            judged = limit.is_a_count or not quick
            all_met = all_met and (limit.met or not judged)
            verdict = "met" if limit.met else "NOT MET"
            note = "" if judged else " (--quick: not judged)"
            console.print(
                f"{verdict:<8}{part}: {limit.text}; measured {limit.figure}{note}",
                soft_wrap=True,
                markup=False,
            )
    return all_met
