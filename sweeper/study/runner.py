"""Runs a study from start to end: opens it, launches its workers and writes its results."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import optuna
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from sweeper.common.console import make_console, print_status
from sweeper.common.errors import StudyError, finishing
from sweeper.common.output_files import atomic_write, make_writable
from sweeper.study.create_or_resume import open_study, prepare_plan, storage_of
from sweeper.study.execution import locks
from sweeper.study.execution.artifact_sync import download
from sweeper.study.execution.recovery import counts_toward_budget, recover_stale_trials
from sweeper.study.execution.study_run import StudyRun
from sweeper.study.execution.worker import silence_optuna
from sweeper.study.failures import failure_of, first_failure, nothing_to_rank
from sweeper.study.hooks import StudyHooks
from sweeper.study.outputs.result_files import show_results, shown_path
from sweeper.study.plan import Plan
from sweeper.study.storage.factory import check_place

# Workers on other machines, launched by a start that was killed, may need this long to notice it.
SECONDS_TO_END = 10.0

Before = Callable[[optuna.Study], None]


def run_study(
    plan: Plan,
    hooks: StudyHooks,
    config: DictConfig,
    context: HydraContext,
    task: TaskFunction,
    max_relaunches: int,
) -> StudyError | None:
    """Starts or resumes a study until its budget is used up, then confirms its best trials.

    Args:
      hooks: what the app does before and after the trials.
      max_relaunches: how often the workers are launched again when their launcher fails.

    Returns:
      The error of the reference or the confirmation if one of them failed, otherwise None.

    Raises:
      ConfigError: a configuration doesn't fit the data, or the directory holds another study.
      DataError: the data can't be read or has changed.
      OutputError: the directory can't be used, or is in use.
      StudyError: too many trials failed, none completed, or the launcher failed too often.
      SystemExit: the study was interrupted, by Ctrl-C for example; its workers have ended.
    """
    silence_optuna()
    console = make_console()
    plan = hooks.check_data(plan, context.config_loader, partial(print_status, console, "data"))
    runner = _Runner(hooks, _resume_command(plan), console, config, context, task, max_relaunches)
    failures: list[StudyError] = []

    def train_reference(study: optuna.Study) -> None:
        reference = hooks.reference_plan(plan, context.config_loader)
        if reference is None:
            return
        trained = runner.run(reference)
        if not hooks.keep_reference(study, reference, trained):
            text = f"{plan.study.reference} failed and is skipped: {first_failure(trained)}"
            print_status(console, "reference", f"{text}; see {reference.directory}")
        # A failed reference doesn't affect the trials.
        if failure := failure_of(reference, trained):
            failures.append(StudyError(f"study.reference: it is skipped: {failure}"))
        console.print()

    study = runner.run(plan, train_reference)
    if failure := failure_of(plan, study):
        raise failure
    if confirmation := hooks.confirmation_plan(plan, study, context.config_loader):
        planned, remarks = confirmation
        console.print()
        for line in remarks:
            print_status(console, "confirm", line)
        if failure := failure_of(planned, runner.run(planned)):
            failures.append(StudyError(f"study.confirm: {failure}"))
    return failures[0] if failures else None


@dataclass(frozen=True)
class _Runner:
    """Runs a study, its reference and its confirmation.

    Attributes:
      resume_command: the command that resumes the study.
    """

    hooks: StudyHooks
    resume_command: str
    console: Console
    config: DictConfig
    context: HydraContext
    task: TaskFunction
    max_relaunches: int

    def run(self, plan: Plan, before: Before = lambda study: None) -> optuna.Study:
        """Runs one of them until its budget is used up, and returns its study.

        Args:
          before: is called with the opened study before its first trial.
        """
        check_place(plan.directory, plan.app.trial_file)
        plan, storage = storage_of(plan)
        # The storage must be reachable before anything is written.
        storage.exists()
        make_writable("hydra.sweep.dir", plan.directory)
        with locks.main_process(plan.directory):
            locks.wait_for_workers(plan.directory)
            study, remarks = open_study(plan, storage, self.hooks)
            with storage.main_process(study):
                storage.wait_for_workers(study, SECONDS_TO_END)
                plan = prepare_plan(plan, study, remarks, self.console)
                path = plan.directory / "multirun.yaml"
                atomic_write(path, OmegaConf.to_yaml(self.config).encode())
                before(study)
                _print_plan(plan, study, self.console)
                run = StudyRun(
                    plan, storage, study, self.console, self.config, self.context, self.task
                )
                with finishing(lambda: _sum_up(study, plan, self.console)):
                    run.until_done(self.max_relaunches)
        if run.stopped_by:
            print_status(self.console, "resume", self.resume_command)
            sys.exit(128 + run.stopped_by)
        return study


def _sum_up(study: optuna.Study, plan: Plan, console: Console) -> None:
    """Recovers what the workers left, then writes and prints the results."""
    recover_stale_trials(study, plan)
    for line in download(study, plan.directory):
        print_status(console, "files", line)
    show_results(study, plan, console)
    if text := nothing_to_rank(plan, study):
        print_status(console, "result", text)


def _resume_command(plan: Plan) -> str:
    """Returns the user's command, with the directory if its name depended on the time."""
    command = list(sys.orig_argv)
    if plan.study.name is None and not any("hydra.sweep.dir=" in argument for argument in command):
        command.append(f"hydra.sweep.dir={shown_path(plan.directory)}")
    return shlex.join(command)


def _print_plan(plan: Plan, study: optuna.Study, console: Console) -> None:
    if plan.total is None:
        total = f"{plan.study.timeout_seconds:g} s of trials"
    else:
        total = "1 trial" if plan.total == 1 else f"{plan.total} trials"
    pruner = "" if plan.study.pruner == "none" else f", pruner {plan.study.pruner}"
    how = f", sampler {plan.study.sampler}{pruner}" if plan.selects else ""
    print_status(console, "study", f"{plan.name}: {total}{how}")
    if plan.purpose:
        print_status(console, "purpose", plan.purpose)
    if plan.selects:
        space = ", ".join(plan.space.names) or "a single configuration"
        print_status(console, "space", space)
    threads = "1 thread" if plan.threads == 1 else f"{plan.threads} threads"
    workers = "1 worker" if plan.workers == 1 else f"{plan.workers} workers"
    print_status(console, "workers", f"{workers} of {threads}")
    count = sum(map(counts_toward_budget, study.get_trials(deepcopy=False)))
    if count:
        trials = "1 trial" if count == 1 else f"{count} trials"
        print_status(console, "resumed", f"the study already has {trials}")
    console.print()
