"""`python -m sweeper.report`: writes a report on what a study, or several, left."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from sweeper.common.console import make_console, print_status
from sweeper.common.errors import ConfigError, OutputError
from sweeper.common.exit_codes import command_parser, exit_codes

# The report on one study or run, and the comparison of several: neither overwrites the other.
REPORT, COMPARISON = "report.html", "comparison.html"
DESCRIPTION = """\
Writes a report on a study or a run: report.html, one page with all its plots that
needs no network, and report.md, the same in text and tables. On several, which are
compared, it is comparison.html and comparison.md in the first one's directory.
"""
EXAMPLES = """\
examples:
  a study; the report goes into its directory:
    python -m sweeper.report outputs/architecture

  a single run:
    python -m sweeper.report outputs/runs/2026-11-24_13-50-42_000000

  two studies and a run against each other, as outputs/architecture/comparison.html:
    python -m sweeper.report outputs/architecture outputs/loss outputs/runs/three_layer

  elsewhere; the text goes beside it, as /tmp/depth.md:
    python -m sweeper.report outputs/depth --output /tmp/depth.html

A study that still runs can be reported on at any time. An earlier report on the same study
is overwritten; a comparison never takes the place of a study's own report.
What is missing or damaged is named at the report's head and left out. If there is nothing
to show, the command ends with exit code 2 and a line that says what would be right.

In a notebook: sweeper.load_study("outputs/architecture").figures()["validation_curves"]
"""

# Called with what is done, the steps done, and of how many.
OnProgress = Callable[[str, int, int], None]


def main(arguments: Sequence[str] | None = None) -> None:
    with exit_codes():
        parsed = _parser().parse_args(arguments)
        _check_directories(parsed.directory)
        _check_output(parsed.output, parsed.directory)
        report_on(parsed.directory, parsed.output)


def report_on(directories: Sequence[Path], output: Path | None = None) -> None:
    """Writes a report, shows the progress, and prints where the report is and what is wrong.

    Raises:
      As `write_report`.
    """
    console = make_console()
    with _progress() as on_progress:
        paths, problems = write_report(directories, output, on_progress)
    for problem in problems:
        print_status(console, "problem", problem)
    print_status(console, "report", ", ".join(map(str, paths)))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("sweeper.report", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "directory",
        nargs="+",
        type=Path,
        metavar="DIRECTORY",
        help="what `python -m sweeper` left of a study or of a run; several are compared",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"the page, as FILE.html; without it, {REPORT} in the directory, or {COMPARISON} in "
        "the first of several",
    )
    return parser


def _check_output(output: Path | None, directories: Sequence[Path]) -> None:
    from sweeper.study.storage.markers import holds_study
    from sweeper.two_tower.record import TRIAL

    if output is None:
        return
    place = output.resolve().parent
    is_own_place = output.name == REPORT and (holds_study(place) or (place / TRIAL).exists())
    if is_own_place and [place] != [directory.resolve() for directory in directories]:
        raise OutputError(
            f"--output: got {output}, the place of the report on {output.parent} alone; must be "
            f"another name, such as {output.with_name(COMPARISON)}"
        )
    if output.suffix != ".html":
        raise OutputError(f"--output: got {output}; must end in .html (the text goes beside it)")
    there = [path for path in (output, output.with_suffix(".md")) if path.exists()]
    if len(there) == 1:
        raise OutputError(
            f"--output: got {output}, but {there[0]} exists, which no report has written, as a "
            "report is two files; must be another name"
        )


def _check_directories(directories: Sequence[Path]) -> None:
    places = [directory.resolve() for directory in directories]
    for index, place in enumerate(places):
        if place in places[:index]:
            raise ConfigError(f"{directories[index]}: is given twice; must be given once")


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Shows a progress bar if there is a terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("report")
        yield lambda what, done, total: bar.update(
            task, description=what, completed=done, total=total
        )


def write_report(
    directories: Sequence[Path], output: Path | None, on_progress: OnProgress
) -> tuple[list[Path], list[str]]:
    """Writes the report on one study, or the comparison of several.

    Returns:
      The paths written, and what the report's head says is wrong.

    Raises:
      OutputError: there is nothing to show, or it can't be written.
    """
    # These imports take time; `--help` and errors come at once without them.
    from sweeper.common.output_files import atomic_write
    from sweeper.report.rendering.html import html_of
    from sweeper.report.rendering.markdown import markdown_of
    from sweeper.report.report import page_of
    from sweeper.results.loading import load_all_results

    studies, unread = load_all_results(
        directories, lambda done, total: on_progress("reading", done, total)
    )

    def on_section(done: int, total: int) -> None:
        on_progress("drawing", done, total)

    page = page_of(studies, on_section)
    page = replace(page, problems=[*unread, *page.problems])
    path = output or studies[0].directory / (REPORT if len(directories) == 1 else COMPARISON)
    on_progress("writing", 0, 1)
    contents = {path: html_of(page), path.with_suffix(".md"): markdown_of(page)}
    for place, content in contents.items():
        try:
            atomic_write(place, content.encode())
        except OutputError as error:
            reason = getattr(error.__cause__, "strerror", None) or error
            raise OutputError(
                f"{place}: can't be written ({reason}); give --output FILE where it can be"
            ) from error
    return list(contents), list(page.problems)


if __name__ == "__main__":
    main()
