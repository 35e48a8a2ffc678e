"""Prints to the terminal: status lines, and the progress of long stages."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from rich.console import Console
from rich.markup import escape

from sweeper.common.errors import Stopped

# Wide enough for the tables when the output goes to a file.
PLAIN_WIDTH = 110


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Ends this process in order, as SIGPIPE would: nothing reads its output any more."""
        with suppress(SystemExit):
            super().on_broken_pipe()
        raise Stopped(signal.SIGPIPE)


def make_console() -> Console:
    """Returns the terminal, or plain text of a fixed width if there is none."""
    # Without emoji, because a title may contain ":go".
    console = _Output(highlight=False, emoji=False)
    if console.is_terminal:
        return console
    return _Output(highlight=False, emoji=False, width=PLAIN_WIDTH)


def print_status(console: Console, topic: str, text: str) -> None:
    """Prints one line: a topic and a text about it."""
    console.print(f"[bold]{topic:<8}[/bold] {escape(text)}", soft_wrap=True)


SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def stage(
    say: Callable[[str], None], text: str, total: int | None = None
) -> Iterator[Callable[[int], None]]:
    """Shows the progress of a long stage: as a bar on a terminal, as plain lines elsewhere.

    Args:
      say: receives plain lines if standard error is not a terminal.
      text: what is going on.
      total: the number of units of work; without it no remaining time is shown.

    Yields:
      a function to call with the number of units done since the last call.
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
