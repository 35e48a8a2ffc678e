"""The pruners, by their names in `study.pruner`.

If the splits of a trial are trained in lockstep, the step of a pruner is the epoch, counted from
1 and reported at each evaluation. If they are trained one after the other, it is the index of
the split's seed, counted from 0.
"""

from __future__ import annotations

from typing import Any

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)

from sweeper.study.algorithms.options import Kind, option_problems, options_of
from sweeper.study.config import StudyConfig


def _none(*_: int) -> dict[str, Any]:
    return {}


def _first_rung(max_epochs: int, eval_every_epochs: int) -> int:
    """Returns the epoch of the first decision.

    Optuna's `auto` uses a hundredth of the steps of the first trial that a worker sees complete,
    which differs between workers if trials stop early. Rungs before the first evaluation are
    moreover all decided at that evaluation, by the same value: one trial in sixteen would
    continue instead of one in four.
    """
    return min(max(eval_every_epochs, max_epochs // 100, 1), max_epochs)


def _successive_halving(max_epochs: int, eval_every_epochs: int) -> dict[str, Any]:
    return {"min_resource": _first_rung(max_epochs, eval_every_epochs)}


def _hyperband(max_epochs: int, eval_every_epochs: int) -> dict[str, Any]:
    return {**_successive_halving(max_epochs, eval_every_epochs), "max_resource": max_epochs}


class _CheckedHyperbandPruner(HyperbandPruner):
    """Checks options at once that Optuna's pruner only checks in the first trial, or never."""

    def __init__(
        self,
        min_resource: int = 1,
        max_resource: str | int = "auto",
        reduction_factor: int = 3,
        bootstrap_count: int = 0,
    ) -> None:
        super().__init__(min_resource, max_resource, reduction_factor, bootstrap_count)
        # Hyperband constructs this pruner in the first trial.
        SuccessiveHalvingPruner(min_resource, reduction_factor, 0, bootstrap_count)
        if isinstance(max_resource, int) and min_resource > max_resource:
            raise ValueError(
                f"min_resource {min_resource} is more than max_resource {max_resource}"
            )


KINDS: dict[str, Kind] = {
    "successive_halving": Kind(SuccessiveHalvingPruner, _successive_halving, {}),
    "hyperband": Kind(_CheckedHyperbandPruner, _hyperband, {}, label="HyperbandPruner"),
    "median": Kind(MedianPruner, _none, {}),
    "percentile": Kind(PercentilePruner, lambda *_: {"percentile": 25.0}, {}),
    "threshold": Kind(ThresholdPruner, _none, {}),
    "wilcoxon": Kind(WilcoxonPruner, _none, {}),
    "none": Kind(NopPruner, _none, {}, label="pruner none, which has no options"),
}


def build_pruner(
    study_config: StudyConfig, max_epochs: int, eval_every_epochs: int = 1
) -> BasePruner:
    """Constructs the pruner of a study, which is the same for all workers.

    Args:
      study_config: the study's configuration, with its pruner resolved (see
        `sweeper.study.algorithms.choices`).
      max_epochs: the maximum number of epochs of a trial, for pruners that count epochs.
      eval_every_epochs: the number of epochs between two evaluations of a trial.
    """
    if study_config.pruner is None:
        raise ValueError("study.pruner is null; see sweeper.study.algorithms.choices")
    return _build(study_config.pruner, study_config, max_epochs, eval_every_epochs)


def pruner_problems(
    study_config: StudyConfig, chosen: str, max_epochs: int, eval_every_epochs: int
) -> list[str]:
    """Returns a line for each problem of `study.pruner_options`, given the chosen pruner."""
    return list(
        option_problems(
            "study.pruner_options",
            study_config.pruner_options,
            chosen,
            KINDS,
            lambda name: _build(name, study_config, max_epochs, eval_every_epochs),
        )
    )


def _build(
    name: str, study_config: StudyConfig, max_epochs: int, eval_every_epochs: int
) -> BasePruner:
    options = options_of(study_config.pruner_options, name)
    return KINDS[name].build(options, max_epochs, eval_every_epochs)
