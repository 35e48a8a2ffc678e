"""Which trial a worker runs next: one at a time takes its turn to claim one.

A turn lasts from asking "is there a trial left?" until one is claimed. So no trial is
started twice, and none too many.
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
# These walk along one sequence, whose index they read and write while they choose.
SEQUENTIAL_SAMPLERS = ("qmc",)


class ClaimedStudy(optuna.Study):
    """A study whose next `ask` takes the trial that has been claimed.

    Attributes:
      claimed: its identifier.
      is_stopped: whether a callback has called `stop`.
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
        # Parameter sets that come before what the sampler chooses; a start may add some.
        self._first = study.user_attrs.get(attributes.INITIAL_PARAMS, [])

    def claim_next(self) -> bool:
        """Claims the next trial; False where none is left, or the study is stopped."""
        if study_attribute(self._study, attributes.STOP):
            return False
        self._lock.acquire()
        try:
            claimed = self._claim()
        finally:
            is_certain = self._lock.release()
        if claimed is not None and not is_certain:
            # The database was away, and another worker may have had its turn at the same time.
            with locked(self._lock):
                if self._is_surplus(claimed):
                    self._discard(claimed)
                    claimed = None
            if claimed is None:
                return self.claim_next()
        self._study.claimed = claimed
        return claimed is not None

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """The values of a trial's searched parameters."""
        is_sequential = self._plan.study.sampler in SEQUENTIAL_SAMPLERS
        with locked(self._lock) if is_sequential else nullcontext():
            return self._plan.space.suggest(trial)

    def _claim(self) -> int | None:
        """The identifier of a trial that is marked as running from here on."""
        plan, counter = self._plan, self._counter
        counter.refresh()
        if counter.budget_exhausted(plan.total, plan.study.max_failures):
            return None
        for waiting in counter.waiting:
            if self._study._storage.set_trial_state_values(waiting, TrialState.RUNNING):
                # One to be run again. Another process has queued it, and Optuna's cache knows of a
                # trial what it has read.
                self._study.get_trials(deepcopy=False)
                return waiting
        attribute = attributes.GRID_POINT if plan.is_grid else attributes.FIRST_SET
        points = plan.points if plan.is_grid else self._first
        index = counter.next_index(attribute)
        if index < len(points):
            return self._begin(points[index], {attribute: index})
        return None if plan.is_grid else self._begin({}, {})

    def _begin(self, parameters: dict[str, Any], values: dict[str, Any]) -> int:
        """A new trial, as Optuna makes those that are queued for it, but running already."""
        template = None
        if parameters or values:
            template = create_trial(
                state=TrialState.RUNNING,
                system_attrs={"fixed_params": parameters},
                user_attrs=values,
            )
        return self._study._storage.create_new_trial(self._study._study_id, template)

    def _is_surplus(self, claimed: int) -> bool:
        """Whether a trial that was claimed out of turn is one too many, or another's twin."""
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
        storage = self._study._storage
        ending = {
            attributes.REASON: DUPLICATE_CLAIM,
            attributes.INTERRUPTED: True,
            attributes.DUPLICATE: True,
        }
        for key, value in ending.items():
            storage.set_trial_user_attr(claimed, key, value)
        storage.set_trial_state_values(claimed, TrialState.FAIL)
