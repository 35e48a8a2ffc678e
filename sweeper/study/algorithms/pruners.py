"""The pruners, by the names that `study.pruner` takes.

A pruner's step is the epoch, counted from 1 and reported at each evaluation, when the
splits of a trial are trained in lockstep; it is the index of the split's seed, counted
from 0, when they are trained one after the other.
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
    """The epoch of the first decision.

    Optuna's `auto` takes a hundredth of the steps of the first trial that a worker sees
    complete, which differs between workers if trials stop early. And rungs that lie before
    the first evaluation are all decided there, one after the other, by the same value:
    one trial in sixteen would be left instead of one in four.
    """
    return min(max(eval_every_epochs, max_epochs // 100, 1), max_epochs)


def _successive_halving(max_epochs: int, eval_every_epochs: int) -> dict[str, Any]:
    return {"min_resource": _first_rung(max_epochs, eval_every_epochs)}


def _hyperband(max_epochs: int, eval_every_epochs: int) -> dict[str, Any]:
    return {**_successive_halving(max_epochs, eval_every_epochs), "max_resource": max_epochs}


class _CheckedHyperbandPruner(HyperbandPruner):
    """Refuses at once what Optuna's would choke on, or never prune with, in the first trial."""

    def __init__(
        self,
        min_resource: int = 1,
        max_resource: str | int = "auto",
        reduction_factor: int = 3,
        bootstrap_count: int = 0,
    ) -> None:
        super().__init__(min_resource, max_resource, reduction_factor, bootstrap_count)
        # What it makes of its options in the first trial.
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
    "none": Kind(NopPruner, _none, {}, label="pruner none, which has none"),
}


def build_pruner(
    study_config: StudyConfig, max_epochs: int, eval_every_epochs: int = 1
) -> BasePruner:
    """The pruner of a study, the same for each of its workers.

    Args:
      study_config: with its pruner chosen, see `sweeper.study.algorithms.choices`.
      max_epochs: of a trial, for the pruners that count epochs.
      eval_every_epochs: how far apart a trial's evaluations are.
    """
    if study_config.pruner is None:
        raise ValueError("study.pruner is null; see sweeper.study.algorithms.choices")
    return _build(study_config.pruner, study_config, max_epochs, eval_every_epochs)


def pruner_problems(
    study_config: StudyConfig, chosen: str, max_epochs: int, eval_every_epochs: int
) -> list[str]:
    """What is wrong with `study.pruner_options`, or missing for the chosen pruner."""
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
