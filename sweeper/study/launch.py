"""Runs a study from start to end: opens it, launches its workers, shows and sums it up."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import optuna
from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict
from optuna.trial import FrozenTrial
from rich.console import Console

from sweeper import console as terminal
from sweeper.errors import ConfigError, OutputError, StudyError
from sweeper.record import TRACEBACK, write_whole
from sweeper.runtime import available_cores
from sweeper.study import attributes, locks
from sweeper.study.known import known_parameters
from sweeper.study.leaderboard import write_leaderboard
from sweeper.study.live import LiveTable
from sweeper.study.plan import Plan
from sweeper.study.results import show_results
from sweeper.study.storage import (
    DATABASE,
    check_database,
    check_identity,
    has_failed,
    is_taken,
    load_study,
    make_study,
    settle,
)
from sweeper.study.worker import Worker, silence_optuna

# How often leaderboard.csv and the time used are brought up to date.
SECONDS_BETWEEN_WRITES = 5.0


def run_study(
    plan: Plan,
    config: DictConfig,
    context: HydraContext,
    task: TaskFunction,
    max_relaunches: int,
) -> None:
    """Starts a study, or goes on with it, until its budget is used up.

    Raises:
      ConfigError, OutputError: the directory holds another study, or is in use.
      StudyError: too many trials failed, or the launcher did too often.
      KeyboardInterrupt: after its workers have ended, for Ctrl-C.
    """
    silence_optuna()
    console = terminal.make_console()
    _make_directory(plan)
    with locks.main_process(plan.directory):
        locks.wait_for_workers(plan.directory)
        plan, study = _open(plan, console)
        write_whole(plan.directory / "multirun.yaml", OmegaConf.to_yaml(config).encode())
        _say_what(plan, study, console)
        run = _Run(plan, study, console, config, context, task)
        try:
            run.until_done(max_relaunches)
        finally:
            settle(study, plan.directory, plan.study.max_retries)
            show_results(study, plan, console)
    if run.interrupted.is_set():
        raise KeyboardInterrupt
    _raise_for_failures(plan, study)


def _make_directory(plan: Plan) -> None:
    try:
        plan.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"hydra.sweep.dir: got {plan.directory}: {error.strerror}; must be a directory that "
            "can be made and written"
        ) from error


def _say_what(plan: Plan, study: optuna.Study, console: Console) -> None:
    total = f"{plan.total} trials" if plan.total else f"{plan.study.timeout_seconds:g} s of trials"
    pruner = "" if plan.study.pruner == "none" else f", pruner {plan.study.pruner}"
    terminal.say(console, "study", f"{plan.name}: {total}, sampler {plan.study.sampler}{pruner}")
    terminal.say(console, "space", ", ".join(plan.space.names) or "a single configuration")
    threads = "1 thread" if plan.threads == 1 else f"{plan.threads} threads"
    workers = "1 worker" if plan.workers == 1 else f"{plan.workers} workers"
    terminal.say(console, "workers", f"{workers} of {threads}")
    taken = sum(map(is_taken, study.get_trials(deepcopy=False)))
    if taken:
        terminal.say(console, "resumed", f"{taken} trials are there already")
    console.print()


def _open(plan: Plan, console: Console) -> tuple[Plan, optuna.Study]:
    """The study, and the plan with the number of threads that all its trials have."""
    identity = plan.identity()
    if not (plan.directory / DATABASE).exists():
        first, remarks = known_parameters(plan)
        values = {**identity, attributes.THREADS: plan.threads}
        make_study(plan.directory, plan.name, plan.study.objectives, values, first)
        for remark in remarks:
            terminal.say(console, "first", remark)
    check_database(plan.directory)
    study = load_study(plan.directory, plan.name)
    check_identity(study, plan.directory, identity)
    settle(study, plan.directory, plan.study.max_retries)
    threads = study.user_attrs[attributes.THREADS]
    if plan.trial.train.threads not in (None, threads):
        raise ConfigError(
            f"train.threads: got {plan.trial.train.threads}, but the trials of this study have "
            f"{threads}, and other threads round otherwise; give another study.name to start anew"
        )
    workers = min(plan.workers, max(1, available_cores() // threads))
    return replace(plan, threads=threads, workers=workers), study


def _raise_for_failures(plan: Plan, study: optuna.Study) -> None:
    failed = [trial for trial in study.get_trials(deepcopy=False) if has_failed(trial)]
    if len(failed) <= plan.study.max_failures:
        return
    first = failed[0].user_attrs
    directory = plan.directory / first.get(attributes.DIRECTORY, "")
    text = ""
    if (directory / TRACEBACK).exists():
        text = "\n" + (directory / TRACEBACK).read_text()
    raise StudyError(
        f"study.max_failures: {len(failed)} trials failed, more than {plan.study.max_failures}; "
        f"the first, in {directory}: {first.get(attributes.REASON)}{text}"
    )


class _Run:
    """The time in which workers run: launched, launched again, watched and stopped."""

    def __init__(
        self,
        plan: Plan,
        study: optuna.Study,
        console: Console,
        config: DictConfig,
        context: HydraContext,
        task: TaskFunction,
    ) -> None:
        self._plan, self._study, self._console = plan, study, console
        self._config, self._context, self._task = config, context, task
        self._started = time.time()
        self._spent_before = float(study.user_attrs.get(attributes.SECONDS, 0.0))
        self._written = 0.0
        self._launcher_error: Exception | None = None
        self.interrupted = threading.Event()

    def until_done(self, max_relaunches: int) -> None:
        """Launches workers until the study is done.

        Raises:
          StudyError: the launcher failed again and again without a trial finished.
        """
        self._study.set_user_attr(attributes.STOP, False)
        finished = self._finished()
        in_a_row = 0
        with self._ctrl_c(), self._live():
            while not self._done():
                self._launch()
                # joblib tells of a killed worker before it has ended the others.
                locks.wait_for_workers(self._plan.directory)
                settle(self._study, self._plan.directory, self._plan.study.max_retries)
                progress, finished = self._finished() > finished, self._finished()
                in_a_row = 0 if progress else in_a_row + 1
                if in_a_row > max_relaunches:
                    raise StudyError(
                        f"the workers ended {in_a_row} times without a trial finished; the last "
                        f"time with: {self._launcher_error}"
                    ) from self._launcher_error
                if self._launcher_error:
                    self._tell_error(self._launcher_error)
        self._tick([], last=True)

    def _tell_error(self, error: Exception) -> None:
        """A callback of the user's that fails must not do so unheard."""
        line = (str(error).splitlines() or [""])[0]
        text = f"ended early by {type(error).__name__}: {line}"
        terminal.say(self._console, "workers", text)

    def _launch(self) -> None:
        """Runs all workers through Hydra's launcher, and waits for them."""
        self._launcher_error = None
        config = self._config.copy()
        with open_dict(config):
            if "n_jobs" in config.hydra.launcher:
                config.hydra.launcher.n_jobs = self._plan.workers
        deadline = float("inf")
        if self._plan.study.timeout_seconds:
            deadline = self._started + self._plan.study.timeout_seconds - self._spent_before
        worker = Worker(self._plan, self._config, self._context, self._task, deadline)
        launcher = Plugins.instance().instantiate_launcher(
            config=config,
            # The user's callbacks are for trials; a worker is no job of theirs.
            hydra_context=HydraContext(self._context.config_loader, Callbacks()),
            task_function=worker,
        )
        overrides = [
            [*self._plan.fixed, f"hydra.sweep.subdir=workers/{index}", "hydra.output_subdir=null"]
            for index in range(self._plan.workers)
        ]
        try:
            for job in launcher.launch(overrides, initial_job_idx=0):
                if isinstance(job._return_value, Exception):
                    raise job._return_value
        except Exception as error:
            # One worker that is killed ends joblib's whole launch: its trials are settled and
            # the others' with them, and it is launched again.
            self._launcher_error = error

    def _done(self) -> bool:
        plan, trials = self._plan, self._study.get_trials(deepcopy=False)
        if self.interrupted.is_set() or self._study.user_attrs.get(attributes.STOP):
            return True
        if plan.study.timeout_seconds and self._spent() >= plan.study.timeout_seconds:
            return True
        if sum(map(has_failed, trials)) > plan.study.max_failures:
            return True
        return plan.total is not None and sum(map(is_taken, trials)) >= plan.total

    def _finished(self) -> int:
        return sum(trial.state.is_finished() for trial in self._study.get_trials(deepcopy=False))

    def _spent(self) -> float:
        return self._spent_before + time.time() - self._started

    def _live(self) -> LiveTable:
        return LiveTable(
            load_study(self._plan.directory, self._plan.name),
            self._console,
            total=self._plan.total,
            workers=self._plan.workers,
            objectives=self._plan.study.objectives,
            on_tick=[self._tick],
            seconds_before=self._spent_before,
            step="seed" if self._plan.study.seed_mode == "sequential" else "epoch",
        )

    def _tick(self, _: list[FrozenTrial], last: bool = False) -> None:
        if self.interrupted.is_set():
            self._study.set_user_attr(attributes.STOP, True)
        if last or time.time() - self._written > SECONDS_BETWEEN_WRITES:
            self._written = time.time()
            self._study.set_user_attr(attributes.SECONDS, round(self._spent(), 1))
            write_leaderboard(self._study, self._plan.directory)

    @contextmanager
    def _ctrl_c(self) -> Iterator[None]:
        """The first Ctrl-C ends the study in order, the second at once."""

        def stop(*_: Any) -> None:
            if self.interrupted.is_set():
                raise KeyboardInterrupt
            self.interrupted.set()

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
