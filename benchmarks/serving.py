"""How long a query takes: the indexes of an export beside TensorFlow Recommenders' own.

  python -m benchmarks.serving --candidates 1664 100000 1000000

Each query, an embedding of 32 numbers, asks for the titles of its best 100, one after the
other, as a service with one request at a time does. The query tower before it is the same on
every side and not in it.

  BruteForce    `tfrs.layers.factorized_top_k.BruteForce`, called as its documentation does
  exact         what `python -m sweeper.recommend` asks (`sweeper.serving.index`)
  approximate   the same of an export with `index=approximate recall=0.95`

Each is a process of its own (`benchmarks.serving_search`), in turn, `--repeats` times; the
table has medians, with the smallest and the largest. Recall is the share of BruteForce's 100
that are found, by their scores. Of `exact` it must be 1. Ends with exit code 1 if a limit is
not met. Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Spread, describe_machine, machine_line, positive, run_together
from benchmarks.serving_search import SIDES
from benchmarks.study_report import Limit, PartResult, show_limits
from sweeper.common.console import make_console
from sweeper.serving.index import MIN_CANDIDATES, share_found

SIZES = [1_664, 100_000, 1_000_000]
INDEXES = ("ours", "approximate")
NAMES = {"brute_force": "BruteForce", "ours": "exact", "approximate": "approximate"}
# Of the faster of the two indexes; `SLOWEST` is of a query's p99, in milliseconds.
MIN_RATIO, SLOWEST, MIN_RECALL = 3.0, 20.0, 0.95


@dataclass(frozen=True)
class Measured:
    """What one side took for one size."""

    p50_ms: Spread
    p99_ms: Spread
    build_seconds: float
    peak_gb: float
    recall: float


def measure(size: int, queries: int, repeats: int, console: Console) -> dict[str, Measured]:
    """All sides, in turn, for one size."""
    names = [side for side in SIDES if side != "approximate" or size >= MIN_CANDIDATES]
    taken: dict[str, list[dict[str, Any]]] = {side: [] for side in names}
    with tempfile.TemporaryDirectory(prefix="serving_") as folder:
        files = {side: Path(folder) / f"{side}.npy" for side in names}
        for _ in range(repeats):
            for side in names:
                command = ["benchmarks.serving_search", "--side", side, "--candidates", str(size)]
                command += ["--queries", str(queries), "--found", str(files[side])]
                taken[side] += run_together([command])
        console.print(f"{size:,} candidates are measured")
        scores = {side: np.load(path) for side, path in files.items()}
    return {
        side: Measured(
            Spread(tuple(each["p50_ms"] for each in figures)),
            Spread(tuple(each["p99_ms"] for each in figures)),
            figures[-1]["build_seconds"],
            max(each["peak_gb"] for each in figures),
            share_found(scores[side], scores["brute_force"]),
        )
        for side, figures in taken.items()
    }


def show(by_size: dict[int, dict[str, Measured]]) -> Table:
    table = Table(title="A query's 100 best titles", title_justify="left", box=None,
                  pad_edge=False)  # fmt: skip
    for name in ("candidates", "index", "p50 ms", "p99 ms", "ratio", "recall", "build s", "GB"):
        table.add_column(name, justify="left" if name == "index" else "right")
    for size, sides in by_size.items():
        for side, each in sides.items():
            table.add_row(
                f"{size:,}" if side == "brute_force" else "",
                NAMES[side],
                each.p50_ms.show(3),
                each.p99_ms.show(3),
                "" if side == "brute_force" else f"{ratio(sides, side):.1f} x",
                f"{each.recall:.4f}",
                f"{each.build_seconds:.1f}",
                f"{each.peak_gb:.2f}",
            )
    return table


def ratio(sides: dict[str, Measured], side: str) -> float:
    return sides["brute_force"].p50_ms.median / sides[side].p50_ms.median


def judged(sides: dict[str, Measured]) -> PartResult:
    """What must hold of the exact index, and of the faster of those that have the recall."""
    usable = [side for side in INDEXES if side in sides and sides[side].recall >= MIN_RECALL]
    side = max(usable, key=lambda each: ratio(sides, each), default="ours")
    times, slowest, found = ratio(sides, side), sides[side].p99_ms.median, sides["ours"].recall
    return PartResult(
        ratio=(f"BruteForce / {NAMES[side]}, p50 of a query", f"{times:.1f} x"),
        rows=[],
        limits=[
            Limit("exact finds all that BruteForce does", f"{found:.4f}", found == 1),
            Limit(
                f"{NAMES[side]} at least {MIN_RATIO:.0f} x as fast as BruteForce",
                f"{times:.1f} x",
                times >= MIN_RATIO,
            ),
            Limit(f"p99 under {SLOWEST:.0f} ms", f"{slowest:.2f} ms", slowest < SLOWEST),
        ],
        figures={name: asdict(each) for name, each in sides.items()},
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--candidates", nargs="+", type=positive, default=SIZES, metavar="NUMBER")
    parser.add_argument("--queries", type=positive, default=500, help="of each size (500)")
    parser.add_argument("--repeats", type=positive, default=3, help="of each measurement (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure to FILE")
    arguments, console = parser.parse_args(), make_console()
    by_size = {
        size: measure(size, arguments.queries, arguments.repeats, console)
        for size in arguments.candidates
    }
    console.print()
    console.print(show(by_size), soft_wrap=True)
    machine = describe_machine()
    results = {f"{size:,} candidates": judged(sides) for size, sides in by_size.items()}
    all_met = show_limits(results, quick=False, console=console)
    console.print(machine_line(machine))
    if arguments.json:
        ratios = [
            (f"{result.ratio[0]}, {part}", result.ratio[1]) for part, result in results.items()
        ]
        figures = {part: result.figures for part, result in results.items()}
        content = {"machine": machine, "ratios": ratios, "sizes": figures}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        console.print(f"output   {arguments.json}")
    if not all_met:
        sys.exit(1)


if __name__ == "__main__":
    main()
