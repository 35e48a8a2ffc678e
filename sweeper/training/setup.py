"""A model with all that trains it, from a configuration and the training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sweeper.config import Config
from sweeper.data.interactions import Interactions
from sweeper.model.two_tower import EncodedFeatures, TwoTowerModel, build_model, encode_features
from sweeper.training.batches import BatchPlanner
from sweeper.training.optimizer import build_optimizer
from sweeper.training.steps import StepRunner


@dataclass(frozen=True)
class Training:
    """What `sweeper.training.loop.train` needs.

    Attributes:
      model: compiled with its optimizer, initial weights in place.
      encoded: the fitted features of every row and candidate.
      planner: which rows each step takes.
      runner: runs the steps.
    """

    model: TwoTowerModel
    encoded: EncodedFeatures
    planner: BatchPlanner
    runner: StepRunner


def set_up_training(
    config: Config, interactions: Interactions, training_rows: np.ndarray, threads: int
) -> Training:
    """Fits the features, composes the model and its optimizer.

    Raises:
      ConfigError: a feature or an optimizer option that can't be, naming its key.
    """
    encoded = encode_features(config, interactions, training_rows)
    planner = BatchPlanner(
        training_rows,
        interactions.items,
        interactions.num_items,
        config.train.batch_size,
        whole_catalogue=config.task.name == "full_softmax",
        seed=config.train.seed,
    )
    model = build_model(config, encoded, _row_blocks(planner.batch_size, threads))
    total_steps = planner.steps_per_epoch * config.train.epochs
    model.compile(optimizer=build_optimizer(config.optimizer, total_steps))
    model.optimizer.build(model.trainable_variables)
    counts = np.bincount(interactions.items[training_rows], minlength=interactions.num_items)
    # XLA sorts whole rows to find the hardest negatives: seven times as slow as without it.
    xla = config.train.xla and config.task.num_hard_negatives is None
    runner = StepRunner(model, encoded, counts / counts.sum(), xla)
    return Training(model, encoded, planner, runner)


def _row_blocks(batch_size: int, threads: int) -> int:
    """Blocks of a batch that run side by side: the most that divide it, one a thread."""
    return max(blocks for blocks in range(1, threads + 1) if batch_size % blocks == 0)
