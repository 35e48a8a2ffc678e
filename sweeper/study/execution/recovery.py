"""Recovers interrupted trials, and decides which trials count toward the budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeper.study import attributes
from sweeper.study.plan import Plan

PROCESS_DIED = "its process died before the trial finished"


def recover_stale_trials(study: optuna.Study, plan: Plan, died: bool = False) -> None:
    """Recovers the trials of dead processes; must be called while no worker runs.

    Trials that are still marked as running are closed. Interrupted trials are requeued with
    the same parameters: always if the user stopped them, at most `max_retries` times if their
    process died.

    Args:
      study: the study.
      plan: its plan.
      died: whether a worker died while it ran the trials. If only the main process ended,
        this does not count against a trial.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # A trial that was claimed but never started had no process that could die.
        has_crashed = died and attributes.DIRECTORY in trial.user_attrs
        ending = interruption_attributes(trial, PROCESS_DIED, plan.study.max_retries, has_crashed)
        for key, value in ending.items():
            # Optuna has no public way to set an attribute of another process's trial.
            study._storage.set_trial_user_attr(trial._trial_id, key, value)
        study.tell(trial.number, state=TrialState.FAIL)
        directory = plan.directory / attributes.place_of(trial)
        plan.app.mark_interrupted(directory, "interrupted", PROCESS_DIED)
    trials = study.get_trials(deepcopy=False)
    requeued = {trial.user_attrs.get(attributes.RETRY_OF) for trial in trials}
    for trial in trials:
        to_run = trial.user_attrs.get(attributes.INTERRUPTED) and trial.number not in requeued
        if to_run and not trial.user_attrs.get(attributes.DUPLICATE):
            # The trial may have ended before all its queued parameters were suggested.
            queued = trial.system_attrs.get("fixed_params", {})
            requeue(study, trial.number, {**queued, **trial.params}, trial.user_attrs)


def interruption_attributes(
    trial: FrozenTrial | Trial, reason: str, max_retries: int, died: bool
) -> dict[str, Any]:
    """Returns the attributes of a trial that was interrupted.

    The trial will be run again unless its processes died more than `max_retries` times.
    """
    deaths = trial.user_attrs.get(attributes.CRASH_COUNT, 0) + int(died)
    again = {attributes.INTERRUPTED: True} if deaths <= max_retries else {}
    return {attributes.REASON: reason, attributes.CRASH_COUNT: deaths, **again}


def requeue(
    study: optuna.Study, number: int, parameters: dict[str, Any], user_attrs: dict[str, Any]
) -> None:
    """Queues an interrupted trial again, with its parameters and attributes."""
    kept = (attributes.GRID_POINT, attributes.CRASH_COUNT)
    carried = {key: user_attrs[key] for key in kept if key in user_attrs}
    study.enqueue_trial(parameters, user_attrs={attributes.RETRY_OF: number, **carried})


class Counted(Protocol):
    """The state and attributes that decide whether a trial counts toward the budget."""

    @property
    def state(self) -> TrialState: ...

    @property
    def user_attrs(self) -> dict[str, Any]: ...


def counts_toward_budget(trial: Counted) -> bool:
    """Returns whether a trial uses up one of `study.n_trials`.

    A running, finished or failed trial does; a trial that will be run again does not.
    """
    return trial.state != TrialState.WAITING and not trial.user_attrs.get(attributes.INTERRUPTED)


def has_failed(trial: Counted) -> bool:
    """Returns whether a trial failed and will not be run again."""
    return trial.state == TrialState.FAIL and counts_toward_budget(trial)


def budget_exhausted(trials: Sequence[FrozenTrial], total: int | None, max_failures: int) -> bool:
    """Returns whether no further trial may start: the total is reached, or too many failed."""
    claimed, failed = sum(map(counts_toward_budget, trials)), sum(map(has_failed, trials))
    return is_budget_exhausted(claimed, failed, total, max_failures)


def is_budget_exhausted(claimed: int, failed: int, total: int | None, max_failures: int) -> bool:
    """Does the same as `budget_exhausted` with counts of trials."""
    return failed > max_failures or (total is not None and claimed >= total)
