"""A contract for every task and every optimizer: data whose right answer is known.

As in the tests of benfred/implicit: users of an even number like the even items,
users of an odd number the odd ones. One item of each user's own colour is held
out; a trained model must rank it above every item of the other colour.
"""

from __future__ import annotations

import numpy as np
import pytest
from small_trials import ids_features, interactions_of, small_config

from sweeper.two_tower.config import (
    OPTIMIZERS,
    TASKS,
    ModelConfig,
    OptimizerConfig,
    TaskConfig,
    TrainConfig,
)
from sweeper.two_tower.training.setup import set_up_training

SIZE = 20
EPOCHS = 60

# A rate at which each learns in a few hundred steps; the losses are sums over a batch.
LEARNING_RATES = {
    "adadelta": 20.0,
    "adagrad": 0.3,
    "adam": 0.02,
    "adamax": 0.03,
    "adamw": 0.02,
    "ftrl": 0.7,
    "nadam": 0.02,
    "rmsprop": 0.01,
    "sgd": 0.02,
}


def checkerboard():
    """All pairs of one colour, user by user; the pairs (u, u) come last, to be held out."""
    pairs = [(u, i) for u in range(SIZE) for i in range(SIZE) if (u - i) % 2 == 0 and u != i]
    users, items = np.array(pairs + [(u, u) for u in range(SIZE)]).T
    return (
        interactions_of(users, items, SIZE),
        np.arange(len(pairs)),
        np.arange(len(pairs), len(users)),
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_held_out_item_ranks_above_the_other_colour(optimizer: str, task: str) -> None:
    interactions, training_rows, held_out = checkerboard()
    config = small_config(
        features=ids_features(dim=6),
        model=ModelConfig(layer_sizes=[]),
        task=TaskConfig(task),
        optimizer=OptimizerConfig(optimizer, LEARNING_RATES[optimizer]),
        train=TrainConfig(epochs=EPOCHS, batch_size=64, xla=False),
    )
    training = set_up_training(config, interactions, training_rows, threads=1)
    for epoch in range(1, EPOCHS + 1):
        for plan in training.planner.epoch(epoch):
            training.runner(plan)
    queries = training.model.query_tower(
        {name: value[held_out] for name, value in training.encoded.query.items()}
    )
    scores = queries.numpy() @ training.model.candidate_tower(training.encoded.candidate).numpy().T
    own = scores[np.arange(SIZE), np.arange(SIZE)]
    best_other = np.array([scores[user, 1 - user % 2 :: 2].max() for user in range(SIZE)])
    assert (own > best_other).mean() == 1.0
