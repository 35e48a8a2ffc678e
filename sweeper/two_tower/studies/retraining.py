"""Plans configurations to train besides the trials: the reference and the confirmation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode

from sweeper.study.fixed_grid import FixedGridPlan, Point, fixed_grid_plan
from sweeper.study.plan import Plan
from sweeper.two_tower.config import Config, to_dataclass
from sweeper.two_tower.data.preview import contents_key

TRAIN_SEED = "train.seed"
# The key of a split: the seed of a random split, or how far back a split by time is.
SPLIT_SEED, CUT = "data.split_seed", "data.cut"


def retraining(
    plan: Plan, name: str, configs: dict[str, dict[str, Any]], points: list[Point], purpose: str
) -> FixedGridPlan:
    """Plans configurations to train below a study's directory, scored by the metric of its trials.

    Args:
      name: the name of the directory; a number is appended if another grid has this directory.
      configs: the complete configurations, by name.
      points: the configurations and seeds to train, in order.
      purpose: a description of the purpose, to print.
    """
    one_data = len({contents_key(config["data"]) for config in configs.values()}) == 1
    metric = plan.trial.evaluation.metric
    return fixed_grid_plan(plan, name, configs, points, metric, one_data, purpose)


def experiment_config(plan: Plan, name: str, loader: ConfigLoader) -> Config:
    """Returns the configuration of an experiment on the study's data, scored like its trials.

    So its weights are kept by the study's metric, too.
    """
    composed = loader.load_configuration("config", [f"experiment={name}"], run_mode=RunMode.RUN)
    experiment: Config = to_dataclass(composed)
    evaluation = replace(plan.trial.evaluation, measure_latency=False)
    return replace(experiment, data=replace(plan.trial.data), evaluation=evaluation)
