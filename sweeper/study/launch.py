"""Runs a study from start to end: opens it, launches its workers, shows and sums it up."""

from __future__ import annotations

from dataclasses import replace

import optuna
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from sweeper import console as terminal
from sweeper.errors import ConfigError, OutputError, StudyError
from sweeper.record import TRACEBACK, write_whole
from sweeper.runtime import available_cores
from sweeper.study import attributes, locks
from sweeper.study.known import known_parameters
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
from sweeper.study.study_run import StudyRun
from sweeper.study.worker import silence_optuna


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
        run = StudyRun(plan, study, console, config, context, task)
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
    taken = [trial for trial in study.get_trials(deepcopy=False) if is_taken(trial)]
    if plan.is_grid and any(attributes.GRID_POINT not in trial.user_attrs for trial in taken):
        raise ConfigError(
            "study.sampler: got 'grid', but this study has trials of another sampler, in whose "
            "place combinations would be left out; give another study.name to start anew"
        )
    threads = study.user_attrs[attributes.THREADS]
    if plan.trial.train.threads not in (None, threads):
        raise ConfigError(
            f"train.threads: got {plan.trial.train.threads}, but the trials of this study have "
            f"{threads}, and other threads round otherwise; give another study.name to start anew"
        )
    workers = plan.workers
    if plan.study.workers == "auto":
        workers = min(workers, max(1, available_cores() // threads))
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
