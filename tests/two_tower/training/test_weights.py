"""Rows with weights: in the loss as TFRS has them, in its mean, nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs
from small_trials import ids_features, skewed_interactions, small_config

from sweeper.common.errors import DataError
from sweeper.two_tower.config import (
    METRICS,
    DataConfig,
    EvaluationConfig,
    OptimizerConfig,
    TrainConfig,
)
from sweeper.two_tower.data.split import Split
from sweeper.two_tower.evaluation.baselines import fit_baselines, rank_baselines
from sweeper.two_tower.evaluation.ranking import ranking_tasks
from sweeper.two_tower.training.batches import BatchPlanner
from sweeper.two_tower.training.loop import Callbacks, History, train
from sweeper.two_tower.training.setup import set_up_training, small_weights

ROWS = np.arange(200)
INTERACTIONS = skewed_interactions()
WEIGHTS = np.random.default_rng(5).choice([0.0, 0.5, 3.0], 300).astype(np.float32)


def training(weights, **parts):
    config = small_config(
        features=ids_features(dim=3),
        optimizer=OptimizerConfig("sgd", 1e-3),
        train=TrainConfig(epochs=1, batch_size=64, eval_every_epochs=1, xla=False),
        **parts,
    )
    interactions = replace(INTERACTIONS, weights=weights)
    return config, set_up_training(config, interactions, ROWS, threads=1)


def planner(weights) -> BatchPlanner:
    items, number = INTERACTIONS.items, INTERACTIONS.num_items
    return BatchPlanner(ROWS, items, number, 64, whole_catalogue=True, seed=0, weights=weights)


def trained(weights) -> tuple[list[np.ndarray], float]:
    config, made = training(weights)
    history = History()
    list(
        train(
            config.train, made, "top_100", Callbacks(lambda: dict.fromkeys(METRICS, 0.0)), history
        )
    )
    return made.model.get_weights(), history.evaluations[0].loss


def test_a_batch_loses_what_tfrs_loses_with_sample_weight() -> None:
    _, made = training(WEIGHTS)
    (plan,) = made.planner.epoch(1)
    real = plan.rows[0]
    assert (plan.sample_weight[0] == WEIGHTS[real]).all()

    def embed(tower, encoded, rows):
        return tower({name: tf.gather(value, rows) for name, value in encoded.items()})

    expected = tfrs.tasks.Retrieval()(
        embed(made.model.query_tower, made.encoded.query, real),
        embed(made.model.candidate_tower, made.encoded.candidate, INTERACTIONS.items[real]),
        sample_weight=WEIGHTS[real],
        compute_metrics=False,
    )
    np.testing.assert_allclose(made.runner(plan)[0], expected, rtol=1e-5)


def test_the_loss_that_is_shown_is_the_mean_by_weight() -> None:
    _, made = training(WEIGHTS)
    total = sum(made.runner(plan).sum() for plan in made.planner.epoch(1))
    _, loss = trained(WEIGHTS)
    assert loss == pytest.approx(total / WEIGHTS[ROWS].sum(), rel=1e-6)


def test_weights_of_one_change_no_bit_and_a_row_of_weight_0_teaches_nothing() -> None:
    plain, plain_loss = trained(None)
    ones, loss = trained(np.ones(300, np.float32))
    assert loss == plain_loss
    for one, other in zip(plain, ones, strict=True):
        np.testing.assert_array_equal(one, other)
    (user,) = np.unique(INTERACTIONS.users[ROWS])[:1]
    weights = np.where(INTERACTIONS.users == user, 0.0, 1.0).astype(np.float32)
    _, before = training(weights)
    row = before.encoded.query["user_id_embedding"][INTERACTIONS.users == user][0]
    after, _ = trained(weights)
    np.testing.assert_array_equal(after[0][row], before.model.get_weights()[0][row])
    assert (after[0] != before.model.get_weights()[0]).any()


@pytest.mark.parametrize("weight", [0, 1e-30, 9e-8])
def test_weights_with_which_nothing_is_learned_are_refused(weight: float) -> None:
    weights = np.ones(300, np.float32)
    weights[ROWS] = weight
    with pytest.raises(DataError, match=rf"weight of a training row is {weight:g}; at least one"):
        planner(weights)


@pytest.mark.parametrize("weight", [1e-6, 0.09])
def test_small_weights_are_told_of_unless_one_is_not(weight: float) -> None:
    weights = np.full(300, weight, np.float32)
    (line,) = small_weights(planner(weights))
    assert line.startswith(f"the largest weight of a training row is {weight:g}: gradients")
    weights[ROWS[0]] = 1
    assert list(small_weights(planner(weights))) == []
    assert list(small_weights(planner(None))) == []


def test_scores_and_baselines_weigh_nothing() -> None:
    split = Split(ROWS, np.arange(200, 250), np.arange(250, 300), 0)
    for weights in (None, WEIGHTS):
        interactions = replace(INTERACTIONS, weights=weights)
        tasks = ranking_tasks(DataConfig(), EvaluationConfig(), interactions, split)
        settings = EvaluationConfig(baselines=["popularity", "ease"])
        ranks = rank_baselines(settings, interactions, ROWS, tasks)
        assert set(fit_baselines(settings, interactions, ROWS)) == {"popularity", "ease"}
        found = {name: each.ranks["test"].unfiltered.tolist() for name, each in ranks.items()}
        if weights is None:
            plain = found
    assert found == plain
