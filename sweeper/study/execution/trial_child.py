"""Runs in the process of a worker's trials: receives jobs and sends back how each ended."""

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

# Ctrl-C, `kill` by a scheduler or a shell, and closing the terminal.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

COMPLETE, PRUNED, FAILED, INTERRUPTED, DIED = "complete", "pruned", "failed", "interrupted", "died"


@dataclass(frozen=True)
class Job:
    """One trial to run.

    Attributes:
      number: the number of the trial.
      directory: the directory of the trial.
      overrides: the overrides that were searched.
      fingerprint: the fingerprint of the data that it must be trained on; None allows any data.
      steps: the maximum number of epochs, or the number of seeds that are trained in sequence.
    """

    number: int
    directory: Path
    overrides: list[str]
    fingerprint: str | None = None
    steps: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a trial ended; `values` is the return value of the task function."""

    state: str
    values: Any = None
    reason: str | None = None
    traceback: str | None = None


def exit_when_orphaned(parent: int, clear_up: Callable[[], None] = lambda: None) -> None:
    """Starts a thread that ends this process soon after its parent has died.

    If this process leads a process group, the whole group ends.
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
    """Runs jobs until the parent closes the connection.

    Args:
      run: runs one job.
      connection: this process's end of the connection to the parent.
      theirs: the parent's end, which is closed here.
      parent: the parent's process identifier.
      temporary: a directory for temporary files; removed at the end, or by the parent if this
        process is killed.
    """
    theirs.close()
    tempfile.tempdir = os.environ["TMPDIR"] = temporary
    os.setpgid(0, 0)
    # The worker handles the signals and interrupts a trial with SIGINT only. Between two trials
    # there is nothing to interrupt.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Ray's processes block SIGINT.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Not `SIG_IGN`, which processes that a trial starts would inherit.
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
    """Interrupts the trial, and ignores a second SIGINT from the terminal or the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _outcome(run: Callable[[Job], Any], job: Job, connection: Connection) -> Outcome:
    def report(step: int, metrics: Mapping[str, float]) -> None:
        try:
            connection.send((step, dict(metrics)))
            unwanted = connection.recv()
        except (EOFError, ConnectionError):
            # The worker has died.
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
        # This includes SystemExit: a task must not end its worker. A trial that meets a full disk
        # or changed data has not failed, and runs again once the cause is fixed.
        state = INTERRUPTED if _ends_study(error) else FAILED
        reason = f"{type(error).__name__}: {error}"
        return Outcome(state, reason=reason, traceback=traceback.format_exc())
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # All output must be written even if this process is killed later.
        with suppress(OSError, ValueError):
            sys.stdout.flush()


def _ends_study(error: BaseException | None) -> bool:
    """Returns whether every trial would fail with this error until the user fixes its cause."""
    while error:
        if isinstance(error, DataChangedError):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False


def _write_output_to(path: Path) -> None:
    """Redirects all output, including that of native code, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Output must be in the file when the process dies.
        sys.stdout.reconfigure(line_buffering=True)
