"""What `null` means for `study.sampler` and `study.pruner`; decided here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sweeper.study.algorithms.options import options_of
from sweeper.study.app import App, TrialConfig
from sweeper.study.config import StudyConfig

# Samplers for which Optuna refuses several objectives.
SINGLE_OBJECTIVE = ("cmaes",)

# Pruners that work on the seeds of a trial as well as on its epochs.
SEED_PRUNERS = ("wilcoxon", "median", "percentile", "threshold", "none")


def resolve_sampler(study: StudyConfig, continuous: Sequence[str]) -> str:
    """The sampler's name: a grid where every searched value is listed on the command line.

    Args:
      study: as given.
      continuous: searched parameters that are ranges without a step.
    """
    if study.sampler is not None:
        return study.sampler
    return "tpe" if study.space or continuous else "grid"


def resolve_pruner(study: StudyConfig, config: TrialConfig, app: App) -> str:
    """The pruner's name: one that can save time, if there is any.

    Args:
      study: with its sampler chosen.
      config: of the trials, before a searched value changes it.
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
    """How many seeds Wilcoxon's test needs before it can prune, with the study's options.

    With n pairs its one-sided p is at least 2 ** -n: all pairs differ the same way.
    """
    options = options_of(study.pruner_options, "wilcoxon")
    p_threshold = options.get("p_threshold", 0.1)
    startup = options.get("n_startup_steps", 2)
    if not isinstance(p_threshold, int | float) or not isinstance(startup, int):
        return 0  # They are refused for their types.
    if not 0 < p_threshold <= 1:
        return math.inf if p_threshold <= 0 else 0  # Above 1 Optuna's constructor refuses it.
    return max(math.floor(-math.log2(p_threshold)) + 1, startup, 2)
