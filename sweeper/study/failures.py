"""Decides whether a study has failed as a whole, and describes why."""

from __future__ import annotations

from collections import Counter

import optuna

from sweeper.common.errors import StudyError
from sweeper.common.output_files import TRACEBACK
from sweeper.study import attributes
from sweeper.study.execution.recovery import has_failed
from sweeper.study.outputs.trial_states import state_of
from sweeper.study.plan import Plan


def failure_of(plan: Plan, study: optuna.Study) -> StudyError | None:
    """Returns the error of a failed study, or None.

    A study has failed if too many trials failed, or if some failed and none completed.
    """
    trials = study.get_trials(deepcopy=False)
    failed = [trial for trial in trials if has_failed(trial)]
    counts = Counter(map(state_of, trials))
    if len(failed) > plan.study.max_failures:
        number = "1 trial" if len(failed) == 1 else f"{len(failed)} trials"
        problem = f"study.max_failures: {number} failed, more than {plan.study.max_failures}"
    elif failed and not counts["complete"] + counts["infeasible"]:
        pruned = f", {counts['pruned']} pruned" if counts["pruned"] else ""
        problem = f"{plan.name}: no trial completed: {len(failed)} failed{pruned}"
    else:
        return None
    directory = plan.directory / failed[0].user_attrs.get(attributes.DIRECTORY, "")
    path = directory / TRACEBACK
    traceback = f"\n{path.read_text()}" if path.exists() else ""
    return StudyError(f"{problem}; the first, in {directory}: {first_failure(study)}{traceback}")


def first_failure(study: optuna.Study) -> str:
    """Returns the reason of the first failed trial."""
    failed = filter(has_failed, study.get_trials(deepcopy=False))
    first = next(failed, None)
    return str(first.user_attrs.get(attributes.REASON)) if first else "it left no record"


def nothing_to_rank(plan: Plan, study: optuna.Study) -> str | None:
    """Returns why a study without failures has no best trial, or None if there is one to rank."""
    counts = Counter(map(state_of, study.get_trials(deepcopy=False)))
    if not plan.selects or counts["complete"] or counts["failed"]:
        return None
    if counts["infeasible"]:
        return "no trial is ranked: those that completed give all candidates the same score"
    if counts["pruned"]:
        return (
            f"no trial is ranked: study.pruner {plan.study.pruner!r} pruned all of them; choose "
            "another pruner or other study.pruner_options"
        )
    return "no trial is ranked: none has completed yet"
