"""The importance of each searched parameter, by Optuna's conditional PED-ANOVA."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.trial_states import result_of, state_of, values_of

# PED-ANOVA compares the best tenth of the trials with all of them.
MIN_TRIALS = 10


def importances(study: optuna.Study) -> dict[str, float]:
    """Returns the share of each parameter, the highest first; empty if there are too few trials.

    Args:
      study: from `study_with_pruned`.
    """
    trials = study.get_trials(deepcopy=False)
    if len(trials) < MIN_TRIALS or len({tuple(trial.values) for trial in trials}) < 2:
        return {}
    names = dict.fromkeys(name for trial in trials for name in trial.params if not is_seed(name))
    if len(names) < 2:
        return {}
    with _quiet():
        evaluator = PedAnovaImportanceEvaluator()
        return dict(get_param_importances(study, evaluator=evaluator, params=list(names)))


def is_seed(name: str) -> bool:
    """Returns whether a parameter is a seed, which no search may choose."""
    return name.rpartition(".")[2] in ("seed", "split_seed")


def study_with_pruned(results: StudyResults) -> optuna.Study:
    """Returns the study with its complete and its pruned trials, all marked as complete.

    A pruned trial has the best value that it reached. Without pruned trials, a parameter value
    that was always pruned would be missing, and the parameter would seem not to matter.
    """
    with _quiet():
        study = optuna.create_study(
            directions=[StudyDirection[each.direction.upper()] for each in results.objectives]
        )
        study.set_metric_names([objective.metric for objective in results.objectives])
        study.add_trials(
            [complete for trial in results.trials if (complete := _as_complete(results, trial))]
        )
    return study


def _as_complete(results: StudyResults, trial: FrozenTrial) -> FrozenTrial | None:
    if state_of(trial) not in ("complete", "pruned"):
        return None
    values = list(trial.values or [])
    if trial.state == TrialState.PRUNED:
        values = best_reached(results, trial)
    if len(values) != len(results.objectives) or not trial.params:
        return None
    return create_trial(
        state=TrialState.COMPLETE,
        values=values,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={"number": trial.number, "state": state_of(trial)},
    )


def best_reached(results: StudyResults, trial: FrozenTrial) -> list[float]:
    """Returns the best value of a trial at any evaluation; empty if it has none."""
    kept = (result_of(trial).get("metrics") or {}).get(results.metric)
    if kept is not None:
        return [kept]
    reported = [value for value in trial.intermediate_values.values() if value == value]
    best = max if results.is_maximized else min
    return [best(reported)] if reported else values_of(trial)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences Optuna's messages about in-memory studies and few trials."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
