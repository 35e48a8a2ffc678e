"""Creates a study, or opens the one that an earlier start created."""

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
    """Returns the plan with the study's name in its storage, and the storage.

    Raises:
      ConfigError: the study of the directory has another kind of storage, or another name.
    """
    found = storage_in(plan.directory)
    if found and found.kind != plan.storage.name:
        raise ConfigError(
            f"storage.name: got {plan.storage.name!r}, but the study in {plan.directory} was "
            f"created with {found.kind!r}; {START_ANEW}"
        )
    name = plan.name
    if found:
        # The study is named after its directory, which may have been renamed since.
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
    """Opens the study, and creates it first if it is new.

    Returns:
      The study, and lines to print about the parameter sets that a new study tries first; None
      instead of the lines if the study existed already.

    Raises:
      ConfigError: the directory holds another study, or its trials were scored by another rule.
      DataChangedError: the data has changed since the study began.
      OutputError: the study is damaged, or there are trials without a study.
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
    """Recovers trials of earlier starts, and returns the plan with the study's number of threads.

    Raises:
      ConfigError: the study has trials of another sampler, or with another number of threads.
    """
    recover_stale_trials(study, plan)
    trials = study.get_trials(deepcopy=False)
    if plan.is_grid and any(attributes.GRID_POINT not in trial.user_attrs for trial in trials):
        raise ConfigError(
            "study.sampler: got 'grid', but this study has trials of another sampler, which would "
            f"take the place of combinations of the grid; {START_ANEW}"
        )
    threads = study.user_attrs[attributes.THREADS]
    given = plan.app.threads(plan.trial)
    if given not in (None, threads):
        raise ConfigError(
            f"{plan.app.thread_key}: got {given}, but the trials of this study have {threads}, and "
            f"another number of threads changes rounding; {START_ANEW}"
        )
    if remarks is None:
        remarks = list(_add_sets(study, plan))
    for remark in [*remarks, *_untried_sets(study, plan)]:
        print_status(console, "first", remark)
    workers = plan.workers
    if plan.study.workers == "auto":
        workers = min(workers, max(1, available_cores() // threads))
    return replace(plan, threads=threads, workers=workers)


def _check_no_trials(plan: Plan) -> None:
    trials = [*plan.directory.glob("trials/*")]
    if trials:
        raise OutputError(
            f"hydra.sweep.dir: {plan.directory} has trials ({trials[0]}), but {plan.storage.url} "
            f"no longer holds their study; {START_ANEW}"
        )


def _add_sets(study: optuna.Study, plan: Plan) -> Iterator[str]:
    """Adds sets that were added to `study.enqueue` since the study began; yields lines to print."""
    if plan.study.warm_start:
        yield "study.warm_start: ignored; only a new study can start from an earlier one"
    named, remarks = enqueued_params(plan)
    first = study.user_attrs[attributes.INITIAL_PARAMS]
    added = [values for values in named if values not in first]
    if added:
        study.set_user_attr(attributes.INITIAL_PARAMS, [*first, *added])
        sets = "1 set was" if len(added) == 1 else f"{len(added)} sets were"
        yield f"study.enqueue: {sets} added and will be tried next"
        yield from remarks


def _untried_sets(study: optuna.Study, plan: Plan) -> Iterator[str]:
    sets = len(study.user_attrs[attributes.INITIAL_PARAMS])
    if plan.total is not None and sets > plan.total:
        yield f"there are {sets} sets for {plan.total} trials; raise study.n_trials to try all"
