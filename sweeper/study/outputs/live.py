"""Shows a study while its workers run: as a table on a terminal, as lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console, RenderableType
from rich.live import Live

from sweeper.common.console import print_status
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.live_view import counts_text, done_text, left_text, render, trial_text
from sweeper.study.outputs.number_formats import clock
from sweeper.study.outputs.progress import StudyProgress
from sweeper.study.outputs.ties import MIN_TRIALS, ties_text
from sweeper.study.outputs.trial_states import state_of

SECONDS_BETWEEN_LOOKS = 1.0

Tick = Callable[[list[FrozenTrial] | None], None]


class LiveTable:
    """Reads the study every second, from `start` to `stop`, and shows its progress.

    Everything shown comes from the study's storage, whichever process runs the trials. While
    the storage can't be read, the display says so and tries again.

    Args:
      study: the study, with a storage connection of its own, since a thread reads it.
      console: where to print.
      total: how many trials will finish; None if only the time limits them.
      workers: how many trials run at once.
      objectives: the study's objectives.
      on_tick: functions that are called with all trials after each read, or with None if they
        can't be read. An error of a function is shown; `stop` raises it unless a later call of
        the function succeeded.
      seconds_before: the time that earlier starts of the study used.
      timeout_seconds: the time limit of the study, for all its starts together.
      step: the unit of a trial's reports: "epoch" or "seed".
      title: the name of what runs, if it is not the study itself.
      finer_metric: see `sweeper.study.app.App`.
      shows_best: whether to show each trial's best value beside its last one. The best value
        counts if trials keep their best weights.
    """

    def __init__(
        self,
        study: optuna.Study,
        console: Console,
        total: int | None,
        workers: int,
        objectives: Sequence[ObjectiveConfig],
        on_tick: Sequence[Tick] = (),
        seconds_before: float = 0.0,
        timeout_seconds: float | None = None,
        step: str = "epoch",
        title: str = "",
        finer_metric: Callable[[str], str | None] = lambda metric: None,
        shows_best: bool = False,
    ) -> None:
        self._finer_metric = finer_metric
        self._title, self._shows_best = title, shows_best
        self._study, self._console, self._on_tick, self._step = study, console, on_tick, step
        now = time.monotonic()
        self._zero = now - seconds_before
        until = None if timeout_seconds is None else self._zero + timeout_seconds
        self._progress = StudyProgress(total, workers, objectives, now, until)
        # The last errors, by function of `on_tick`, or by "display".
        self._errors: dict[object, Exception] = {}
        self._read_error: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live table", daemon=True)
        self._ties_checked = False
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            # The launcher `basic` forks trials from this process, whose output must not wait for
            # the lock of this display.
            self._live = Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                get_renderable=self._render,
            )

    def start(self) -> None:
        """Starts the display; must be called before the workers start."""
        self._look()
        if self._live:
            self._live.start(refresh=True)
        self._thread.start()

    def stop(self) -> None:
        """Updates the display for the last time and prints the final counts.

        Raises:
          Exception: the last error of a function of `on_tick`, or of the display.
        """
        self._end()
        for error in self._errors.values():
            raise error

    def __enter__(self) -> LiveTable:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # An error that is being raised takes precedence.
        if error is None:
            self.stop()
        else:
            self._end()

    def _end(self) -> None:
        self._over.set()
        self._thread.join()
        self._guard("display", self._look)
        if self._live:
            self._live.stop()
        print_status(self._console, "study", f"{counts_text(self._progress)}; {self._used_text()}")

    def _run(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self._guard("display", self._look)

    def _guard(self, key: object, function: Callable[[], None]) -> None:
        """Calls a function, and keeps its error until a later call succeeds."""
        try:
            function()
        except Exception as error:
            if key not in self._errors and not self._live:
                self._print(_problem(error))
            self._errors[key] = error
        else:
            self._errors.pop(key, None)

    def _look(self) -> None:
        trials = self._read()
        if trials is not None:
            self._print_ended(trials)
        for function in self._on_tick:
            self._guard(function, partial(function, trials))
        if self._live and self._live.is_started:
            self._live.refresh()

    def _read(self) -> list[FrozenTrial] | None:
        try:
            trials = self._study.get_trials(deepcopy=False)
        except Exception as error:
            # Storages raise different errors when they are locked or unreachable.
            if self._read_error is None and not self._live:
                self._print(_problem(error))
            self._read_error = error
            return None
        self._read_error = None
        return trials

    def _print_ended(self, trials: list[FrozenTrial]) -> None:
        """Prints a line for each trial that has ended; on a terminal, only for failed ones."""
        done = self._progress.finished
        now = time.monotonic()
        ended = self._progress.update(trials, now)
        for trial in ended:
            state = state_of(trial)
            done += state != "interrupted"
            if not self._live:
                where = f"{done_text(self._progress, done)}, {left_text(self._progress, now)}"
                self._print(f"{where}  {trial_text(self._progress, trial)}")
            elif state == "failed":
                self._print(trial_text(self._progress, trial))
        if ended and not self._ties_checked:
            self._warn_of_ties(trials)

    def _warn_of_ties(self, trials: list[FrozenTrial]) -> None:
        """Warns once if all first trials have the same value of an objective."""
        complete = [trial.values for trial in trials if state_of(trial) == "complete"]
        # Later trials can't make the first ones tied.
        self._ties_checked = len(complete) >= MIN_TRIALS
        if text := ties_text(complete, self._progress.objectives, self._finer_metric):
            self._print(f"warning: {text}")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=not self._live, markup=False)

    def _used_text(self) -> str:
        return f"{clock(time.monotonic() - self._zero)} used"

    def _render(self) -> RenderableType:
        problems = [*self._errors.values(), *([self._read_error] if self._read_error else [])]
        now, texts = time.monotonic(), [_problem(error) for error in problems]
        times = f"{self._used_text()}, {left_text(self._progress, now)}"
        return render(
            self._progress,
            self._console.size,
            times,
            self._step,
            now,
            texts,
            self._title,
            self._shows_best,
        )


def _problem(error: Exception) -> str:
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    return f"problem, trying again: {first_line}"
