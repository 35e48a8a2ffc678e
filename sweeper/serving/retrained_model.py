"""Trains a recorded trial again: trials keep no weights, and the same machine repeats them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from omegaconf import OmegaConf
from rich.console import Console

from sweeper.common.console import print_status
from sweeper.common.errors import DataError
from sweeper.common.runtime import set_threads
from sweeper.two_tower.config import METRICS, Config, to_dataclass, with_defaults
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import Split
from sweeper.two_tower.evaluation.scoring import ModelScorer
from sweeper.two_tower.record import Metrics, TrialRecord
from sweeper.two_tower.studies.confirmation import epochs_to_train, fixed_epochs
from sweeper.two_tower.training.loop import Callbacks, History, train
from sweeper.two_tower.training.progress import TrainingProgress
from sweeper.two_tower.training.setup import Training, set_up_training
from sweeper.two_tower.trial.prepared import prepared_split, prepared_tasks
from sweeper.two_tower.validation import validate

ALL = "all"


@dataclass(frozen=True)
class RetrainedModel:
    """A model to be trained again, or trained again.

    Attributes:
      config: the recorded one; for training on all rows, with the number of epochs up to the best.
      split: of the record.
      rows: the rows to train on.
      metrics: of the trained model, like `TrialRecord.metrics`; empty if it was trained on all
        rows, since none are left to score.
    """

    config: Config
    interactions: Interactions
    split: Split
    rows: np.ndarray
    threads: int
    training: Training
    metrics: dict[str, Metrics] = field(default_factory=dict)

    @property
    def is_on_all_rows(self) -> bool:
        return len(self.rows) == len(self.interactions)


def recorded_config(record: TrialRecord) -> Config:
    """Returns the record's configuration, with its number of threads, which affects rounding.

    Raises:
      ConfigError: it is not valid in this version, or on this machine.
    """
    config = to_dataclass(OmegaConf.create(with_defaults(record.config)))
    config.train.threads = record.machine.get("threads") or config.train.threads
    validate(config)
    return config


def prepare_retraining(
    config: Config, record: TrialRecord, rows: str, console: Console
) -> RetrainedModel:
    """Loads the record's data, fits its features and builds its model.

    Args:
      config: from `recorded_config`.
      rows: "train", as recorded, or `ALL`.

    Raises:
      ConfigError: TensorFlow runs with another number of threads in this process.
      DataError: the data can't be loaded, or has changed since.
    """
    threads = set_threads(config.train.threads)
    interactions = load_interactions(config.data, lambda text: print_status(console, "data", text))
    if interactions.fingerprint != record.data.get("fingerprint"):
        raise DataError(
            f"data: {interactions.source} has changed since the trial was trained (its fingerprint "
            f"is {interactions.fingerprint[:12]}…, and was "
            f"{str(record.data.get('fingerprint'))[:12]}…); must be the same data, else the "
            "recorded metrics are not this model's: train the trial again, or restore the data"
        )
    split = prepared_split(config.data, interactions)
    trained = split.train
    if rows == ALL:
        trained = np.arange(len(interactions))
        # Train up to the trial's best epoch: no rows are left to choose an epoch by.
        to_the_end = fixed_epochs(epochs_to_train(record))
        config = replace(config, train=replace(config.train, **to_the_end))
    training = set_up_training(config, interactions, trained, threads)
    return RetrainedModel(config, interactions, split, trained, threads, training)


def retrain(retrained: RetrainedModel, record: TrialRecord, console: Console) -> RetrainedModel:
    """Trains the model, and scores the rows that the record has metrics for.

    Raises:
      TrialError: a loss or a score is not finite.
    """
    config, metric = retrained.config, retrained.config.evaluation.metric
    scores = _scorers(retrained)
    history = History()
    with TrainingProgress(console, config.train.epochs, record.rows, metric) as progress:
        if retrained.is_on_all_rows:
            callbacks = Callbacks(lambda: dict.fromkeys(METRICS, np.nan), progress.on_epoch)
        else:
            callbacks = Callbacks(scores[record.rows], progress.on_epoch)
        for evaluation in train(config.train, retrained.training, metric, callbacks, history):
            if not retrained.is_on_all_rows:
                progress.on_evaluation(evaluation)
    if retrained.is_on_all_rows:
        return retrained
    metrics = {rows: scores[rows]() for rows in record.metrics}
    return replace(retrained, metrics=metrics)


def _scorers(retrained: RetrainedModel) -> dict[str, Callable[[], Metrics]]:
    """Returns a function for each set of rows that computes the model's metrics when called."""
    config, training = retrained.config, retrained.training
    tasks = prepared_tasks(config.data, config.evaluation, retrained.interactions, retrained.split)

    def scorer_of(rows: str) -> Callable[[], Metrics]:
        scorer = ModelScorer(training.model, training.encoded, getattr(retrained.split, rows))
        return lambda: scorer.rank(tasks[rows], retrained.threads).metrics()

    return {rows: scorer_of(rows) for rows in tasks}


def metric_differences(record: TrialRecord, retrained: RetrainedModel) -> str | None:
    """Describes how much the metrics differ from the record's; None if all are the same."""
    pairs = {
        f"{rows} {name}": (value, retrained.metrics[rows][name])
        for rows, metrics in record.metrics.items()
        for name, value in metrics.items()
        if rows in retrained.metrics
    }
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if not differing:
        return None
    name, (before, now) = max(differing.items(), key=lambda each: abs(each[1][0] - each[1][1]))
    return (
        f"{len(differing)} of {len(pairs)} metrics differ from the record's, {name} the most: "
        f"{now:.4f} instead of {before:.4f}; another machine, or other versions, round differently"
    )
