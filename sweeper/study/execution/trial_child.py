"""What runs in the process of a worker's trials: takes jobs, and sends back how each ended."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sweeper.common.errors import DataChangedError, TrialPruned
from sweeper.study.reporting import reporting_to

OUTPUT = "output.txt"
SECONDS_BETWEEN_LOOKS = 0.5

# Ctrl-C, a scheduler's or a shell's `kill`, a terminal that is closed.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

COMPLETE, PRUNED, FAILED, INTERRUPTED, DIED = "complete", "pruned", "failed", "interrupted", "died"


@dataclass(frozen=True)
class Job:
    """One trial to run.

    Attributes:
      number: of the trial.
      directory: where it goes.
      overrides: those that were searched.
      fingerprint: of the data that it must be trained on; None: any.
      steps: how many epochs it may train, or how many seeds one after the other.
    """

    number: int
    directory: Path
    overrides: list[str]
    fingerprint: str | None = None
    steps: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a trial ended; `values` is what the task function returned."""

    state: str
    values: Any = None
    reason: str | None = None
    traceback: str | None = None


def exit_when_orphaned(parent: int, clear_up: Callable[[], None] = lambda: None) -> None:
    """Ends this process soon after its parent has gone, whatever it does at the time.

    One that leads a process group takes the group with it.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        clear_up()
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def child_main(
    run: Callable[[Job], Any],
    connection: Connection,
    theirs: Connection,
    parent: int,
    temporary: str,
) -> None:
    """Takes jobs until the parent closes the connection.

    Args:
      temporary: a directory for what libraries leave behind; removed at the end, or by the
        parent where this process is killed.
    """
    theirs.close()
    tempfile.tempdir = os.environ["TMPDIR"] = temporary
    os.setpgid(0, 0)
    # The worker decides what these mean, and interrupts a trial by SIGINT alone; between two
    # trials there is nothing to interrupt.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Ray's processes have it blocked.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for number in (signal.SIGTERM, signal.SIGHUP):
        # No `SIG_IGN`, which what a trial starts would inherit.
        signal.signal(number, lambda *_: None)
    clear_up = partial(shutil.rmtree, temporary, ignore_errors=True)
    exit_when_orphaned(parent, clear_up)
    with suppress(EOFError, ConnectionError):
        while True:
            job = connection.recv()
            try:
                outcome = _outcome(run, job, connection)
            except KeyboardInterrupt:
                outcome = Outcome(INTERRUPTED, reason="interrupted by Ctrl-C")
            _send(connection, outcome)
    clear_up()


def _send(connection: Connection, outcome: Outcome) -> None:
    try:
        connection.send(outcome)
    except (EOFError, ConnectionError):
        raise
    except Exception as error:
        reason = f"the task returned what can't be sent to its worker: {error}"
        connection.send(Outcome(FAILED, reason=reason))


def _interrupt_once(*_: Any) -> None:
    """The terminal and the worker may both send SIGINT; the second must not cut the end short."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _outcome(run: Callable[[Job], Any], job: Job, connection: Connection) -> Outcome:
    def report(step: int, metrics: Mapping[str, float]) -> None:
        try:
            connection.send((step, dict(metrics)))
            unwanted = connection.recv()
        except (EOFError, ConnectionError):
            # The worker has gone.
            raise KeyboardInterrupt from None
        if unwanted:
            raise TrialPruned(f"after step {step}")

    try:
        signal.signal(signal.SIGINT, _interrupt_once)
        job.directory.mkdir(parents=True)
        _write_output_to(job.directory / OUTPUT)
        with reporting_to(report, job.fingerprint):
            return Outcome(COMPLETE, values=run(job))
    except TrialPruned as error:
        return Outcome(PRUNED, reason=f"pruned {error}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # SystemExit too: a trial's task must not end its worker. A full disk and changed data are
        # no fault of the trial's: it runs again once there is room, or the data is back.
        state = INTERRUPTED if _ends_study(error) else FAILED
        reason = f"{type(error).__name__}: {error}"
        return Outcome(state, reason=reason, traceback=traceback.format_exc())
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # All of it, even if this process should be killed later on.
        with suppress(OSError, ValueError):
            sys.stdout.flush()


def _ends_study(error: BaseException | None) -> bool:
    """Whether all further trials would end like this one, until the user mends something."""
    while error:
        if isinstance(error, DataChangedError):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False


def _write_output_to(path: Path) -> None:
    """From here on all that is printed, by native code too, goes to this file."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What is printed is there when the process dies.
        sys.stdout.reconfigure(line_buffering=True)
