"""Plans the reference of a study: an experiment that the trials are compared with."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import optuna
from hydra.core.config_loader import ConfigLoader
from optuna.trial import TrialState

from sweeper.common.runtime import available_cores
from sweeper.study import attributes
from sweeper.study.fixed_grid import CONFIGURATION, FixedGridPlan
from sweeper.study.outputs.trial_states import result_of
from sweeper.study.plan import Plan
from sweeper.two_tower.config import to_dictionary
from sweeper.two_tower.studies.retraining import (
    SPLIT_SEED,
    TRAIN_SEED,
    experiment_config,
    retraining,
)

DIRECTORY = "reference"


def plan_reference(plan: Plan, loader: ConfigLoader) -> FixedGridPlan:
    """Plans the reference on the rows on which the trials are scored, once for each split."""
    name = str(plan.study.reference)
    config = experiment_config(plan, name, loader)
    config.evaluation = replace(config.evaluation, score_test=config.evaluation.split == "test")
    seeds = plan.study.split_seeds or [plan.trial.data.split_seed]
    listed = [
        {CONFIGURATION: name, SPLIT_SEED: seed, TRAIN_SEED: config.train.seed} for seed in seeds
    ]
    workers = min(plan.workers, len(listed))
    threads = plan.trial.train.threads or max(1, available_cores() // workers)
    plan = replace(plan, workers=workers, threads=threads)
    times = "once" if len(seeds) == 1 else f"on each of {len(seeds)} splits"
    purpose = (
        f"{name}, {config.train.epochs} epochs, is trained {times} before the trials, which are "
        "compared with it (study.reference)"
    )
    return retraining(plan, DIRECTORY, {name: to_dictionary(config)}, listed, purpose)


def keep_reference(study: optuna.Study, planned: FixedGridPlan, trained: optuna.Study) -> bool:
    """Stores the metrics of a trained reference with the study.

    Returns:
      Whether there are metrics; there are none if a training failed.
    """
    trials = trained.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    results = [result_of(trial) for trial in trials]
    if len(trials) < len(planned.fixed_points) or not all(results):
        return False
    runs = [
        {
            "split_seed": trial.params[SPLIT_SEED],
            "directory": f"{planned.directory.name}/{trial.user_attrs[attributes.DIRECTORY]}",
            "metrics": result["metrics"],
        }
        for trial, result in zip(trials, results, strict=True)
    ]
    (name,) = planned.configs
    metrics = {
        metric: fmean(run["metrics"][metric] for run in runs) for metric in runs[0]["metrics"]
    }
    study.set_user_attr(attributes.REFERENCE, {"name": name, "metrics": metrics, "runs": runs})
    return True
