"""How trials that were cut short are put right, and which ones count towards the total."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeper.study import attributes
from sweeper.study.plan import Plan

PROCESS_DIED = "its process died before the trial finished"


def recover_stale_trials(study: optuna.Study, plan: Plan, died: bool = False) -> None:
    """Puts right what processes that have gone left behind; to be called while none runs.

    Trials still marked as running are closed, and those cut short are queued again, with
    the same parameters: without limit where the user stopped them, `max_retries` times
    where their process died.

    Args:
      died: a worker died under them; else it was the main process that ended, which
        says nothing against a trial.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # Optuna has no public way to an attribute of a trial that another process began.
        # One that was claimed, and never began, had no process to die.
        had_begun = attributes.DIRECTORY in trial.user_attrs
        died_under_it, max_retries = died and had_begun, plan.study.max_retries
        for key, value in interruption_attributes(
            trial, PROCESS_DIED, max_retries, died_under_it
        ).items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)
        study.tell(trial.number, state=TrialState.FAIL)
        directory = plan.directory / attributes.place_of(trial)
        plan.app.mark_interrupted(directory, "interrupted", PROCESS_DIED)
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get(attributes.RETRY_OF) for trial in trials}
    for trial in trials:
        to_run = trial.user_attrs.get(attributes.INTERRUPTED) and trial.number not in again
        if to_run and not trial.user_attrs.get(attributes.DUPLICATE):
            # It may have ended before all of what was queued for it was asked for.
            queued = trial.system_attrs.get("fixed_params", {})
            requeue(study, trial.number, {**queued, **trial.params}, trial.user_attrs)


def interruption_attributes(
    trial: FrozenTrial | Trial, reason: str, max_retries: int, died: bool
) -> dict[str, Any]:
    """The attributes of a trial that ended before its end.

    It is to be run again, unless processes died under it more than `max_retries` times.
    """
    deaths = trial.user_attrs.get(attributes.CRASH_COUNT, 0) + int(died)
    again = {attributes.INTERRUPTED: True} if deaths <= max_retries else {}
    return {attributes.REASON: reason, attributes.CRASH_COUNT: deaths, **again}


def requeue(
    study: optuna.Study, number: int, parameters: dict[str, Any], values: dict[str, Any]
) -> None:
    """Queues a trial that was cut short, with its parameters; `values` are its attributes."""
    kept = (attributes.GRID_POINT, attributes.CRASH_COUNT)
    again = {attributes.RETRY_OF: number, **{key: values[key] for key in kept if key in values}}
    study.enqueue_trial(parameters, user_attrs=again)


class Counted(Protocol):
    """What of a trial, Optuna's or a worker's short form, tells whether it counts."""

    @property
    def state(self) -> TrialState: ...

    @property
    def user_attrs(self) -> dict[str, Any]: ...


def counts_toward_budget(trial: Counted) -> bool:
    """Whether a trial uses up one of `study.n_trials`: it runs, has finished, or has failed.

    One that is to be run again does not.
    """
    return trial.state != TrialState.WAITING and not trial.user_attrs.get(attributes.INTERRUPTED)


def has_failed(trial: Counted) -> bool:
    """Whether a trial failed for good."""
    return trial.state == TrialState.FAIL and counts_toward_budget(trial)


def budget_exhausted(trials: Sequence[FrozenTrial], total: int | None, max_failures: int) -> bool:
    """Whether no further trial may start: all that are wanted have, or too many failed."""
    claimed, failed = sum(map(counts_toward_budget, trials)), sum(map(has_failed, trials))
    return is_budget_exhausted(claimed, failed, total, max_failures)


def is_budget_exhausted(claimed: int, failed: int, total: int | None, max_failures: int) -> bool:
    """As `budget_exhausted`, of trials that have been counted."""
    return failed > max_failures or (total is not None and claimed >= total)
