"""Ends a launch that keeps waiting although its study is over or its jobs have gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import TracebackType
from typing import Any

from sweeper.study.execution.jobs import Jobs

# How long a launch may continue when its study is over; workers take about a second to end.
SECONDS_TO_RETURN = 4.0
# How long after Ctrl-C, whatever the workers do, so that everything ends within ten seconds.
SECONDS_TO_STOP = 7.0
SECONDS_BETWEEN_QUESTIONS = 5.0


class LaunchOver(BaseException):
    """Ends a launch in the main thread; submitit would catch an `Exception` as one of `sacct`."""


class JobsGoneError(Exception):
    """The jobs of a launch have ended, but the study has not."""


class LaunchMonitor:
    """Prepares the jobs of a launch and ends them; the launch runs in its `with` block.

    Args:
      jobs: the jobs; None if the workers are children of this process, which end by themselves.
    """

    def __init__(self, jobs: Jobs | None) -> None:
        self._jobs = jobs
        self._on = False
        # Held while a signal is sent, so that none is pending when the handler is restored.
        self._sending = threading.Lock()
        self._handler_before: Any = None
        self._asked = time.monotonic()
        self._any_left, self._is_done = True, False
        self._over_since: float | None = None
        self._stopped_at: float | None = None

    def __enter__(self) -> LaunchMonitor:
        if self._jobs:
            self._jobs.begin()
            self._handler_before = signal.signal(signal.SIGALRM, self._raise)
            self._on = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._jobs:
            # First, so that a signal that arrives from here on raises nothing.
            self._on = False
            with self._sending:
                # Ignoring the signal discards one that was sent at the last moment.
                signal.signal(signal.SIGALRM, signal.SIG_IGN)
                signal.signal(signal.SIGALRM, self._handler_before or signal.SIG_DFL)
            self._jobs.end(returned=kind is None)
            if kind is LaunchOver and not self._any_left and not self._is_done:
                raise JobsGoneError(
                    f"all that was launched ended without a result; see {self._jobs.where()}"
                )
        return kind is LaunchOver

    def poll(self, is_done: bool, is_stopped: bool, any_runs: bool) -> None:
        """Checks whether the launch must end; called about twice a second from another thread.

        Args:
          is_done: whether no further trial may start.
          is_stopped: whether the user stopped the study.
          any_runs: whether a trial is running.
        """
        if not self._jobs or not self._on:
            return
        now, self._is_done = time.monotonic(), is_done
        if now - self._asked > SECONDS_BETWEEN_QUESTIONS:
            self._asked, self._any_left = now, self._jobs.any_left()
        is_over = (is_done and not any_runs) or not self._any_left
        self._over_since = (self._over_since or now) if is_over else None
        self._stopped_at = (self._stopped_at or now) if is_stopped else None
        if (self._over_since and now - self._over_since > SECONDS_TO_RETURN) or (
            self._stopped_at and now - self._stopped_at > SECONDS_TO_STOP
        ):
            with self._sending:
                if self._on:
                    os.kill(os.getpid(), signal.SIGALRM)

    def _raise(self, *_: Any) -> None:
        if self._on:
            raise LaunchOver
