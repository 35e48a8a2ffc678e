"""All benchmarks in one go, and `docs/benchmarks.md` of what they printed.

  python -m benchmarks

Each runs as by itself, one after the other, in about an hour and three quarters on two cores: let
nothing else run. `--only trial serving` runs some, and writes no page unless `--output` says
where. The page has the machine, the ratio of each claim to its reference, and all tables.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.measure import ROOT, child_environment, describe_machine, machine_line
from sweeper.common.console import make_console

PAGE = ROOT / "docs" / "benchmarks.md"
# By name, what each measures.
BENCHMARKS = {
    "startup": "From the shell to the first step",
    "trial": "One trial beside plain TensorFlow Recommenders",
    "study": "A study beside its references",
    "scale": "From a table to ranks, by size",
    "sequence": "Models that read what a user did before",
    "serving": "A query's best titles",
    "distributed": "Workers on each storage",
    "many_trials": "Thousands of stored trials",
}


@dataclass(frozen=True)
class Ended:
    """One benchmark, as it ended.

    Attributes:
      printed: its tables, without what it told of its progress; all of that too if it failed.
      ratios: (what against which reference, figure); none if it failed.
      exit_code: 0, or 1 where a limit is not met or it failed.
    """

    name: str
    printed: str
    ratios: list[tuple[str, str]]
    exit_code: int


def run(name: str, folder: Path, console: Console) -> Ended:
    """Runs one benchmark, and shows what it prints meanwhile."""
    figures = folder / f"{name}.json"
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}", "--json", str(figures)]
    environment = {**child_environment(), "COLUMNS": "120"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    lines = []
    for line in process.stdout:
        console.print(line.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)
        lines.append(line.rstrip())
    if process.wait() and not figures.exists():
        return Ended(name, "\n".join(lines), [], process.returncode)
    ratios = [(what, figure) for what, figure in json.loads(figures.read_text())["ratios"]]
    tables = lines[lines.index("") + 1 :] if "" in lines else lines
    printed = "\n".join(line for line in tables if not line.startswith("output   "))
    return Ended(name, printed.strip("\n"), ratios, process.returncode)


def page(ended: list[Ended], machine: str) -> str:
    """The page, in Markdown."""
    parts = [
        "# Benchmarks",
        "After this page you know how fast sweeper is, compared with what, and how it was "
        f"measured. `python -m benchmarks` printed these tables in one go: {machine}.",
        "\n".join(
            [
                "| benchmark | against | measured |",
                "|---|---|---|",
                *(
                    f"| `benchmarks.{each.name}` | {what} | {figure} |"
                    for each in ended
                    for what, figure in each.ratios or [("", f"failed: {each.exit_code}")]
                ),
            ]
        ),
    ]
    for each in ended:
        parts += [
            f"## {BENCHMARKS[each.name]}",
            f"`python -m benchmarks.{each.name}`",
            f"```text\n{each.printed}\n```",
        ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help="these")
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"the page (else {PAGE})")
    arguments, console = parser.parse_args(), make_console()
    names = arguments.only or list(BENCHMARKS)
    output = arguments.output or (None if arguments.only else PAGE)
    ended = []
    with tempfile.TemporaryDirectory(prefix="benchmarks_") as folder:
        for number, name in enumerate(names, start=1):
            console.print(f"benchmark {number} of {len(names)}: {BENCHMARKS[name]}")
            ended.append(run(name, Path(folder), console))
    if output:
        output.write_text(page(ended, machine_line(describe_machine())), encoding="utf-8")
        console.print(f"output   {output}")
    if any(each.exit_code for each in ended):
        sys.exit(1)


if __name__ == "__main__":
    main()
