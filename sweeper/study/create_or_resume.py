"""Opens a study: a new one, or what an earlier start left of it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace

import optuna
from rich.console import Console

from sweeper.common.console import print_status
from sweeper.common.errors import ConfigError, OutputError
from sweeper.common.runtime import available_cores
from sweeper.study import attributes
from sweeper.study.execution.recovery import recover_stale_trials
from sweeper.study.hooks import StudyHooks
from sweeper.study.plan import Plan
from sweeper.study.resume_check import START_ANEW, check_identity
from sweeper.study.storage.factory import configured_storage, storage_in
from sweeper.study.storage.storage import StudyStorage
from sweeper.study.warm_start import enqueued_params, initial_params


def storage_of(plan: Plan) -> tuple[Plan, StudyStorage]:
    """Where the study is kept, and the plan with the study's name there.

    Raises:
      ConfigError: the directory's study is kept elsewhere, or has another name.
    """
    found = storage_in(plan.directory)
    if found and found.kind != plan.storage.name:
        raise ConfigError(
            f"storage.name: got {plan.storage.name!r}, but {plan.directory} goes on with what it "
            f"began with, {found.kind!r}; {START_ANEW}"
        )
    name = plan.name
    if found:
        # The directory that gave it its name may have been renamed.
        name = found.study_name()
        if plan.study.name not in (None, name) and plan.selects:
            raise ConfigError(
                f"study.name: got {plan.study.name!r}, but {plan.directory} holds the study "
                f"{name!r}; {START_ANEW}"
            )
    plan = replace(plan, study=replace(plan.study, name=name))
    return plan, configured_storage(plan.directory, plan.storage, name)


def open_study(
    plan: Plan, storage: StudyStorage, hooks: StudyHooks
) -> tuple[optuna.Study, list[str] | None]:
    """The study, made if it is new.

    Returns:
      It, and what there is to say of the sets that a new one tries first; None of one that
      was there.

    Raises:
      ConfigError: what was there is another study, or was scored by another rule.
      DataChangedError: its data is not what it was.
      OutputError: it is damaged, or there are trials without their study.
    """
    identity = plan.identity()
    remarks = None
    if not storage.exists():
        _check_no_trials(plan)
        first, remarks = initial_params(plan)
        values = {
            **identity,
            attributes.COMMAND: shlex.join(["python", *sys.orig_argv[1:]]),
            attributes.THREADS: plan.threads,
            attributes.INITIAL_PARAMS: first,
            **hooks.data_attributes(plan),
        }
        storage.make(plan.study.objectives, values, plan.name)
    storage.check()
    study = storage.load()
    check_identity(study, plan.directory, identity, plan.app)
    hooks.check_resumed(study, plan)
    return study, remarks


def prepare_plan(
    plan: Plan, study: optuna.Study, remarks: list[str] | None, console: Console
) -> Plan:
    """Settles what earlier starts left; the plan with the threads that all its trials have.

    Raises:
      ConfigError: the study's trials are of another sampler or have other threads.
    """
    recover_stale_trials(study, plan)
    trials = study.get_trials(deepcopy=False)
    if plan.is_grid and any(attributes.GRID_POINT not in trial.user_attrs for trial in trials):
        raise ConfigError(
            "study.sampler: got 'grid', but this study has trials of another sampler, in whose "
            f"place combinations would be left out; {START_ANEW}"
        )
    threads = study.user_attrs[attributes.THREADS]
    given = plan.app.threads(plan.trial)
    if given not in (None, threads):
        raise ConfigError(
            f"{plan.app.thread_key}: got {given}, but the trials of this study have {threads}, and "
            f"other threads round otherwise; {START_ANEW}"
        )
    if remarks is None:
        remarks = list(_add_sets(study, plan))
    for remark in [*remarks, *_sets_left_out(study, plan)]:
        print_status(console, "first", remark)
    workers = plan.workers
    if plan.study.workers == "auto":
        workers = min(workers, max(1, available_cores() // threads))
    return replace(plan, threads=threads, workers=workers)


def _check_no_trials(plan: Plan) -> None:
    trials = [*plan.directory.glob("trials/*")]
    if trials:
        raise OutputError(
            f"hydra.sweep.dir: {plan.directory} has trials ({trials[0]}), but its study is no "
            f"longer in {plan.storage.url}; {START_ANEW}"
        )


def _add_sets(study: optuna.Study, plan: Plan) -> Iterator[str]:
    """Takes over what has been added to `study.enqueue` since the study began."""
    if plan.study.warm_start:
        yield "study.warm_start: this study has begun; only a new one starts from another"
    named, remarks = enqueued_params(plan)
    first = study.user_attrs[attributes.INITIAL_PARAMS]
    added = [values for values in named if values not in first]
    if added:
        study.set_user_attr(attributes.INITIAL_PARAMS, [*first, *added])
        yield f"study.enqueue: {len(added)} sets have been added, which are tried next"
        yield from remarks


def _sets_left_out(study: optuna.Study, plan: Plan) -> Iterator[str]:
    sets = len(study.user_attrs[attributes.INITIAL_PARAMS])
    if plan.total is not None and sets > plan.total:
        yield f"{sets} sets and {plan.total} trials: the last sets wait for more study.n_trials"
