"""What a worker makes of a scheduler that wants its machine back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from sweeper.study.execution.trial_child import SECONDS_BETWEEN_LOOKS

# The signal that submitit asks its scheduler to send, by the name that it knows it under.
PREEMPT_VARIABLE, PREEMPT_DEFAULT = "SUBMITIT_PREEMPT_SIGNAL", "USR2"
# After SIGTERM a scheduler kills, and a job that has ended by itself isn't queued again.
SECONDS_TO_BE_KILLED = 600.0


class PreemptionHandler:
    """Given by a signal: the trial that runs ends in order, and is another worker's to run.

    The handlers that were there before are called by `forward`, once it has ended: submitit's
    own for its signal saves what to run, queues the job again, and exits.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def install(self) -> None:
        """From here on the signals of submitit's schedulers are heard; in the main thread."""
        preempt = signal.Signals[f"SIG{os.environ.get(PREEMPT_VARIABLE, PREEMPT_DEFAULT)}"]
        for number in (signal.SIGTERM, preempt):
            before = signal.signal(number, self._receive)
            if callable(before):
                self._handlers[number] = before

    def is_preempted(self) -> bool:
        return self._signal is not None

    def forward(self, will_be_killed: bool) -> None:
        """Does what a signal that was heard would have done; to be called without a trial.

        Args:
          will_be_killed: SIGTERM announces that this process is killed, which is waited for.
        """
        until = time.monotonic() + SECONDS_TO_BE_KILLED
        while will_be_killed and self._signal == signal.SIGTERM and time.monotonic() < until:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if self._signal not in (None, signal.SIGTERM):
            self._handlers[self._signal](self._signal, None)

    def _receive(self, number: int, _: FrameType | None) -> None:
        # A scheduler may send SIGTERM first, or with it: submitit's own says more.
        if self._signal in (None, signal.SIGTERM):
            self._signal = number
