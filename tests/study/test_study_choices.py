"""How null of `study.sampler` and `study.pruner` is resolved."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from made_up_configs import SEEDS, SEQUENTIAL, SPACE, objectives, study_config, trial_config

from sweeper.study.algorithms.choices import resolve_pruner, resolve_sampler, seeds_for_wilcoxon
from sweeper.study.validation import study_problems
from sweeper.two_tower.app import TwoTowerApp


@pytest.mark.parametrize(
    ("values", "continuous", "sampler"),
    [
        ({}, (), "tpe"),
        ({"space": {}}, (), "grid"),
        ({"space": {}}, ("optimizer.learning_rate",), "tpe"),
        ({"sampler": "qmc", "space": {}}, (), "qmc"),
    ],
)
def test_which_sampler_is_meant(values, continuous, sampler):
    assert resolve_sampler(study_config(**values), continuous) == sampler


@pytest.mark.parametrize(
    ("values", "pruner"),
    [
        ({}, "successive_halving"),
        ({"split_seeds": SEEDS}, "successive_halving"),
        ({"sampler": "grid"}, "none"),
        ({"objectives": objectives("top_1", "top_5")}, "none"),
        ({"objectives": objectives("train_seconds")}, "none"),
        ({**SEQUENTIAL}, "wilcoxon"),
        ({**SEQUENTIAL, "split_seeds": [1, 2, 3]}, "none"),
        ({**SEQUENTIAL, "pruner_options": {"wilcoxon": {"p_threshold": 0.01}}}, "none"),
        ({"pruner": "median", "sampler": "grid"}, "median"),
    ],
)
def test_which_pruner_is_meant(values, pruner):
    study = study_config(**{"sampler": "tpe", **values})
    assert resolve_pruner(study, trial_config(), TwoTowerApp()) == pruner
    # What is chosen for the user is never refused.
    space: Any = SimpleNamespace(
        keys=list(SPACE), continuous=list, unconditional_ranges=lambda: list(SPACE)
    )
    study.pruner = pruner
    assert study_problems(study, trial_config(), space, TwoTowerApp()) == []


def test_no_pruner_where_there_is_one_evaluation():
    config = trial_config(train__eval_every_epochs=4)
    assert resolve_pruner(study_config(sampler="tpe"), config, TwoTowerApp()) == "none"


@pytest.mark.parametrize(
    ("options", "seeds"),
    [
        ({}, 4),
        ({"p_threshold": 0.125}, 4),  # 2 ** -3 is not below it
        ({"p_threshold": 0.126}, 3),
        ({"p_threshold": 0.05}, 5),
        ({"p_threshold": 1}, 2),  # Optuna looks at two pairs or more
        ({"p_threshold": 0.1, "n_startup_steps": 6}, 6),
        ({"p_threshold": 0}, float("inf")),
    ],
)
def test_seeds_that_wilcoxon_needs(options, seeds):
    study = study_config(pruner_options={"wilcoxon": options})
    assert seeds_for_wilcoxon(study) == seeds
