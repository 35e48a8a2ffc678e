"""Fits one model: epochs of steps, evaluations in between, the best weights kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sweeper.config import TrainConfig
from sweeper.errors import TrialError
from sweeper.training.batches import BatchPlanner
from sweeper.training.setup import Training
from sweeper.training.steps import StepRunner

Metrics = dict[str, float]


@dataclass(frozen=True)
class Checkpoint:
    """One evaluation during training.

    Attributes:
      epoch: epochs trained so far.
      loss: mean cross-entropy of a training row in the last epoch, in nats.
      metrics: what the evaluation gave.
      train_seconds: time in training steps so far, evaluation left out.
      evaluate_seconds: time in evaluations so far.
      examples_per_second: of the epochs since the last evaluation.
    """

    epoch: int
    loss: float
    metrics: Metrics
    train_seconds: float
    evaluate_seconds: float
    examples_per_second: float

    def row(self) -> Metrics:
        """As one row of a table."""
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

    checkpoints: list[Checkpoint] = field(default_factory=list)
    kept: Checkpoint | None = None
    stopped_early: bool = False
    first_epoch_seconds: float = 0.0


@dataclass
class Callbacks:
    """What a run tells the outside, and asks of it.

    Attributes:
      evaluate: scores the model as it is.
      on_epoch: called with (epoch, loss, examples per second) after each epoch.
      on_checkpoint: called after each evaluation; may raise to end the run.
    """

    evaluate: Callable[[], Metrics]
    on_epoch: Callable[[int, float, float], None] = lambda epoch, loss, rate: None
    on_checkpoint: Callable[[Checkpoint], None] = lambda checkpoint: None


def train(
    config: TrainConfig,
    training: Training,
    objective: str,
    callbacks: Callbacks,
    history: History,
) -> None:
    """Trains for `config.epochs` epochs, or until patience runs out.

    Fills `history` as it goes, so that an interrupted run leaves what there is.
    The model ends with the weights of the best evaluation by `objective` if
    `config.restore_best`, else with the last.

    Raises:
      TrialError: the loss is not finite, naming the epoch and the step.
    """
    model, planner, runner = training.model, training.planner, training.runner
    best, best_weights, since_best = -np.inf, None, 0
    train_seconds = evaluate_seconds = 0.0
    measured_epochs, measured_seconds = 0, 0.0
    num_rows = planner.num_rows
    for epoch in range(1, config.epochs + 1):
        started = time.perf_counter()
        loss = _run_epoch(planner, runner, epoch) / num_rows
        seconds = time.perf_counter() - started
        if epoch == 1:
            history.first_epoch_seconds = seconds
        train_seconds += seconds
        measured_epochs, measured_seconds = measured_epochs + 1, measured_seconds + seconds
        callbacks.on_epoch(epoch, loss, num_rows / seconds)
        if epoch % config.eval_every_epochs and epoch != config.epochs:
            continue
        started = time.perf_counter()
        metrics = callbacks.evaluate()
        evaluate_seconds += time.perf_counter() - started
        checkpoint = Checkpoint(
            epoch,
            loss,
            metrics,
            train_seconds,
            evaluate_seconds,
            measured_epochs * num_rows / measured_seconds,
        )
        measured_epochs, measured_seconds = 0, 0.0
        history.checkpoints.append(checkpoint)
        since_best += 1
        if metrics[objective] > best:
            best, since_best = metrics[objective], 0
        if not config.restore_best or since_best == 0:
            history.kept = checkpoint
            best_weights = model.get_weights() if config.restore_best else None
        callbacks.on_checkpoint(checkpoint)
        if config.patience_evaluations and since_best >= config.patience_evaluations:
            history.stopped_early = True
            break
    if best_weights is not None:
        model.set_weights(best_weights)


def _run_epoch(planner: BatchPlanner, runner: StepRunner, epoch: int) -> float:
    """The summed loss of one epoch."""
    total, done = 0.0, 0
    for plan in planner.epoch(epoch):
        losses = runner(plan)
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
