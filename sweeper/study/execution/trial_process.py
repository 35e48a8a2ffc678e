"""Runs a worker's trials in a child process.

The worker itself talks to Optuna and never imports TensorFlow. Its trials run one after the
other in a forked child, so that TensorFlow and the data stay loaded. The child is replaced
after `TRIALS_A_PROCESS` trials, since TensorFlow never frees some 30 MB of each compiled model.
If it dies (out of memory, a crash, SIGKILL), only its current trial is lost. The child leads a
process group, so that processes started by a trial end with it.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from textwrap import shorten
from typing import Any

from sweeper.study.execution.children import is_running, is_unreaped, wait_for_end
from sweeper.study.execution.trial_child import (
    DIED,
    FAILED,
    INTERRUPTED,
    OUTPUT,
    SECONDS_BETWEEN_LOOKS,
    Job,
    Outcome,
    child_main,
)

TRIALS_A_PROCESS = 20
# After Ctrl-C a trial has this long to write its results; then its process is killed.
SECONDS_TO_FINISH = 6.0
# How much of the output is searched for its last line, and how much of the line is shown.
BYTES_OF_LAST_LINES, LONGEST_LAST_LINE = 4096, 200


class TrialProcess:
    """Runs jobs in a child process.

    Args:
      run: called in the child with each job; returns the objective values.
      should_stop: called in the parent about twice a second; True interrupts the trial.
      seconds_a_trial: a trial that takes longer is interrupted and fails; None for no limit.
    """

    def __init__(
        self,
        run: Callable[[Job], Any],
        should_stop: Callable[[], bool],
        seconds_a_trial: float | None = None,
    ) -> None:
        self._run, self._should_stop, self._limit = run, should_stop, seconds_a_trial
        self._process: Any = None
        self._connection: Connection | None = None
        self._trials = 0

    def run(self, job: Job, report: Callable[[int, Mapping[str, float]], bool]) -> Outcome:
        """Runs one job to its end.

        Args:
          job: the job.
          report: called in the parent with (step, metrics); True prunes the trial.
        """
        if self._process is None or self._trials >= TRIALS_A_PROCESS:
            self.close()
            self._start()
        self._trials += 1
        connection = self._connection
        assert connection is not None
        end = math.inf if self._limit is None else time.monotonic() + self._limit
        look = time.monotonic() + SECONDS_BETWEEN_LOOKS
        try:
            connection.send(job)
            while True:
                if connection.poll(_seconds_to(min(look, end))):
                    message = connection.recv()
                    if isinstance(message, Outcome):
                        return message
                    asked = time.monotonic()
                    answer = report(*message)
                    # The trial waits while the storage is unreachable.
                    end += time.monotonic() - asked
                    connection.send(answer)
                if time.monotonic() >= end:
                    return self._end_late(connection)
                # Checked by time, as reports may arrive more often than this.
                if time.monotonic() < look:
                    continue
                asked = time.monotonic()
                if self._should_stop():
                    return self._interrupt(connection)
                look = time.monotonic() + SECONDS_BETWEEN_LOOKS
                end += time.monotonic() - asked
                # A process that the trial forked may outlive it and keep the connection open.
                if not is_running(self._process.pid) and not connection.poll():
                    return self._death(job)
        except (EOFError, ConnectionError):
            return self._death(job)
        except KeyboardInterrupt:
            # A second Ctrl-C came before the first was handled: end at once.
            if self._process is not None:
                self._kill()
                self.close()
            raise
        except BaseException:
            # The report failed, for example because the storage is lost: the trial must not run on.
            if self._process is not None:
                self._interrupt(connection)
            raise

    def close(self) -> int | None:
        """Ends the child, which must be idle, and all processes that its trials started.

        Returns:
          The child's exit code; None if there was no child or it did not end by itself.
        """
        if self._process is None:
            return None
        assert self._connection is not None
        self._connection.close()
        ended_by_itself = wait_for_end(self._process.pid, SECONDS_TO_FINISH)
        self._kill()
        self._process.join()
        code: int | None = self._process.exitcode if ended_by_itself else None
        self._process = None
        self._temporary.cleanup()
        return code

    def _kill(self) -> None:
        # The group lasts as long as any of its processes. Its identifier is certain to belong to
        # the child only until the child is reaped, which `join` in `close` does.
        if not is_unreaped(self._process.pid):
            return
        # A child that has just been forked may not lead its group yet.
        self._process.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _start(self) -> None:
        # Frozen objects are not collected in the child, so that their memory stays shared.
        gc.freeze()
        # The child may end without removing the temporary files of libraries.
        self._temporary = tempfile.TemporaryDirectory(prefix="sweeper_", ignore_cleanup_errors=True)
        # A forked child needs no pickled task function, and keeps the worker's lock.
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=child_main,
            args=(self._run, theirs, self._connection, os.getpid(), self._temporary.name),
        )
        self._process.start()
        theirs.close()
        self._trials = 0

    def _interrupt(self, connection: Connection) -> Outcome:
        """Interrupts the trial, which writes its results, and ends the child; may kill it."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGINT)
        deadline = time.monotonic() + SECONDS_TO_FINISH
        outcome = Outcome(INTERRUPTED, reason="interrupted")
        try:
            while connection.poll(max(0.0, deadline - time.monotonic())):
                message = connection.recv()
                if isinstance(message, Outcome):
                    outcome = message
                    break
                connection.send(False)
            else:
                self._kill()
        except (EOFError, ConnectionError):
            pass
        except BaseException:
            # A second Ctrl-C ends the child at once.
            self._kill()
            raise
        # The child handles SIGINT only once, so it can't run another job.
        self.close()
        return outcome

    def _end_late(self, connection: Connection) -> Outcome:
        self._interrupt(connection)
        reason = f"study.trial_timeout_seconds: it took longer than {self._limit:g} s"
        return Outcome(FAILED, reason=reason)

    def _death(self, job: Job) -> Outcome:
        code = self.close()
        if code is not None and code < 0:
            words = f"was killed by {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                words += " (out of memory, or by hand)"
        else:
            words = f"ended with exit code {code}"
        last = _last_line(job.directory / OUTPUT)
        return Outcome(
            DIED,
            reason=f"the trial's process {words}" + (f"; it last printed: {last}" * bool(last)),
        )


def _seconds_to(end: float) -> float:
    return max(0.0, end - time.monotonic())


def _last_line(path: Path) -> str:
    """Returns the last line of a file that is not blank, shortened; "" if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - BYTES_OF_LAST_LINES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return shorten(last, LONGEST_LAST_LINE, placeholder=" …")
