"""Tracks the progress of a study: counts of trials, the best ones, the time left."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.number_formats import short_names
from sweeper.study.outputs.trial_states import last_report, losses, state_of

# The time left is estimated from this many finishes, to average short and long trials.
RECENT_FINISHES = 20


class StudyProgress:
    """Tracks the trials of a study incrementally.

    An update is cheap even with thousands of trials, since it only examines those that have
    ended since the last update.

    Args:
      total: how many trials will finish; None if there is no such number.
      workers: how many trials run at once.
      objectives: the study's objectives.
      now: the time of the start, on the same monotonic clock as in `update`.
      until: the end of the study's time, on that clock; None if it has no limit.

    Attributes:
      counts: the number of trials that have ended, by state.
      running: the running trials, in the order of their numbers.
      began: the time of the update that first saw each running trial.
      best: the best complete and feasible trial by objective.
      front: the Pareto set.
      short: the short name of each searched parameter.
    """

    def __init__(
        self,
        total: int | None,
        workers: int,
        objectives: Sequence[ObjectiveConfig],
        now: float,
        until: float | None = None,
    ) -> None:
        self.total, self.objectives = total, objectives
        self._until = until
        self.counts: Counter[str] = Counter()
        self.running: list[FrozenTrial] = []
        self.began: dict[int, float] = {}
        self.best: list[FrozenTrial | None] = [None] * len(objectives)
        self.front: list[FrozenTrial] = []
        self.short: dict[str, str] = {}
        self._workers = workers
        self._ended: set[int] = set()
        self._looked = False
        # For each running trial, step and time of the first and the last report seen.
        self._reports: dict[int, tuple[tuple[int, float], tuple[int, float]]] = {}
        self._finishes = deque([now], maxlen=1 + max(RECENT_FINISHES, 2 * workers))

    @property
    def finished(self) -> int:
        """The number of trials that have ended and will not be run again."""
        return self.counts.total() - self.counts["interrupted"]

    def update(self, trials: Sequence[FrozenTrial], now: float) -> list[FrozenTrial]:
        """Updates the progress; returns the trials that have ended since the last update.

        Trials that had ended before the first update belong to an earlier start. They count,
        but are not returned, and do not affect the estimate of the time left.
        """
        self.running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        self.began = {trial.number: self.began.get(trial.number, now) for trial in self.running}
        self._note_reports(now)
        ended = [
            trial
            for trial in trials
            if trial.number not in self._ended and trial.state.is_finished()
        ]
        for trial in ended:
            self._add(trial, now)
        names = {name: None for trial in (*ended, *self.running) for name in trial.params}
        if not names.keys() <= self.short.keys():
            self.short = short_names({**dict.fromkeys(self.short), **names})
        new, self._looked = (ended if self._looked else []), True
        return new

    def _note_reports(self, now: float) -> None:
        before, self._reports = self._reports, {}
        for trial in self.running:
            if report := last_report(trial):
                seen = (report[0], now)
                first, last = before.get(trial.number, (seen, seen))
                self._reports[trial.number] = first, last if last[0] == seen[0] else seen

    def _add(self, trial: FrozenTrial, now: float) -> None:
        state = state_of(trial)
        self._ended.add(trial.number)
        self.counts[state] += 1
        if self._looked and state != "interrupted":
            self._finishes.append(now)
        if state != "complete":
            return
        own = losses(trial.values, self.objectives)
        for index, best in enumerate(self.best):
            if best is None or own[index] < losses(best.values, self.objectives)[index]:
                self.best[index] = trial
        front = [(losses(other.values, self.objectives), other) for other in self.front]
        if not any(_dominates(other, own) for other, _ in front):
            self.front = [other for values, other in front if not _dominates(own, values)]
            self.front.append(trial)

    def seconds_left(self, now: float) -> float | None:
        """Estimates the seconds until all trials finish or the time is over; None if unknown.

        The estimate uses the mean time between the last finishes. The first trials of all
        workers end at about the same time: until each worker has finished one, the time is
        divided by the number of workers instead of the number of finishes.
        """
        finished = self._until_running_end(now)
        if finished is None:
            finished = self._until_finished(now)
        limits = [finished, None if self._until is None else self._until - now]
        left = min((limit for limit in limits if limit is not None), default=None)
        return None if left is None else max(left, 0.0)

    def _until_running_end(self, now: float) -> float | None:
        """Estimates the seconds until the last running trials end, from their own pace.

        Returns None if further trials are still to start, or if a running trial has not
        reported twice.
        """
        if self.total is None or self.total - self.finished > len(self.running):
            return None
        left = []
        for trial in self.running:
            steps = trial.user_attrs.get(attributes.STEPS)
            first, last = self._reports.get(trial.number, ((0, 0.0), (0, 0.0)))
            if steps is None or last[0] == first[0]:
                return None
            pace = (last[1] - first[1]) / (last[0] - first[0])
            left.append(max(0.0, (steps - last[0]) * pace - (now - last[1])))
        return max(left, default=None)

    def _until_finished(self, now: float) -> float | None:
        """Estimates the seconds until all trials finish, from the last finishes."""
        finishes = len(self._finishes) - 1
        if not finishes or self.total is None:
            return None
        between = (self._finishes[-1] - self._finishes[0]) / max(finishes, self._workers)
        left = between * max(self.total - self.finished, 0)
        return left - (now - self._finishes[-1])


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Returns whether `one` is better in an objective and worse in none; less is better."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
