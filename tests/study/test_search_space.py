"""Search spaces from YAML: what is suggested, set, listed and refused."""

from __future__ import annotations

import json
import warnings
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_spaces import (
    KEYS,
    LEARNING_RATES,
    TOWERS,
    check_values,
    fixed_trial,
    space,
    spaces,
)
from omegaconf import OmegaConf

from sweeper.study.space.domains import Interval
from sweeper.study.space.parameters import SingleParameter
from sweeper.study.space.reader import parse_space
from sweeper.study.space.search_space import SearchSpace


def test_overrides_by_hand() -> None:
    values = {"model.dropout": 0.1, "optimizer": "adam", "adam_learning_rate": 0.001}
    overrides = ["optimizer=adam", "model.dropout=0.1", "optimizer.learning_rate=0.001"]
    learning_rates = space(LEARNING_RATES)
    assert learning_rates.overrides(values) == overrides
    assert learning_rates.overrides(values | {"adagrad_learning_rate": 0.5}) == overrides
    assert learning_rates.overrides({"model.dropout": 0.30000000000000004 - 0.1}) == [
        "model.dropout=0.2"
    ]
    assert learning_rates.overrides({"adam_learning_rate": 0.001}) == []


def test_a_key_that_may_be_new_is_forced() -> None:
    momentum = space("optimizer.options.momentum: {low: 0.0, high: 0.99}")
    assert momentum.overrides({"optimizer.options.momentum": 0.5}) == [
        "++optimizer.options.momentum=0.5"
    ]


def test_lists_are_stored_as_text_and_set_as_values() -> None:
    sizes = space("model.layer_sizes: {choices: [[32], [64, 32]]}")
    trial = fixed_trial({"model.layer_sizes": "[64,32]"})
    assert sizes.overrides(sizes.suggest(trial)) == ["model.layer_sizes=[64,32]"]
    assert sizes.encode({"model.layer_sizes": [32]}, "here") == {"model.layer_sizes": "[32]"}


def test_describe_is_plain_and_the_same_in_any_order() -> None:
    text = LEARNING_RATES + TOWERS
    described = space(text).describe()
    turned = dict(reversed(OmegaConf.to_container(OmegaConf.create(text)).items()))
    assert parse_space(turned, KEYS).describe() == described
    assert json.loads(json.dumps(described)) == described
    assert described["adagrad_learning_rate"] == {
        "sets": "optimizer.learning_rate",
        "when": {"optimizer": ["adagrad"]},
        "type": "float",
        "low": 0.02,
        "high": 1.0,
        "step": None,
        "log": True,
    }
    assert space(LEARNING_RATES).describe() != described


@given(spaces(), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_what_is_suggested_is_in_range_and_survives_encode(
    given_space: dict[str, Any], seed: int
) -> None:
    searched = parse_space(given_space, KEYS)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(4):
        trial = study.ask()
        values = searched.suggest(trial)
        assert set(values) == set(trial.params) <= set(searched.names)
        check_values(searched, given_space, values)
        study.tell(trial, 0.0)


@pytest.mark.parametrize("name", ["random", "tpe", "qmc"])
def test_optuna_samples_the_space(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler: optuna.samplers.BaseSampler = {
            "random": lambda: optuna.samplers.RandomSampler(seed=1),
            "tpe": lambda: optuna.samplers.TPESampler(
                seed=1, multivariate=True, group=True, n_startup_trials=5
            ),
            "qmc": lambda: optuna.samplers.QMCSampler(seed=1),
        }[name]()
    searched = space(LEARNING_RATES + TOWERS)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(searched.encode({"optimizer": "adam", "model.layer_sizes": [64, 32]}, "w"))
    optimizers = set()
    for _ in range(15):
        trial = study.ask()
        values = searched.suggest(trial)
        rate = "adagrad" if values["optimizer"] == "adagrad" else "adam"
        assert f"{rate}_learning_rate" in values
        assert len(searched.overrides(values)) == 4
        optimizers.add(values["optimizer"])
        study.tell(trial, values["model.dropout"])
    assert study.trials[0].params["optimizer"] == "adam"
    assert study.trials[0].params["model.layer_sizes.width_1"] == 64
    assert optimizers == {"adagrad", "adam", "adamw"}


def test_a_whole_number_of_a_step_is_suggested_as_such() -> None:
    searched = SearchSpace(
        [SingleParameter("train.epochs", KEYS.find("train.epochs"), Interval(1, 7, 3, False, True))]
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    values = [searched.suggest(study.ask())["train.epochs"] for _ in range(20)]
    assert set(values) == {1, 4, 7}
    assert {type(value) for value in values} == {int}
