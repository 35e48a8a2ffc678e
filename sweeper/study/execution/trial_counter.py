"""How much of a study's budget is used up, as a worker sees it in its turn.

A turn must be short, since all workers wait for it. Optuna reads every running trial
with all that it has, some 25 ms with 64 of them; here a database is asked for what
counts alone, and for what has ended since only once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import optuna
from optuna.trial import TrialState

from sweeper.study import attributes
from sweeper.study.execution.recovery import counts_toward_budget, has_failed, is_budget_exhausted
from sweeper.study.storage.bulk_rdb import database_of

BUDGET_ATTRIBUTES = (attributes.INTERRUPTED, attributes.GRID_POINT, attributes.FIRST_SET)


class Entry(NamedTuple):
    """What counts of one trial."""

    id: int
    state: TrialState
    user_attrs: dict[str, Any]


class TrialCounter:
    """Counts a study's trials from one look to the next.

    Attributes:
      taken: as `sweeper.study.execution.recovery.counts_toward_budget`.
      failed: for good.
      waiting: the identifiers of those that wait to be run, the oldest first.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._last = -1  # The highest identifier seen.
        self._open: list[Entry] = []
        self._claimed = self._failed = 0
        self._points: dict[str, int] = {}

    def refresh(self) -> None:
        """Reads what is new."""
        entries = self._read()
        for entry in entries:
            if entry.state.is_finished():
                self._claimed += counts_toward_budget(entry)
                self._failed += has_failed(entry)
            for key in (attributes.GRID_POINT, attributes.FIRST_SET):
                index = entry.user_attrs.get(key, -1)
                self._points[key] = max(index, self._points.get(key, -1))
            self._last = max(self._last, entry.id)
        self._open = [entry for entry in entries if not entry.state.is_finished()]

    @property
    def claimed(self) -> int:
        return self._claimed + sum(map(counts_toward_budget, self._open))

    @property
    def failed(self) -> int:
        return self._failed

    @property
    def waiting(self) -> list[int]:
        return sorted(entry.id for entry in self._open if entry.state == TrialState.WAITING)

    def budget_exhausted(self, total: int | None, max_failures: int) -> bool:
        """As `sweeper.study.execution.recovery.budget_exhausted`."""
        return is_budget_exhausted(self.claimed, self.failed, total, max_failures)

    def next_index(self, attribute: str) -> int:
        """The index of the next grid point, or first set: one more than any trial's."""
        return self._points.get(attribute, -1) + 1

    def _read(self) -> list[Entry]:
        still_open = [entry.id for entry in self._open]
        if database := database_of(self._study._storage):
            rows = database.get_trial_states(
                self._study._study_id, BUDGET_ATTRIBUTES, self._last, still_open
            )
            return [Entry(*row) for row in rows]
        return [
            Entry(trial._trial_id, trial.state, trial.user_attrs)
            for trial in self._study.get_trials(deepcopy=False)
            if trial._trial_id > self._last or trial._trial_id in still_open
        ]
