"""Splits, tasks and baselines kept between trials equal those computed anew."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_trials import skewed_interactions

from sweeper.two_tower.config import DataConfig, EvaluationConfig
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.evaluation.baselines import rank_baselines
from sweeper.two_tower.evaluation.ranking import ranking_tasks
from sweeper.two_tower.trial import prepared
from sweeper.two_tower.trial.prepared import prepared_baselines, prepared_split, prepared_tasks

INTERACTIONS = skewed_interactions(num_rows=200)
OTHER_ROWS = skewed_interactions(num_rows=210)

SPLITS = [
    {},
    {"split_seed": 1},
    {"test_size": 0.3},
    {"validation_size": 0.0},
    {"train_size": 50.0},
    {"cold_start_items": 0.2},
    {"cold_start_items": 0.2, "split_seed": 1},
    {"split": "temporal"},
    {"split": "temporal", "cut": 1},
    {"split": "temporal", "cold_start_items": 0.2},
    {"split": "leave_last_out"},
]
EVALUATIONS = [
    {},
    {"baselines": ["ease"]},
    {"baselines": ["ease"], "ease_regularization": 5.0},
    {"baselines": ["ease"], "score_test": False},
    # Of the same baselines, so that filtered ranks differ by what is seen alone.
    {"seen": "training"},
    {"seen": "before"},
]
BY_TIME = ["recent_popularity", "covisitation", "ease_last_2"]
EVALUATIONS_BY_TIME = [
    {"baselines": BY_TIME},
    {"baselines": BY_TIME, "recent_popularity_days": 0.02},
    {"baselines": BY_TIME, "covisitation_window": 1},
    {"baselines": BY_TIME, "covisitation_history": 1},
    {"baselines": BY_TIME, "seen": "training"},
    {"baselines": BY_TIME, "seen": "before"},
]


def test_whatever_came_before_results_are_those_computed_anew() -> None:
    for _ in range(2):
        for interactions in (INTERACTIONS, OTHER_ROWS):
            for values in SPLITS:
                data = DataConfig(name="synthetic", **values)
                split = prepared_split(data, interactions)
                fresh = split_interactions(data, interactions)
                for part in ("train", "validation", "test"):
                    np.testing.assert_array_equal(getattr(split, part), getattr(fresh, part))
                assert split.unused == fresh.unused
                check_evaluations(data, interactions, fresh, EVALUATIONS)


def test_every_setting_of_baselines_that_go_by_times_counts() -> None:
    # Several rows a second, so that histories without those of the same second are others.
    times = INTERACTIONS.timestamps // 600 * 600
    interactions = dataclasses.replace(INTERACTIONS, timestamps=times, fingerprint="by ten")
    for same_time in ("include", "exclude"):
        data = DataConfig(name="synthetic", split="temporal", same_time=same_time)
        split = split_interactions(data, interactions)
        check_evaluations(data, interactions, split, EVALUATIONS_BY_TIME)


def check_evaluations(data: DataConfig, interactions, split, evaluations) -> None:
    for values in evaluations:
        evaluation = EvaluationConfig(**values)
        tasks = prepared_tasks(data, evaluation, interactions, split)
        fresh = ranking_tasks(data, evaluation, interactions, split)
        if not evaluation.score_test:
            del fresh["test"]
        assert list(tasks) == list(fresh)
        for name, task in tasks.items():
            np.testing.assert_array_equal(task.items, fresh[name].items)
            np.testing.assert_array_equal(task.seen.items, fresh[name].seen.items)
            assert task.hides_before == fresh[name].hides_before
        if tasks:
            got = prepared_baselines(data, evaluation, interactions, split, tasks, 1)
            expected = rank_baselines(evaluation, interactions, split.train, fresh, 1)
            assert {name: list(each.ranks) for name, each in got.items()} == {
                name: list(each.ranks) for name, each in expected.items()
            }
            for name, each in got.items():
                assert each.coverage == expected[name].coverage
                for rows, ranks in each.ranks.items():
                    for part in ("unfiltered", "seen_filtered"):
                        np.testing.assert_array_equal(
                            getattr(ranks, part), getattr(expected[name].ranks[rows], part)
                        )


def test_a_second_trial_computes_none_of_it(monkeypatch) -> None:
    data, evaluation = DataConfig(name="synthetic", split_seed=77), EvaluationConfig()
    results = []
    for _ in range(2):
        split = prepared_split(data, INTERACTIONS)
        tasks = prepared_tasks(data, evaluation, INTERACTIONS, split)
        results.append(prepared_baselines(data, evaluation, INTERACTIONS, split, tasks, 1))
        for name in ("split_interactions", "ranking_tasks", "rank_baselines"):
            monkeypatch.setattr(prepared, name, None)
    assert results[0] is results[1]


def test_no_trial_can_change_what_the_next_one_gets() -> None:
    data, evaluation = DataConfig(name="synthetic"), EvaluationConfig()
    split = prepared_split(data, INTERACTIONS)
    tasks = prepared_tasks(data, evaluation, INTERACTIONS, split)
    arrays = [split.train, split.validation, split.test]
    for task in tasks.values():
        arrays += [task.users, task.items, task.seen.offsets, task.seen.items]
    baselines = prepared_baselines(data, evaluation, INTERACTIONS, split, tasks, 1)
    for ranks in baselines["popularity"].ranks.values():
        arrays += [ranks.unfiltered, ranks.seen_filtered]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.train = split.test
    tasks.clear()
    assert list(prepared_tasks(data, evaluation, INTERACTIONS, split)) == ["validation", "test"]
