"""Launches a study's workers, relaunches them after crashes, and stops them."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from sweeper.common.console import print_status
from sweeper.common.errors import ConfigError, OutputError, StudyError
from sweeper.study import attributes
from sweeper.study.execution import locks
from sweeper.study.execution.artifact_sync import download, write_marker
from sweeper.study.execution.jobs import jobs_of
from sweeper.study.execution.launch_monitor import LaunchMonitor
from sweeper.study.execution.recovery import (
    budget_exhausted,
    counts_toward_budget,
    recover_stale_trials,
)
from sweeper.study.execution.trial_child import STOPPING
from sweeper.study.execution.worker import Worker
from sweeper.study.launchers import fill_config
from sweeper.study.outputs.leaderboard import write_leaderboard
from sweeper.study.outputs.live import LiveTable
from sweeper.study.plan import Plan
from sweeper.study.space.keys import to_text
from sweeper.study.storage.bulk_rdb import study_attribute
from sweeper.study.storage.factory import load_study
from sweeper.study.storage.retry import retrying_storage
from sweeper.study.storage.storage import StudyStorage

# The database keeps the connections of a machine that lost power for about a minute.
SECONDS_TO_END = 90.0
# How often leaderboard.csv and the time used are updated.
SECONDS_BETWEEN_WRITES = 5.0
NO_OUTPUT = "hydra.output_subdir=null"


class StudyRun:
    """One start of a study.

    Attributes:
      stopped_by: the signal with which the user or the system stopped the study, if any.
    """

    def __init__(
        self,
        plan: Plan,
        storage: StudyStorage,
        study: optuna.Study,
        console: Console,
        config: DictConfig,
        context: HydraContext,
        task: TaskFunction,
    ) -> None:
        self._plan, self._storage = plan, storage
        self._study, self._console = study, console
        if retrying := retrying_storage(study):
            retrying.give_up = lambda: self.stopped_by is not None
        self._config, self._context, self._task = config, context, task
        self._started = time.monotonic()
        self._spent_before = float(study.user_attrs.get(attributes.SECONDS, 0.0))
        self._written = -math.inf
        self._launcher_error: Exception | None = None
        self._watch = LaunchMonitor(None)
        self.stopped_by: int | None = None

    def until_done(self, max_relaunches: int) -> None:
        """Launches workers until the study is done.

        Raises:
          OutputError: no trial could be written to the storage; or a trial ended the study, for
            example because the disk is full.
          StudyError: the launcher failed repeatedly and no trial finished in between.
        """
        locks.withdraw_stop(self._plan.directory)
        self._study.set_user_attr(attributes.STOP, None)
        before = self._study.get_trials(deepcopy=False)
        in_a_row = 0
        with self._stopped_in_order(), self._live():
            while not self._done(self._study.get_trials(deepcopy=False)):
                self._launch()
                # joblib reports a killed worker before it has ended the others.
                locks.wait_for_workers(self._plan.directory)
                self._storage.wait_for_workers(self._study, SECONDS_TO_END)
                lost_storage = isinstance(self._launcher_error, OutputError)
                died = self.stopped_by is None and not lost_storage
                recover_stale_trials(self._study, self._plan, died)
                after = self._study.get_trials(deepcopy=False)
                none_ended = _ended(after) == _ended(before)
                if isinstance(self._launcher_error, OutputError) and none_ended:
                    raise self._launcher_error
                in_a_row = 0 if _finished(after) > _finished(before) else in_a_row + 1
                before = after
                if in_a_row > max_relaunches and not self._done(after):
                    raise StudyError(
                        f"the workers ended {in_a_row} times without finishing a trial; the last "
                        f"error: {self._launcher_error}"
                    ) from self._launcher_error
                if self._launcher_error:
                    self._print_error(self._launcher_error)
        self._tick([], last=True)
        if self.stopped_by is None and self._stop() == attributes.AT_ONCE:
            raise OutputError(
                f"{self._plan.directory}: a trial ended the study: {self._last_interruption()}; "
                "fix that, then the same command resumes the study"
            )

    def _stop(self) -> str | None:
        stop: str | None = study_attribute(self._study, attributes.STOP)
        return stop

    def _last_interruption(self) -> str:
        trials = self._study.get_trials(deepcopy=False)
        cut_short = [
            each.user_attrs for each in trials if attributes.INTERRUPTED in each.user_attrs
        ]
        return str(cut_short[-1][attributes.REASON]) if cut_short else "it was interrupted"

    def _print_error(self, error: Exception) -> None:
        """Prints an error of the workers, so that a failing callback of the user is not silent."""
        line = (str(error).splitlines() or [""])[0]
        text = f"ended early by {type(error).__name__}: {line}"
        print_status(self._console, "workers", text)

    def _launch(self) -> None:
        """Runs all workers through Hydra's launcher, and waits for them."""
        self._launcher_error = None
        config = fill_config(self._config, self._plan.workers, self._plan.threads)
        token = write_marker(self._plan.directory)
        worker = Worker(self._plan, self._config, self._context, self._task, token)
        launcher = Plugins.instance().instantiate_launcher(
            config=config,
            # The user's callbacks are meant for trials, not for workers.
            hydra_context=HydraContext(self._context.config_loader, Callbacks()),
            task_function=worker,
        )
        # An absolute path, as a worker on another machine may start in any directory.
        place = f"hydra.sweep.dir={to_text(str(self._plan.directory))}"
        overrides = [
            [*self._plan.fixed, place, f"hydra.sweep.subdir=workers/{index}", NO_OUTPUT]
            for index in range(self._plan.workers)
        ]
        self._watch = LaunchMonitor(jobs_of(config))
        try:
            with self._watch:
                for job in launcher.launch(overrides, initial_job_idx=0):
                    if isinstance(job._return_value, Exception):
                        raise job._return_value
        except ConfigError:
            raise
        except Exception as error:
            # One killed worker ends joblib's whole launch. The trials of all workers are
            # recovered, and the workers are launched again.
            self._launcher_error = error

    def _done(self, trials: Sequence[FrozenTrial]) -> bool:
        plan = self._plan
        if self.stopped_by or self._stop() or self._time_is_up():
            return True
        return budget_exhausted(trials, plan.total, plan.study.max_failures)

    def _spent(self) -> float:
        return self._spent_before + time.monotonic() - self._started

    def _time_is_up(self) -> bool:
        limit = self._plan.study.timeout_seconds
        return limit is not None and self._spent() >= limit

    def _live(self) -> LiveTable:
        return LiveTable(
            load_study(self._plan.directory),
            self._console,
            total=self._plan.total,
            workers=self._plan.workers,
            objectives=self._plan.study.objectives,
            on_tick=[self._tick],
            seconds_before=self._spent_before,
            timeout_seconds=self._plan.study.timeout_seconds,
            step="seed" if self._plan.study.seed_mode == "sequential" else "epoch",
            title=self._plan.purpose,
            finer_metric=self._plan.app.finer_metric,
            shows_best=self._plan.keeps_best,
        )

    def _tick(self, trials: list[FrozenTrial] | None, last: bool = False) -> None:
        stopped = self.stopped_by is not None
        if trials is None:
            # The storage is unreachable, so nothing is known about the trials.
            self._watch.poll(is_done=False, is_stopped=stopped, any_runs=True)
            return
        any_runs = any(trial.state == TrialState.RUNNING for trial in trials)
        self._watch.poll(self._done(trials), stopped, any_runs)
        if stopped:
            self._study.set_user_attr(attributes.STOP, attributes.AT_ONCE)
        elif self._time_is_up() and not self._stop():
            # Workers do not check the time, as the clocks of several machines differ.
            self._study.set_user_attr(attributes.STOP, attributes.NO_MORE)
        if last or time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self._written = time.monotonic()
            self._study.set_user_attr(attributes.SECONDS, round(self._spent(), 1))
            download(self._study, self._plan.directory)
            write_leaderboard(self._study, self._plan.directory)

    @contextmanager
    def _stopped_in_order(self) -> Iterator[None]:
        """Installs handlers of signals: the first ends the study cleanly, the second at once."""

        def stop(number: int, _: Any) -> None:
            if self.stopped_by:
                raise KeyboardInterrupt
            self.stopped_by = number
            locks.request_stop(self._plan.directory)

        # SIGHUP may be ignored because of `nohup`; Ctrl-C counts even in a background job.
        handled = [
            number
            for number in STOPPING
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
        ]
        before = {number: signal.signal(number, stop) for number in handled}
        try:
            yield
        finally:
            locks.withdraw_stop(self._plan.directory)
            for number, handler in before.items():
                signal.signal(number, handler)


def _ended(trials: Sequence[FrozenTrial]) -> int:
    """Returns how many trials have ended, including those that will be run again."""
    return sum(trial.state.is_finished() for trial in trials)


def _finished(trials: Sequence[FrozenTrial]) -> int:
    """Returns how many trials have ended and will not be run again."""
    return sum(trial.state.is_finished() and counts_toward_budget(trial) for trial in trials)
