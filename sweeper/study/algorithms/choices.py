"""Resolves the value null of `study.sampler` and `study.pruner`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sweeper.study.algorithms.options import options_of
from sweeper.study.app import App, TrialConfig
from sweeper.study.config import StudyConfig

# Samplers for which Optuna refuses several objectives.
SINGLE_OBJECTIVE = ("cmaes",)

# Pruners that can use the seeds of a trial as steps, instead of its epochs.
SEED_PRUNERS = ("wilcoxon", "median", "percentile", "threshold", "none")


def resolve_sampler(study: StudyConfig, continuous: Sequence[str]) -> str:
    """Returns the name of the sampler: `grid` if the command line lists every searched value.

    Args:
      study: the study's configuration as given.
      continuous: the names of searched ranges without a step.
    """
    if study.sampler is not None:
        return study.sampler
    return "tpe" if study.space or continuous else "grid"


def resolve_pruner(study: StudyConfig, config: TrialConfig, app: App) -> str:
    """Returns the name of a pruner that can save time, or `none`.

    Args:
      study: the study's configuration, with its sampler resolved.
      config: the configuration of a trial before anything searched is set.
    """
    if study.pruner is not None:
        return study.pruner
    metrics = [objective.metric for objective in study.objectives]
    if study.sampler == "grid" or len(metrics) != 1 or metrics[0] in app.final_metrics:
        return "none"
    if study.seed_mode == "sequential":
        return "wilcoxon" if len(study.split_seeds) >= seeds_for_wilcoxon(study) else "none"
    several = app.report_interval(config) < app.num_steps(config)
    return "successive_halving" if several else "none"


def seeds_for_wilcoxon(study: StudyConfig) -> float:
    """Returns the number of seeds that Wilcoxon's test needs before it can prune a trial.

    With n pairs, its one-sided p is at least 2 ** -n, if all pairs differ in the same direction.
    """
    options = options_of(study.pruner_options, "wilcoxon")
    p_threshold = options.get("p_threshold", 0.1)
    startup = options.get("n_startup_steps", 2)
    if not isinstance(p_threshold, int | float) or not isinstance(startup, int):
        return 0  # Their types are reported elsewhere.
    if not 0 < p_threshold <= 1:
        return math.inf if p_threshold <= 0 else 0  # Optuna's constructor refuses more than 1.
    return max(math.floor(-math.log2(p_threshold)) + 1, startup, 2)
