"""Shows how far a long stage is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def stage(
    say: Callable[[str], None], text: str, total: int | None = None
) -> Iterator[Callable[[int], None]]:
    """Announces a stage and yields a function to be called with each advance.

    Args:
      say: gets plain lines, where standard error is not a terminal.
      text: what is going on.
      total: how many units of work there are; without it no end is foretold.
    """
    if sys.stderr.isatty():
        with _bar(text, total) as advance:
            yield advance
        return
    say(f"{text} ...")
    yield _lines(say, text, total)


@contextlib.contextmanager
def _bar(text: str, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    time_column = TimeElapsedColumn() if total is None else TimeLeftColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), time_column)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(text, total=total)
        yield lambda count: progress.advance(task, count)


def _lines(say: Callable[[str], None], text: str, total: int | None) -> Callable[[int], None]:
    start = last = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal last, done
        done += count
        now = time.monotonic()
        if total and done < total and now - last >= SECONDS_BETWEEN_LINES:
            last = now
            left = (now - start) * (total - done) / done
            say(f"{text}: {done:,} of {total:,}, about {left:.0f} s left")

    return advance
