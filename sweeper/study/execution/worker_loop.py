"""Runs the loop of a worker: claim the next trial, run it, report how it ended, repeat.

Workers do not wait for each other. They share Optuna's storage, and
`sweeper.study.execution.trial_queue` ensures that no trial starts twice and that the budget is
not exceeded.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import Trial

from sweeper.common.errors import OutputError, TrialError, finishing
from sweeper.common.output_files import TRACEBACK, atomic_write
from sweeper.common.plugins import load
from sweeper.study import attributes
from sweeper.study.algorithms.pruners import build_pruner
from sweeper.study.algorithms.samplers import build_sampler
from sweeper.study.execution.artifact_sync import upload
from sweeper.study.execution.locks import must_stop
from sweeper.study.execution.recovery import PROCESS_DIED, interruption_attributes, requeue
from sweeper.study.execution.trial_child import (
    COMPLETE,
    DIED,
    INTERRUPTED,
    PRUNED,
    Job,
    Outcome,
)
from sweeper.study.execution.trial_process import TrialProcess
from sweeper.study.execution.trial_queue import ClaimedStudy, TrialQueue
from sweeper.study.plan import Plan
from sweeper.study.storage.bulk_rdb import set_user_attrs, study_attribute
from sweeper.study.storage.errors import STORAGE_ERRORS
from sweeper.study.storage.factory import configured_storage
from sweeper.study.storage.retry import retrying_storage
from sweeper.study.storage.storage import locked

INFEASIBLE = "scores_collapsed"
OTHER_DATA = (
    "data: the data on {} differs from the data that the study started with (its fingerprint is "
    "{:.12}, and was {:.12}); must be the same on all machines"
)
PREEMPTED = "the scheduler took its worker away"


class TrialEndedError(Exception):
    """Ends a trial that did not complete; Optuna marks it as failed."""


class StorageLostError(BaseException):
    """The storage failed during a trial; an `Exception` would make Optuna mark it as failed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class WorkerLoop:
    """Runs trials of a study, one after the other, until none is left.

    Args:
      plan: the plan of the study.
      run: runs one job; called in the trial's process.
      steps_of: returns the maximum number of steps of a trial with these overrides.
      index: the index of the worker, from 0; each worker has its own random stream.
      uploads_files: whether the files of trials are uploaded to the database.
      must_leave: called about twice a second; True ends this worker and requeues its trial.
      directory_of: returns the directory of a trial with this number and these overrides,
        relative to the study's directory.
    """

    def __init__(
        self,
        plan: Plan,
        run: Callable[[Job], Any],
        steps_of: Callable[[list[str]], int],
        index: int,
        uploads_files: bool = False,
        must_leave: Callable[[], bool] = lambda: False,
        directory_of: Callable[[int, list[str]], str] = lambda number, _: attributes.directory_of(
            number
        ),
    ) -> None:
        self._plan, self._steps_of, self._uploads_files = plan, steps_of, uploads_files
        self._must_leave, self._directory_of = must_leave, directory_of
        storage = configured_storage(plan.directory, plan.storage, plan.name)
        self._study = ClaimedStudy(plan.name, storage.connect())
        if retrying := retrying_storage(self._study):
            retrying.give_up = lambda: must_stop(plan.directory)
        self._lock = storage.lock(self._study)
        self._queue = TrialQueue(plan, self._study, self._lock)
        trials = self._study.get_trials(deepcopy=False)
        finished = sum(trial.state.is_finished() for trial in trials)
        self._study.sampler = build_sampler(plan.study, index, finished)
        interval = plan.app.report_interval(plan.trial)
        self._study.pruner = build_pruner(plan.study, plan.max_steps, interval)
        self._process = TrialProcess(run, self._is_interrupted, plan.study.trial_timeout_seconds)

    def run(self) -> None:
        """Runs trials until none is left or the study is stopped."""
        # With an empty list, Optuna would read each trial once more.
        paths = self._plan.study.callbacks
        callbacks = [load("study.callbacks", path) for path in paths] or None
        with finishing(self._lock.release, self._process.close, self._disconnect):
            try:
                while not self._must_leave() and self._queue.claim_next():
                    self._run_next(callbacks)
                    if self._study.is_stopped:
                        # `study.stop` is meant for all workers.
                        self._study.set_user_attr(attributes.STOP, attributes.NO_MORE)
                        break
            except StorageLostError as lost:
                # The trial is still marked as running; the main process will requeue it.
                raise lost.error from lost.error.__cause__

    def _disconnect(self) -> None:
        """Closes the connection to a database, which releases this worker's locks there."""
        if retrying := retrying_storage(self._study):
            retrying.engine.dispose()

    def _run_next(self, callbacks: list[Callable[..., Any]] | None) -> None:
        claimed = self._study.claimed
        assert claimed is not None
        try:
            self._study.optimize(
                self._objective, n_trials=1, catch=(Exception,), callbacks=callbacks
            )
        except (ValueError, AssertionError):
            # Optuna refuses to end a trial twice: the main process considered this worker dead
            # and has recovered and requeued its trial. The result is discarded.
            if not self._was_recovered(claimed):
                raise

    def _was_recovered(self, trial: int) -> bool:
        stored = self._study._storage.get_trial(trial)
        return stored.user_attrs.get(attributes.REASON) == PROCESS_DIED

    def _objective(self, trial: Trial) -> Any:
        try:
            return self._run(trial)
        except STORAGE_ERRORS as error:
            raise StorageLostError(error) from error

    def _run(self, trial: Trial) -> Any:
        values = self._queue.suggest(trial)
        overrides = self._plan.space.overrides(values)
        directory = self._directory_of(trial.number, overrides)
        # Read for each trial, as the first trial may have set it in the meantime.
        data = study_attribute(self._study, attributes.FINGERPRINT) if self._plan.one_data else None
        place, steps = self._plan.directory / directory, self._steps(overrides)
        job = Job(trial.number, place, overrides, data, steps)
        known = {attributes.DIRECTORY: directory, attributes.OVERRIDES: overrides}
        set_user_attrs(trial, {**known, attributes.STEPS: steps})
        try:
            return self._end(trial, job, self._outcome(trial, job))
        finally:
            if self._uploads_files:
                self._upload(trial, job.directory)

    def _outcome(self, trial: Trial, job: Job) -> Outcome:
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
            self._plan.app.mark_interrupted(job.directory, "failed", reason)
            raise
        return self._summarize(trial, job, outcome, time.monotonic() - started)

    def _upload(self, trial: Trial, directory: Path) -> None:
        """Uploads the files of a trial; a failure is recorded, but does not fail the trial."""
        try:
            upload(self._study, trial, directory)
        except STORAGE_ERRORS:
            raise
        except Exception as error:
            trial.set_user_attr(attributes.UPLOAD_ERROR, f"{type(error).__name__}: {error}")

    def _summarize(self, trial: Trial, job: Job, outcome: Outcome, seconds: float) -> Outcome:
        """Stores the summary of a trial's record in the study; its data must be the study's."""
        result = self._plan.app.summarize(job.directory)
        if not result:
            trial.set_user_attr(attributes.DURATION, round(seconds, 1))
            return outcome
        trial.set_user_attr(attributes.RESULT, result)
        trial.set_constraint(INFEASIBLE, float(self._plan.app.is_infeasible(result)))
        own = result.get("fingerprint")
        if not self._plan.one_data or job.fingerprint or not own:
            return outcome
        first = self._first_fingerprint(own)
        if first == own:
            return outcome
        reason = OTHER_DATA.format(socket.gethostname(), own, first)
        return replace(outcome, state=INTERRUPTED, reason=reason)

    def _first_fingerprint(self, own: str) -> str:
        """Returns the fingerprint of the study's data, which the first trial sets to its own."""
        if first := study_attribute(self._study, attributes.FINGERPRINT):
            return str(first)
        with locked(self._lock):
            first = self._study.user_attrs.get(attributes.FINGERPRINT, own)
            self._study.set_user_attr(attributes.FINGERPRINT, first)
        return str(first)

    def _report(self, trial: Trial, job: Job, step: int, metrics: Mapping[str, float]) -> bool:
        """Stores a report of a trial; returns True to prune the trial."""
        metric = self._plan.study.objectives[0].metric
        if metric in self._plan.app.final_metrics:
            return False
        if metric not in metrics:
            raise TrialError(
                f"the task reported {', '.join(metrics)} and not {metric}, the study's objective"
            )
        value = float(metrics[metric])
        if not math.isfinite(value):
            raise TrialError(f"{metric} was reported as {value} at step {step}; must be finite")
        if len(self._plan.study.objectives) > 1:
            # Optuna accepts no intermediate values with several objectives.
            _, _, best = trial.user_attrs.get(attributes.PROGRESS, (0, value, value))
            maximizes = self._plan.study.objectives[0].direction == "maximize"
            best = max(best, value) if maximizes else min(best, value)
            trial.set_user_attr(attributes.PROGRESS, [step, value, best])
            return False
        if self._plan.study.seed_mode == "sequential":
            # Each step is the value of another seed; the trial's value is their mean.
            _, mean, _ = trial.user_attrs.get(attributes.PROGRESS, (0, 0.0, 0.0))
            mean += (value - mean) / (step + 1)
            trial.set_user_attr(attributes.PROGRESS, [step, mean, mean])
        trial.report(value, step)
        # Pruning at the last step would save nothing. Seeds are counted from 0.
        last = job.steps - int(self._plan.study.seed_mode == "sequential")
        return trial.should_prune() and step < last

    def _steps(self, overrides: list[str]) -> int:
        """Returns the maximum number of steps, or the number of seeds trained in sequence."""
        study = self._plan.study
        if study.seed_mode == "sequential":
            return len(study.split_seeds)
        return self._steps_of(overrides)

    def _end(self, trial: Trial, job: Job, outcome: Outcome) -> Any:
        """Returns the objective values, or raises the exception that ends the trial in Optuna."""
        if outcome.state == COMPLETE:
            try:
                return self._check_values(outcome.values)
            except TrialError as error:
                trial.set_user_attr(attributes.REASON, str(error))
                raise
        if outcome.state == PRUNED:
            raise optuna.TrialPruned(outcome.reason)
        if outcome.traceback and not (job.directory / TRACEBACK).exists():
            # A full disk must not hide the reason.
            with suppress(OutputError):
                atomic_write(job.directory / TRACEBACK, outcome.traceback.encode())
        reason, again = outcome.reason or outcome.state, False
        if outcome.state == INTERRUPTED and self._must_leave():
            reason = PREEMPTED
        if outcome.state in (DIED, INTERRUPTED):
            died = outcome.state == DIED
            ending = interruption_attributes(trial, reason, self._plan.study.max_retries, died)
            again = bool(ending.get(attributes.INTERRUPTED))
            # Under one lock: otherwise another worker could see neither this trial nor its retry.
            with locked(self._lock):
                for key, value in ending.items():
                    trial.set_user_attr(key, value)
                if not died and not self._must_leave():
                    self._study.set_user_attr(attributes.STOP, attributes.AT_ONCE)
                elif again:
                    requeue(self._study, trial.number, trial.params, trial.user_attrs)
        else:
            trial.set_user_attr(attributes.REASON, reason)
        self._plan.app.mark_interrupted(job.directory, "interrupted" if again else "failed", reason)
        raise TrialEndedError(reason)

    def _check_values(self, values: Any) -> list[float]:
        """Returns the objective values as floats.

        Raises:
          TrialError: their number is wrong, or a value is not a finite number.
        """
        objectives = [objective.metric for objective in self._plan.study.objectives]
        numbers = list(values) if isinstance(values, list | tuple) else [values]
        if len(numbers) != len(objectives):
            raise TrialError(
                f"the task returned {values!r}; must be {len(objectives)} numbers "
                f"({', '.join(objectives)})"
            )
        for metric, number in zip(objectives, numbers, strict=True):
            # `Real` includes NumPy's numbers.
            if not isinstance(number, Real) or not math.isfinite(number):
                raise TrialError(f"{metric} came out as {number!r}; must be a finite number")
        return [float(number) for number in numbers]

    def _is_interrupted(self) -> bool:
        if self._must_leave() or must_stop(self._plan.directory):
            return True
        return bool(study_attribute(self._study, attributes.STOP) == attributes.AT_ONCE)
