"""Claims the next trial for a worker.

A worker holds the study lock from the check of the budget until a trial is claimed, so that
no trial starts twice and the budget is never exceeded.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import optuna
from optuna.trial import Trial, TrialState, create_trial

from sweeper.study import attributes
from sweeper.study.execution.recovery import counts_toward_budget
from sweeper.study.execution.trial_counter import TrialCounter
from sweeper.study.plan import Plan
from sweeper.study.storage.bulk_rdb import study_attribute
from sweeper.study.storage.storage import StudyLock, locked

DUPLICATE_CLAIM = "is a duplicate: it was claimed while the connection was lost"
# These samplers share one sequence, whose index they read and write when they sample.
SEQUENTIAL_SAMPLERS = ("qmc",)


class ClaimedStudy(optuna.Study):
    """A study whose next `ask` returns the trial that was claimed.

    Attributes:
      claimed: the identifier of the claimed trial.
      is_stopped: whether a callback called `stop`.
    """

    claimed: int | None = None
    is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True
        super().stop()

    def _pop_waiting_trial_id(self) -> int | None:
        claimed, self.claimed = self.claimed, None
        return claimed


class TrialQueue:
    """Claims trials of a study for one worker."""

    def __init__(self, plan: Plan, study: ClaimedStudy, lock: StudyLock) -> None:
        self._plan, self._study, self._lock = plan, study, lock
        self._counter = TrialCounter(study)
        # Parameter sets that run before the sampler's; each start may add some.
        self._first = study.user_attrs.get(attributes.INITIAL_PARAMS, [])

    def claim_next(self) -> bool:
        """Claims the next trial; returns False if none is left or the study is stopped."""
        if study_attribute(self._study, attributes.STOP):
            return False
        self._lock.acquire()
        try:
            claimed = self._claim()
        finally:
            is_certain = self._lock.release()
        if claimed is not None and not is_certain:
            # The connection was lost, so that another worker may have claimed at the same time.
            with locked(self._lock):
                if self._is_duplicate(claimed):
                    self._discard(claimed)
                    claimed = None
            if claimed is None:
                return self.claim_next()
        self._study.claimed = claimed
        return claimed is not None

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Suggests the values of a trial's searched parameters."""
        is_sequential = self._plan.study.sampler in SEQUENTIAL_SAMPLERS
        with locked(self._lock) if is_sequential else nullcontext():
            return self._plan.space.suggest(trial)

    def _claim(self) -> int | None:
        """Marks a trial as running and returns its identifier; None if no trial is left."""
        plan, counter = self._plan, self._counter
        counter.refresh()
        if counter.budget_exhausted(plan.total, plan.study.max_failures):
            return None
        for waiting in counter.waiting:
            if self._study._storage.set_trial_state_values(waiting, TrialState.RUNNING):
                # Another process queued the trial: Optuna's cache must read it.
                self._study.get_trials(deepcopy=False)
                return waiting
        attribute = attributes.GRID_POINT if plan.is_grid else attributes.FIRST_SET
        points = plan.points if plan.is_grid else self._first
        index = counter.next_index(attribute)
        if index < len(points):
            return self._begin(points[index], {attribute: index})
        return None if plan.is_grid else self._begin({}, {})

    def _begin(self, parameters: dict[str, Any], values: dict[str, Any]) -> int:
        """Creates a running trial with fixed parameters, as Optuna does for an enqueued trial."""
        template = None
        if parameters or values:
            template = create_trial(
                state=TrialState.RUNNING,
                system_attrs={"fixed_params": parameters},
                user_attrs=values,
            )
        return self._study._storage.create_new_trial(self._study._study_id, template)

    def _is_duplicate(self, claimed: int) -> bool:
        """Returns whether a trial claimed without the lock exceeds the budget or has a twin."""
        self._counter.refresh()
        if self._plan.total is not None and self._counter.claimed > self._plan.total:
            return True
        trials = {trial._trial_id: trial for trial in self._study.get_trials(deepcopy=False)}
        own = trials.pop(claimed).user_attrs
        return any(
            own.get(key, -1) == trial.user_attrs.get(key) and counts_toward_budget(trial)
            for trial in trials.values()
            for key in (attributes.GRID_POINT, attributes.FIRST_SET)
        )

    def _discard(self, claimed: int) -> None:
        """Marks a claimed trial as a duplicate that will not be run again."""
        storage = self._study._storage
        ending = {
            attributes.REASON: DUPLICATE_CLAIM,
            attributes.INTERRUPTED: True,
            attributes.DUPLICATE: True,
        }
        for key, value in ending.items():
            storage.set_trial_user_attr(claimed, key, value)
        storage.set_trial_state_values(claimed, TrialState.FAIL)
