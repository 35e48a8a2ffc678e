"""The terminal that a program writes to, and the lines that it prints there."""

from __future__ import annotations

import signal
from contextlib import suppress

from rich.console import Console
from rich.markup import escape

from sweeper.common.errors import Stopped

# Wide enough for the tables when the output goes to a file.
PLAIN_WIDTH = 110


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Ends this process as SIGPIPE would, in order: nothing reads its output any more."""
        with suppress(SystemExit):
            super().on_broken_pipe()
        raise Stopped(signal.SIGPIPE)


def make_console() -> Console:
    """The terminal, or plain text of a fixed width where there is none."""
    # Without emoji: a title may have ":go" in it.
    console = _Output(highlight=False, emoji=False)
    if console.is_terminal:
        return console
    return _Output(highlight=False, emoji=False, width=PLAIN_WIDTH)


def print_status(console: Console, topic: str, text: str) -> None:
    """One line: a topic and what there is to say of it."""
    console.print(f"[bold]{topic:<8}[/bold] {escape(text)}", soft_wrap=True)
