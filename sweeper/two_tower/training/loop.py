"""Trains one model: epochs of steps with evaluations in between; keeps the best weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from sweeper.common.errors import TrialError
from sweeper.two_tower.config import MRR, TrainConfig, with_same_filter
from sweeper.two_tower.model.two_tower import TwoTowerModel
from sweeper.two_tower.training.batches import BatchPlanner
from sweeper.two_tower.training.setup import Training
from sweeper.two_tower.training.steps import StepRunner

Metrics = dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation during training.

    Attributes:
      epoch: epochs trained so far.
      loss: mean cross-entropy of a training row in the last epoch, in nats; weighted, if rows
        have weights.
      train_seconds: time in training steps so far, without evaluations.
      evaluate_seconds: time in evaluations so far.
      examples_per_second: the speed in the epochs since the last evaluation.
    """

    epoch: int
    loss: float
    metrics: Metrics
    train_seconds: float
    evaluate_seconds: float
    examples_per_second: float

    def row(self) -> Metrics:
        """Returns the values as one row of a table."""
        return {
            "epoch": self.epoch,
            "loss": self.loss,
            **self.metrics,
            "train_seconds": round(self.train_seconds, 3),
            "evaluate_seconds": round(self.evaluate_seconds, 3),
            "examples_per_second": round(self.examples_per_second),
        }


@dataclass
class History:
    """All evaluations of a run, and which one's weights the model ended with."""

    evaluations: list[Evaluation] = field(default_factory=list)
    kept: Evaluation | None = None
    stopped_early: bool = False
    first_epoch_seconds: float = 0.0


@dataclass
class Callbacks:
    """What a training calls.

    Attributes:
      evaluate: computes the metrics of the model as it is at the call.
      on_epoch: called with (epoch, loss, examples per second) after each epoch.
    """

    evaluate: Callable[[], Metrics]
    on_epoch: Callable[[int, float, float], None] = lambda epoch, loss, rate: None


def train(
    config: TrainConfig,
    training: Training,
    objective: str,
    callbacks: Callbacks,
    history: History,
) -> Iterator[Evaluation]:
    """Trains for `config.epochs` epochs, or until patience runs out.

    It yields each evaluation, so that several trainings can take turns; its caller may throw an
    error into it or close it to end the training. It fills `history` at each evaluation, so that
    an interrupted run leaves what it has. The model ends with the weights of the best evaluation
    if `config.restore_best`, else with the last ones.

    The best evaluation has the highest `objective`; among equal ones the highest MRR, which counts
    every rank; among those equal in both, it is the last. Patience counts the evaluations since
    the best one last improved, and does not count while all of them are equal: a metric that
    can't tell evaluations apart never stops a training.

    Raises:
      TrialError: the loss is not finite, naming the epoch and the step.
    """
    best = _Best(objective, config.restore_best, training.model)
    clock = _Clock(training.planner.num_rows)
    for epoch in range(1, config.epochs + 1):
        started = time.perf_counter()
        loss = _run_epoch(training.planner, training.runner, epoch) / training.planner.total_weight
        callbacks.on_epoch(epoch, loss, clock.add_epoch(time.perf_counter() - started))
        if epoch == 1:
            history.first_epoch_seconds = clock.train_seconds
        if epoch % config.eval_every_epochs and epoch != config.epochs:
            continue
        started = time.perf_counter()
        metrics = callbacks.evaluate()
        evaluation = clock.evaluation(epoch, loss, metrics, time.perf_counter() - started)
        history.evaluations.append(evaluation)
        if best.keeps(evaluation):
            history.kept = evaluation
        yield evaluation
        if config.patience_evaluations and best.evaluations_since() >= config.patience_evaluations:
            history.stopped_early = True
            break
    best.restore()


class _Clock:
    """Seconds in training steps and in evaluations, and the speed between evaluations."""

    def __init__(self, num_rows: int) -> None:
        self._num_rows = num_rows
        self.train_seconds = self._evaluate_seconds = 0.0
        self._epochs, self._seconds = 0, 0.0

    def add_epoch(self, seconds: float) -> float:
        """Adds an epoch; returns its examples per second."""
        self.train_seconds += seconds
        self._epochs, self._seconds = self._epochs + 1, self._seconds + seconds
        return self._num_rows / seconds

    def evaluation(self, epoch: int, loss: float, metrics: Metrics, seconds: float) -> Evaluation:
        """Adds an evaluation that took so many seconds; returns it with the times so far."""
        self._evaluate_seconds += seconds
        rate = self._epochs * self._num_rows / self._seconds
        self._epochs, self._seconds = 0, 0.0
        return Evaluation(epoch, loss, metrics, self.train_seconds, self._evaluate_seconds, rate)


class _Best:
    """The best evaluation so far, and its weights if they are to be restored."""

    def __init__(self, objective: str, restore: bool, model: TwoTowerModel) -> None:
        self._metrics = (objective, with_same_filter(MRR, objective))
        self._restore, self._model = restore, model
        self._value: tuple[float, ...] | None = None
        self._weights = None
        self._since, self._differ = 0, False

    def keeps(self, evaluation: Evaluation) -> bool:
        """Takes the next evaluation; returns whether its weights are the ones to keep so far."""
        value = tuple(evaluation.metrics[name] for name in self._metrics)
        best = self._value
        self._differ = self._differ or not (best is None or value == best)
        self._since = 0 if best is None or value > best else self._since + 1
        is_best = best is None or value >= best
        if is_best:
            self._value = value
        if not self._restore:
            return True
        if is_best:
            self._weights = self._model.get_weights()
        return is_best

    def evaluations_since(self) -> int:
        """Counts the evaluations since the best one improved; 0 while all are equal."""
        return self._since if self._differ else 0

    def restore(self) -> None:
        """Gives the model the kept weights, unless its last ones are kept."""
        if self._weights is not None:
            self._model.set_weights(self._weights)


def _run_epoch(planner: BatchPlanner, runner: StepRunner, epoch: int) -> float:
    """Trains for one epoch; returns its summed loss."""
    total, done = 0.0, 0
    for block in planner.epoch(epoch):
        losses = runner(block)
        wrong = np.flatnonzero(~np.isfinite(losses))
        if len(wrong):
            raise TrialError(
                f"the loss became {losses[wrong[0]]} at epoch {epoch}, step {done + wrong[0] + 1} "
                f"of {planner.steps_per_epoch}; a smaller optimizer.learning_rate, "
                "optimizer.global_clip_norm, or a larger task.temperature may prevent it"
            )
        total += float(losses.sum(dtype=np.float64))
        done += len(losses)
    return total
