"""Popularity by hand; EASE against ridge regressions solved one item at a time."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from small_trials import small_config

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import EvaluationConfig
from sweeper.two_tower.evaluation import baselines
from sweeper.two_tower.evaluation.baseline_models import TrainingRows
from sweeper.two_tower.evaluation.baselines import FITS, Fitting, check_baselines
from sweeper.two_tower.evaluation.ranking import RankingTask, Ranks, SeenItems, rank
from sweeper.two_tower.trial.trial import run_trial

# Those that need no times.
NAMES = ("popularity", "ease")
# User and item of each training row: item 2 three times, items 0 and 3 twice, item 1 once.
USERS = np.array([0, 0, 0, 1, 1, 2, 2, 2])
ITEMS = np.array([2, 0, 3, 2, 1, 2, 0, 3])


def task_of(users, items, num_candidates: int, training=(USERS, ITEMS)) -> RankingTask:
    users = np.array(users)
    num_users = int(max(users.max(), training[0].max())) + 1
    seen = SeenItems.from_rows(*training, num_users, num_candidates)
    return RankingTask(users, np.array(items), num_candidates, seen)


def rank_baseline(name, users, items, task: RankingTask, regularization: float) -> Ranks:
    config = EvaluationConfig(ease_regularization=regularization)
    num_users = int(max(users.max(), task.users.max())) + 1
    rows = TrainingRows(users, items, None, num_users, task.num_candidates)
    return rank(FITS[name](Fitting(rows, config))(task), task, name)


def test_popularity_by_hand() -> None:
    # The list is 2, 0, 3, 1, 4: equal counts in the order of the catalogue.
    task = task_of([1, 1, 0, 0], [0, 3, 1, 4], num_candidates=5)
    ranks = rank_baseline("popularity", USERS, ITEMS, task, 1.0)
    assert ranks.unfiltered.tolist() == [1, 2, 3, 4]
    # User 1 has seen 2 and 1, user 0 has seen 2, 0 and 3.
    assert ranks.seen_filtered.tolist() == [0, 1, 0, 1]


def test_popularity_counts_repeated_rows() -> None:
    users, items = np.array([0, 0, 0, 1]), np.array([1, 1, 1, 0])
    task = task_of([1], [1], 2, (users, items))
    assert rank_baseline("popularity", users, items, task, 1.0).unfiltered.tolist() == [0]


def ridge_weights(matrix: np.ndarray, regularization: float) -> np.ndarray:
    """Each item's column regressed on the other items' columns, one by one."""
    size = matrix.shape[1]
    weights = np.zeros((size, size))
    for item in range(size):
        others = [other for other in range(size) if other != item]
        x, y = matrix[:, others], matrix[:, item]
        gram = x.T @ x + regularization * np.eye(size - 1)
        weights[others, item] = np.linalg.solve(gram, x.T @ y)
    return weights


@pytest.mark.parametrize("regularization", [0.5, 20.0])
def test_ease_is_a_ridge_regression_of_each_item_on_the_others(regularization: float) -> None:
    rng = np.random.default_rng(4)
    matrix = (rng.random((30, 9)) < 0.4).astype(float)
    users, items = np.nonzero(matrix)
    # Every user is asked for every item.
    asked = np.repeat(np.arange(30), 9), np.tile(np.arange(9), 30)
    task = task_of(*asked, 9, (users, items))
    ranks = rank_baseline("ease", users, items, task, regularization)
    scores = matrix @ ridge_weights(matrix, regularization)
    # Users of the same rows have the same scores; within a user there is no tie.
    assert min(np.diff(np.sort(row)).min() for row in scores if row.any()) > 1e-6
    rated = np.repeat(matrix.any(axis=1), 9)
    expected = np.argsort(np.argsort(-scores, axis=1), axis=1).ravel()
    np.testing.assert_array_equal(ranks.unfiltered[rated], expected[rated])


def test_ease_knows_a_rating_once_however_often_it_occurs() -> None:
    rng = np.random.default_rng(5)
    users, items = np.nonzero(rng.random((20, 6)) < 0.5)
    task = task_of(users, items, 6, (users, items))
    once = rank_baseline("ease", users, items, task, 5.0)
    twice = rank_baseline("ease", np.tile(users, 2), np.tile(items, 2), task, 5.0)
    np.testing.assert_array_equal(once.unfiltered, twice.unfiltered)


@pytest.mark.parametrize("name", NAMES)
def test_a_user_without_training_rows_can_be_asked_about(name: str) -> None:
    task = task_of([7], [1], num_candidates=5)
    ranks = rank_baseline(name, USERS, ITEMS, task, 1.0)
    # Popularity lists three before item 1; EASE ties all five, and ties never help.
    assert ranks.unfiltered.tolist() == [{"popularity": 3, "ease": 4}[name]]


@pytest.mark.parametrize("name", NAMES)
def test_every_baseline_finds_a_held_out_item_of_a_clear_taste(name: str) -> None:
    # Four users like items 0 to 3, but user 0 has not yet rated 3; one likes 4 and 5.
    liked = {0: [0, 1, 2], 1: [0, 1, 2, 3], 2: [0, 1, 2, 3], 3: [0, 1, 2, 3], 4: [4, 5]}
    users = np.array([user for user, items in liked.items() for _ in items])
    items = np.array([item for items in liked.values() for item in items])
    task = task_of([0], [3], 6, (users, items))
    assert rank_baseline(name, users, items, task, 1.0).seen_filtered.tolist() == [0]


@pytest.mark.parametrize(
    ("users", "items", "words"),
    [
        (1, 20_001, r"1 users and a catalogue of 20,001, .* at most 20,000 candidates"),
        (25_001, 20_000, r"25,001 users .* at most 500,000,000 users x candidates"),
        (25_000, 20_000, None),
    ],
)
def test_ease_refuses_data_that_is_too_large(users: int, items: int, words: str | None) -> None:
    check_baselines(EvaluationConfig(baselines=["popularity"]), users, items)
    with pytest.raises(ConfigError, match=words) if words else nullcontext() as error:
        check_baselines(EvaluationConfig(baselines=["popularity", "ease"]), users, items)
    with pytest.raises(ConfigError, match="got 'ease_last_5' for") if words else nullcontext():
        check_baselines(EvaluationConfig(baselines=["covisitation", "ease_last_5"]), users, items)
    if words:
        assert "evaluation.baselines=[popularity]" in str(error.value)


def test_a_trial_refuses_a_baseline_that_does_not_fit_before_it_imports_tensorflow(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(baselines, "MAX_EASE_CATALOGUE", 119)
    monkeypatch.setattr("sweeper.two_tower.trial.trial.start_tensorflow", None)
    config = small_config(evaluation=EvaluationConfig(baselines=["ease"]))
    with pytest.raises(ConfigError, match=r"evaluation\.baselines: got 'ease' for 40 users"):
        run_trial(config, tmp_path / "trial", draw=False)
