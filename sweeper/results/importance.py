"""How much each searched parameter counts, by Optuna's conditional PED-ANOVA."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.reading import result_of, state_of, values_of

# PED-ANOVA looks at what the best tenth has in common.
MIN_TRIALS = 10


def importances(study: optuna.Study) -> dict[str, float]:
    """The share of each parameter, the highest first; empty where too few trials tell.

    Args:
      study: a counted one.
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
    """Whether a parameter is one of the seeds, which no search may choose between."""
    return name.rpartition(".")[2] in ("seed", "split_seed")


def study_with_pruned(results: StudyResults) -> optuna.Study:
    """The study with its complete and its pruned trials, all as complete ones.

    A pruned trial counts with the best that it reached. Without these, a value that was
    always pruned would be missing, and the parameter seem not to matter.
    """
    with _quiet():
        study = optuna.create_study(
            directions=[StudyDirection[each.direction.upper()] for each in results.objectives]
        )
        study.set_metric_names([objective.metric for objective in results.objectives])
        study.add_trials(
            [counted for trial in results.trials if (counted := _counted(results, trial))]
        )
    return study


def _counted(results: StudyResults, trial: FrozenTrial) -> FrozenTrial | None:
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
    """The best that a trial had at any evaluation, of one objective; empty if it had none."""
    kept = (result_of(trial).get("metrics") or {}).get(results.metric)
    if kept is not None:
        return [kept]
    told = [value for value in trial.intermediate_values.values() if value == value]
    best = max if results.is_maximized else min
    return [best(told)] if told else values_of(trial)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's lines about studies in memory and few trials; the report says it itself."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
