"""A recorded trial trained again: no trial keeps its weights, and the same machine repeats it."""

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
from sweeper.two_tower.studies.confirmation import choosing_none, epochs_to_train
from sweeper.two_tower.training.loop import Callbacks, History, train
from sweeper.two_tower.training.progress import TrainingProgress
from sweeper.two_tower.training.setup import Training, set_up_training
from sweeper.two_tower.trial.prepared import prepared_split, prepared_tasks
from sweeper.two_tower.validation import validate

ALL = "all"


@dataclass(frozen=True)
class Retraining:
    """What is to be trained again, or has been.

    Attributes:
      config: as recorded; trained on all rows, for the epochs that the record kept.
      split: the record's; `rows` are those that are trained on.
      metrics: what the trained model has, as `TrialRecord.metrics`; empty if trained on all
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
    """The record's configuration, for as many threads as it ran with: others round otherwise.

    Raises:
      ConfigError: it doesn't fit this version, or this machine.
    """
    config = to_dataclass(OmegaConf.create(with_defaults(record.config)))
    config.train.threads = record.machine.get("threads") or config.train.threads
    validate(config)
    return config


def prepare(config: Config, record: TrialRecord, rows: str, console: Console) -> Retraining:
    """Loads the record's data, fits its features and builds its model.

    Args:
      config: from `recorded_config`.
      rows: "train", as recorded, or `ALL` rows of the data.

    Raises:
      ConfigError: TensorFlow runs with another number of threads in this process.
      DataError: the data can't be had, or has changed since.
    """
    threads = set_threads(config.train.threads)
    interactions = load_interactions(config.data, lambda text: print_status(console, "data", text))
    if interactions.fingerprint != record.data.get("fingerprint"):
        raise DataError(
            f"data: {interactions.source} has changed since the trial was trained (its fingerprint "
            f"is {interactions.fingerprint[:12]}…, and was "
            f"{str(record.data.get('fingerprint'))[:12]}…); must be the same data, else the "
            "recorded figures are not this model's: train the trial again, or restore the data"
        )
    split = prepared_split(config.data, interactions)
    trained = split.train
    if rows == ALL:
        trained = np.arange(len(interactions))
        # As long as the trial's kept weights took, since there is nothing left to choose by.
        to_the_end = choosing_none(epochs_to_train(record))
        config = replace(config, train=replace(config.train, **to_the_end))
    training = set_up_training(config, interactions, trained, threads)
    return Retraining(config, interactions, split, trained, threads, training)


def train_again(retraining: Retraining, record: TrialRecord, console: Console) -> Retraining:
    """Trains the model, and scores the rows that the record has figures of.

    Raises:
      TrialError: a loss or a score is not finite.
    """
    config, metric = retraining.config, retraining.config.evaluation.metric
    scores = _scorers(retraining)
    history = History()
    with TrainingProgress(console, config.train.epochs, record.rows, metric) as progress:
        if retraining.is_on_all_rows:
            callbacks = Callbacks(lambda: dict.fromkeys(METRICS, np.nan), progress.on_epoch)
        else:
            callbacks = Callbacks(scores[record.rows], progress.on_epoch)
        for evaluation in train(config.train, retraining.training, metric, callbacks, history):
            if not retraining.is_on_all_rows:
                progress.on_evaluation(evaluation)
    if retraining.is_on_all_rows:
        return retraining
    metrics = {rows: scores[rows]() for rows in record.metrics}
    return replace(retraining, metrics=metrics)


def _scorers(retraining: Retraining) -> dict[str, Callable[[], Metrics]]:
    """By the rows to score, the metrics of the model as it is at the time of the call."""
    config, training = retraining.config, retraining.training
    tasks = prepared_tasks(
        config.data, config.evaluation, retraining.interactions, retraining.split
    )

    def scorer_of(rows: str) -> Callable[[], Metrics]:
        scorer = ModelScorer(training.model, training.encoded, getattr(retraining.split, rows))
        return lambda: scorer.rank(tasks[rows], retraining.threads).metrics()

    return {rows: scorer_of(rows) for rows in tasks}


def differences(record: TrialRecord, retraining: Retraining) -> str | None:
    """In words, by how much the metrics differ from the record's; None: not in a single one."""
    pairs = {
        f"{rows} {name}": (value, retraining.metrics[rows][name])
        for rows, metrics in record.metrics.items()
        for name, value in metrics.items()
        if rows in retraining.metrics
    }
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if not differing:
        return None
    name, (before, now) = max(differing.items(), key=lambda each: abs(each[1][0] - each[1][1]))
    return (
        f"{len(differing)} of {len(pairs)} metrics differ from the record's, {name} the most: "
        f"{now:.4f} instead of {before:.4f}; another machine, or other versions, round otherwise"
    )
