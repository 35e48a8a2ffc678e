"""Handles the signals of a scheduler that takes a worker's machine away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from sweeper.study.execution.trial_child import SECONDS_BETWEEN_LOOKS

# The environment variable in which submitit names the signal of its schedulers.
PREEMPT_VARIABLE, PREEMPT_DEFAULT = "SUBMITIT_PREEMPT_SIGNAL", "USR2"
# SLURM kills a job after SIGTERM, and does not requeue a job that ended by itself before.
SECONDS_TO_BE_KILLED = 600.0


class PreemptionHandler:
    """Records a preemption signal: the running trial is interrupted and requeued.

    `forward` then calls the earlier handler of the signal: submitit's handler saves the job,
    requeues it and exits.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def install(self) -> None:
        """Installs handlers of the schedulers' signals; must be called in the main thread."""
        preempt = signal.Signals[f"SIG{os.environ.get(PREEMPT_VARIABLE, PREEMPT_DEFAULT)}"]
        for number in (signal.SIGTERM, preempt):
            before = signal.signal(number, self._receive)
            if callable(before):
                self._handlers[number] = before

    def is_preempted(self) -> bool:
        """Returns whether a signal was received."""
        return self._signal is not None

    def forward(self, will_be_killed: bool) -> None:
        """Calls the earlier handler of the received signal; must be called when no trial runs.

        Args:
          will_be_killed: whether the scheduler kills this process after SIGTERM; the call
            waits for that.
        """
        until = time.monotonic() + SECONDS_TO_BE_KILLED
        while will_be_killed and self._signal == signal.SIGTERM and time.monotonic() < until:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if self._signal not in (None, signal.SIGTERM):
            self._handlers[self._signal](self._signal, None)

    def _receive(self, number: int, _: FrameType | None) -> None:
        # A scheduler may also send SIGTERM before or after; submitit's own signal takes precedence.
        if self._signal in (None, signal.SIGTERM):
            self._signal = number
