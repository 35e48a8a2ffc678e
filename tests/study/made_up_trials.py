"""Optuna studies whose trials never ran, with the attributes that workers leave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

LEARNING_RATE, LAYERS = "optimizer.learning_rate", "model.layer_sizes"
DISTRIBUTIONS = {
    LEARNING_RATE: FloatDistribution(1e-5, 100.0),
    LAYERS: CategoricalDistribution(["[32]", "[64, 32]"]),
}
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING = TrialState.RUNNING, TrialState.WAITING


def made_up_study(**directions: str) -> optuna.Study:
    """An empty study of objectives given as metric=direction."""
    study = optuna.create_study(study_name="made_up", directions=list(directions.values()))
    study.set_metric_names(list(directions))
    return study


def made_up_result(figures: dict[str, float], **more: Any) -> dict[str, Any]:
    return {
        "metrics": figures,
        "deviations": None,
        "seeds": [],
        "baselines": {"popularity": {"top_100": 0.2989}},
        "epochs": 30,
        "best_epoch": 25,
        "num_parameters": 81234,
        "milliseconds_per_query": None,
        "seconds": 8.1,
    } | more


def repeated_result(metric: str, mean: float, deviation: float, seeds: Sequence[int]) -> dict:
    """The result of a trial that was trained on several splits."""
    repeats = [
        {"split_seed": seed, "metrics": {metric: mean + (index - 1) * deviation}}
        for index, seed in enumerate(seeds)
    ]
    return made_up_result({metric: mean}, deviations={metric: deviation}, seeds=repeats)


def made_up_trial(
    number: int,
    state: TrialState = COMPLETE,
    values: Sequence[float] | None = None,
    reports: dict[int, float] | None = None,
    collapsed: bool | None = None,
    params: dict[str, Any] | None = None,
    **attributes: Any,
) -> FrozenTrial:
    """A trial of that number, to be added to a study that has as many."""
    if params is None:
        params = {LEARNING_RATE: 0.001 * (number + 1), LAYERS: ["[32]", "[64, 32]"][number % 2]}
    trial = create_trial(
        state=state,
        values=values,
        params=params,
        distributions={
            name: DISTRIBUTIONS.get(name, CategoricalDistribution([value]))
            for name, value in params.items()
        },
        intermediate_values=reports,
        user_attrs={
            "directory": f"trials/{number:04d}",
            "overrides": [f"{name}={value}" for name, value in params.items()],
            **attributes,
        },
        constraints=None if collapsed is None else {"scores_collapsed": float(collapsed)},
    )
    if state == RUNNING:
        trial.datetime_start = datetime.now()
    return trial
