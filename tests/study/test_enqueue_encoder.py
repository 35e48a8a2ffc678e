"""Enqueued values, named by parameter, key or part of the towers, are encoded for Optuna."""

from __future__ import annotations

from typing import Any

import pytest
from made_up_spaces import LEARNING_RATES, TOWERS, space
from plans import planner

from sweeper.common.errors import ConfigError
from sweeper.study.warm_start import enqueued_params


@pytest.mark.parametrize(
    ("given_values", "encoded"),
    [
        ({}, {}),
        ({"model.dropout": 0.2}, {"model.dropout": 0.2}),
        ({"adam_learning_rate": 0.001}, {"adam_learning_rate": 0.001}),
        (
            {"optimizer.learning_rate": 0.5, "optimizer": "adagrad"},
            {"optimizer": "adagrad", "adagrad_learning_rate": 0.5},
        ),
        (
            {"model.layer_sizes": [64, 32]},
            {f"model.layer_sizes.{part}": value
             for part, value in
             {"depth": 2, "shape": "free", "width_1": 64, "width_2": 32}.items()},
        ),
        ({"model.layer_sizes.depth": 2}, {"model.layer_sizes.depth": 2}),
    ],
)  # fmt: skip
def test_a_users_values(given_values: dict[str, Any], encoded: dict[str, Any]) -> None:
    assert space(LEARNING_RATES + TOWERS).encode(given_values, "study.enqueue[2]") == encoded


@pytest.mark.parametrize(
    ("given_values", "line"),
    [
        ({"optimzer": "adam"}, "optimzer: is not searched. Did you mean 'optimizer'?"),
        (
            {"model.dropout": 0.15},
            "model.dropout: got 0.15; must be a number from 0.0 to 0.2 in steps of 0.1",
        ),
        (
            {"optimizer": "adamm"},
            "optimizer: got 'adamm'; must be one of adagrad, adam, adamw. Did you mean 'adam'?",
        ),
        (
            {"optimizer.learning_rate": 0.01},
            "optimizer.learning_rate: got 0.01; must be given as adam_learning_rate or "
            "adagrad_learning_rate, since each of them sets it",
        ),
        (
            {"optimizer": "adam", "adagrad_learning_rate": 0.5},
            "adagrad_learning_rate: got 0.5, which has no effect where optimizer is 'adam'",
        ),
        (
            {"model.layer_sizes.depth": 1, "model.layer_sizes.width_2": 32},
            "model.layer_sizes.width_2: got 32, which has no effect where "
            "model.layer_sizes.depth is 1",
        ),
    ],
)
def test_a_users_values_that_are_wrong(given_values: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as error:
        space(LEARNING_RATES + TOWERS).encode(given_values, "study.enqueue[2]")
    assert error.value.problems == [f"study.enqueue[2].{line}"]


def test_an_experiments_configuration_is_enqueued_by_its_keys(tmp_path, monkeypatch):
    # Those of experiment=best_known that the study searches, as its YAML has them.
    monkeypatch.chdir(tmp_path)
    given = (
        "{features: history, features.embedding_dim: 64, model.layer_sizes: [64, 64], "
        "model.input_dropout: 0.5, model.normalize_output: true, task: full_softmax, "
        "task.temperature: 0.18, optimizer: adamw, optimizer.learning_rate: 0.0019, "
        "optimizer.weight_decay: 0.038}"
    )
    with planner() as hydra:
        plan = hydra.plan("study=everything", f"study.enqueue=[{given}]")
    ((first,), remarks) = enqueued_params(plan)
    assert remarks == []
    assert {name: first[name] for name in ("cosine_temperature", "adam_learning_rate")} == {
        "cosine_temperature": 0.18,
        "adam_learning_rate": 0.0019,
    }
    overrides = plan.space.overrides({**first, "model.activation": "relu", "model.dropout": 0.0})
    assert {"features=history", "model.layer_sizes=[64,64]", "task.temperature=0.18",
            "optimizer.learning_rate=0.0019"} <= set(overrides)  # fmt: skip
