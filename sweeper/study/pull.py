"""The loop of a worker: takes the next trial, runs it, tells how it ended, and again.

Workers wait for nobody. What they share is Optuna's storage, and a lock that each
holds from asking "is there a trial left?" until it has taken one: so no trial is
started twice, none too many, and each sampler sees what the others run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import optuna
from filelock import FileLock
from hydra.utils import get_method
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeper import record as records
from sweeper.errors import OutputError, TrialError
from sweeper.study import attributes
from sweeper.study.choices import FINAL_METRICS
from sweeper.study.plan import Plan
from sweeper.study.pruners import build_pruner
from sweeper.study.samplers import build_sampler
from sweeper.study.storage import cut_short, is_spent, load_study, queue_again
from sweeper.study.storage_errors import STORAGE_ERRORS
from sweeper.study.summary import has_collapsed, summarize
from sweeper.study.trial_child import (
    COMPLETE,
    DIED,
    INTERRUPTED,
    PRUNED,
    Job,
    Outcome,
)
from sweeper.study.trial_process import TrialProcess

TURN = ".turn.lock"
COLLAPSED = "scores_collapsed"


class TrialEndedError(Exception):
    """Ends a trial that did not complete, for Optuna to note as failed."""


class StorageLostError(BaseException):
    """The storage refused something of a trial: no failure, which Optuna would note it as."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Puller:
    """Runs trials of a study, one after the other, until none is left.

    Args:
      plan: the study.
      run: runs one job; called in the trial's process.
      epochs_of: how many epochs a trial with these overrides may train.
      index: of the worker, from 0: each has its own random stream.
    """

    def __init__(
        self,
        plan: Plan,
        run: Callable[[Job], Any],
        epochs_of: Callable[[list[str]], int],
        index: int,
    ) -> None:
        self._plan, self._epochs_of = plan, epochs_of
        self._study = load_study(plan.directory, plan.name)
        finished = sum(trial.state.is_finished() for trial in self._trials())
        self._study.sampler = build_sampler(plan.study, index, finished)
        every = plan.trial.train.eval_every_epochs
        self._study.pruner = build_pruner(plan.study, plan.max_epochs, every)
        self._process = TrialProcess(run, self._is_interrupted, plan.study.trial_timeout_seconds)
        self._turn = FileLock(plan.directory / TURN)
        self._none_left = False

    def pull(self) -> None:
        """Returns when there is no trial left, or the study is stopped."""
        callbacks = [get_method(path) for path in self._plan.study.callbacks]
        try:
            if self._take_turn():
                self._study.optimize(
                    self._objective, catch=(Exception,), callbacks=[*callbacks, self._next]
                )
                if not self._none_left:
                    # A callback called `study.stop()`: that is meant for all workers.
                    self._study.set_user_attr(attributes.STOP, attributes.NO_MORE)
        except StorageLostError as lost:
            # The trial is still marked as running; the main process has it run again.
            raise lost.error from lost.error.__cause__
        finally:
            self._turn.release(force=True)
            self._process.close()

    def _take_turn(self) -> bool:
        """Takes the lock if there is a trial left; Optuna's `ask` follows, then its release."""
        self._turn.acquire()
        if self._trial_left():
            return True
        self._none_left = True
        self._turn.release()
        return False

    def _next(self, study: optuna.Study, _: FrozenTrial) -> None:
        if not self._take_turn():
            study.stop()

    def _trial_left(self) -> bool:
        plan, trials = self._plan, self._trials()
        if self._stopped():
            return False
        if is_spent(trials, plan.total, plan.study.max_failures):
            return False
        if any(trial.state == TrialState.WAITING for trial in trials):
            return True  # One to be run again.
        if plan.is_grid:
            return self._queue_next(plan.points, attributes.GRID_POINT, trials)
        first = self._study.user_attrs.get(attributes.FIRST, [])
        self._queue_next(first, attributes.FIRST_SET, trials)
        return True

    def _queue_next(
        self, points: Sequence[dict[str, Any]], attribute: str, trials: list[FrozenTrial]
    ) -> bool:
        """Queues the next point, which `ask` will then take; False where none is left.

        One at a time: a trial that is to be run again comes before all that are left.
        """
        done = [trial.user_attrs.get(attribute, -1) for trial in trials]
        index = max(done, default=-1) + 1
        if index < len(points):
            self._study.enqueue_trial(points[index], user_attrs={attribute: index})
        return index < len(points)

    def _objective(self, trial: Trial) -> Any:
        try:
            return self._run(trial)
        except STORAGE_ERRORS as error:
            raise StorageLostError(error) from error

    def _run(self, trial: Trial) -> Any:
        try:
            values = self._plan.space.suggest(trial)
        finally:
            self._turn.release()
        directory = f"trials/{trial.number:04d}"
        job = Job(
            trial.number, self._plan.directory / directory, self._plan.space.overrides(values)
        )
        trial.set_user_attr(attributes.DIRECTORY, directory)
        trial.set_user_attr(attributes.OVERRIDES, job.overrides)
        started = time.monotonic()
        try:
            outcome = self._process.run(
                job, lambda step, metrics: self._report(trial, job, step, metrics)
            )
        except STORAGE_ERRORS:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            trial.set_user_attr(attributes.REASON, reason)
            records.close_open(job.directory, "failed", reason)
            raise
        result = summarize(job.directory)
        if result:
            trial.set_user_attr(attributes.RESULT, result)
            trial.set_constraint(COLLAPSED, 1.0 if has_collapsed(result) else 0.0)
        else:
            trial.set_user_attr(attributes.TOOK, round(time.monotonic() - started, 1))
        return self._end(trial, job, outcome)

    def _report(self, trial: Trial, job: Job, step: int, metrics: Mapping[str, float]) -> bool:
        """Notes how far a trial is; True prunes it."""
        metric = self._plan.study.objectives[0].metric
        if metric in FINAL_METRICS:
            return False
        if metric not in metrics:
            raise TrialError(
                f"the task reported {', '.join(metrics)} and not {metric}, the study's objective"
            )
        value = float(metrics[metric])
        if not math.isfinite(value):
            raise TrialError(f"{metric} was reported as {value} at step {step}; must be finite")
        if len(self._plan.study.objectives) > 1:
            # Optuna takes no intermediate values here.
            trial.set_user_attr(attributes.PROGRESS, [step, value])
            return False
        if self._plan.study.seed_mode == "sequential":
            # Each step is another seed's figure; what the trial has come to is their mean.
            _, mean = trial.user_attrs.get(attributes.PROGRESS, (0, 0.0))
            trial.set_user_attr(attributes.PROGRESS, [step, mean + (value - mean) / (step + 1)])
        trial.report(value, step)
        # At its last step there is nothing left to save.
        return trial.should_prune() and step < self._last_step(job)

    def _last_step(self, job: Job) -> int:
        study = self._plan.study
        if study.seed_mode == "sequential":
            return len(study.split_seeds) - 1
        return self._epochs_of(job.overrides)

    def _end(self, trial: Trial, job: Job, outcome: Outcome) -> Any:
        """The objective's values, or the exception that tells Optuna how the trial ended."""
        if outcome.state == COMPLETE:
            try:
                return self._checked(outcome.values)
            except TrialError as error:
                trial.set_user_attr(attributes.REASON, str(error))
                raise
        if outcome.state == PRUNED:
            raise optuna.TrialPruned(outcome.reason)
        if outcome.traceback and not (job.directory / records.TRACEBACK).exists():
            # A full disk must not hide the reason.
            with suppress(OutputError):
                records.write_whole(job.directory / records.TRACEBACK, outcome.traceback.encode())
        reason, again = outcome.reason or outcome.state, False
        if outcome.state in (DIED, INTERRUPTED):
            died = outcome.state == DIED
            ending = cut_short(trial, reason, self._plan.study.max_retries, died)
            again = bool(ending.get(attributes.INTERRUPTED))
            # In one turn: else another worker could count one trial less and find none queued.
            with self._turn:
                for key, value in ending.items():
                    trial.set_user_attr(key, value)
                if not died:
                    self._study.set_user_attr(attributes.STOP, attributes.AT_ONCE)
                elif again:
                    queue_again(self._study, trial.number, trial.params, trial.user_attrs)
        else:
            trial.set_user_attr(attributes.REASON, reason)
        records.close_open(job.directory, "interrupted" if again else "failed", reason)
        raise TrialEndedError(reason)

    def _checked(self, values: Any) -> list[float]:
        objectives = [objective.metric for objective in self._plan.study.objectives]
        numbers = list(values) if isinstance(values, list | tuple) else [values]
        if len(numbers) != len(objectives):
            raise TrialError(
                f"the task returned {values!r}; must be {len(objectives)} numbers "
                f"({', '.join(objectives)})"
            )
        for metric, number in zip(objectives, numbers, strict=True):
            # `Real`: NumPy's numbers too.
            if not isinstance(number, Real) or not math.isfinite(number):
                raise TrialError(f"{metric} came out as {number!r}; must be a finite number")
        return [float(number) for number in numbers]

    def _stopped(self) -> bool:
        return bool(self._study.user_attrs.get(attributes.STOP))

    def _is_interrupted(self) -> bool:
        return self._study.user_attrs.get(attributes.STOP) == attributes.AT_ONCE

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)
