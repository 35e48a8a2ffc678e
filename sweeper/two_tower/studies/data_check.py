"""Checks a study against its data before its first trial, and that the data has not changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader

from sweeper.common.errors import ConfigError, DataChangedError
from sweeper.study import attributes
from sweeper.study.composition import with_overrides
from sweeper.study.plan import Plan
from sweeper.study.resume_check import START_ANEW
from sweeper.study.storage.markers import holds_study
from sweeper.two_tower.config import MRR, SEEN_FILTERED, Config
from sweeper.two_tower.data_check import (
    Preview,
    changed_files,
    check_sizes,
    contents_key,
    file_states,
    misfits,
    preview,
    saturated_objectives,
)
from sweeper.two_tower.studies.confirmation import confirmed_cuts
from sweeper.two_tower.studies.retraining import experiment_config


def check_data(plan: Plan, loader: ConfigLoader, print_line: Callable[[str], None]) -> Plan:
    """Reads the data and checks that everything to be trained fits it.

    Args:
      print_line: is called with a line for each slow stage of reading, and for each objective
        that can't distinguish trials.

    Returns:
      The plan, with the fingerprint of the data if all trials have the same data.

    Raises:
      ConfigError: with a line for each column, kind, size or baseline that doesn't fit. For
        a study that has begun, the lines are printed instead.
      DataError: the data can't be read.
    """
    previews: dict[str, Preview] = {}
    problems: dict[str, str] = {}
    for overrides_text, config in [*plan.examples, *_reference(plan, loader)]:
        key = contents_key(config.data)
        if key not in previews:
            previews[key] = preview(config.data, print_line)
        for problem in misfits(config, previews[key]):
            problems.setdefault(problem, overrides_text)
    if known := previews.get(contents_key(plan.trial.data)):
        problems |= _misfit_of_cuts(plan, known)
    if problems and not holds_study(plan.directory):
        raise ConfigError(with_overrides(problems))
    for line in with_overrides(problems):
        print_line(f"{line}: such trials will fail")
    metrics = [objective.metric for objective in plan.study.objectives]
    for line in saturated_objectives(metrics, previews.values()):
        print_line(f"warning: {line}")
    fingerprint = next(iter(previews.values())).fingerprint if plan.one_data else None
    return replace(plan, examples=[], fingerprint=fingerprint)


def _reference(plan: Plan, loader: ConfigLoader) -> Iterator[tuple[str, Config]]:
    name = plan.study.reference
    if name is not None:
        yield f"study.reference={name}", experiment_config(plan, name, loader)


def _misfit_of_cuts(plan: Plan, data: Preview) -> dict[str, str]:
    """Returns the problems of the sizes of the earliest cut of the confirmation."""
    confirm, own = plan.study.confirm, plan.trial.data
    if not confirm.best or own.split == "random":
        return {}
    cuts = confirmed_cuts(confirm, own)
    try:
        check_sizes(replace(own, cut=max(cuts), train_size=None, validation_size=0), data.num_rows)
    except ConfigError as error:
        return dict.fromkeys(error.problems, f"study.confirm.cuts={len(cuts)}")
    return {}


def data_attributes(plan: Plan) -> dict[str, Any]:
    """Returns the attributes by which a study recognizes its data; {} if it is not known yet."""
    if plan.fingerprint is None:
        return {}
    return {
        attributes.FINGERPRINT: plan.fingerprint,
        attributes.DATA_FILES: dict(file_states(plan.trial.data)),
    }


def check_same_data(study: optuna.Study, plan: Plan) -> None:
    """Checks that the data is what the study began with, and stores what it did not know yet.

    Raises:
      DataChangedError: the data is another, or has changed since.
    """
    now = data_attributes(plan)
    if not now:
        return
    began = study.user_attrs.get(attributes.FINGERPRINT)
    if began not in (None, plan.fingerprint):
        raise DataChangedError(_changed(study, plan, began, now[attributes.DATA_FILES]))
    for name, value in now.items():
        if study.user_attrs.get(name) != value:
            study.set_user_attr(name, value)


def _changed(study: optuna.Study, plan: Plan, began: str, files: dict[str, Any]) -> str:
    data = plan.trial.data
    subject = f"data.path: the table {data.path}" if data.name == "table" else f"data: {data.name}"
    before = study.user_attrs.get(attributes.DATA_FILES)
    changes = changed_files(before, files) if before and files else []
    if changes:
        reason = "; ".join(changes)
    elif before and files:
        reason = "its files are the same, but this version reads them differently"
    else:
        reason = (
            f"the fingerprint of its contents was {began:.12} and is {plan.fingerprint:.12} now"
        )
    return (
        f"{subject} has changed since the study in {plan.directory} began: {reason}; restore the "
        f"data; {START_ANEW}"
    )


def check_scores(study: optuna.Study, directory: Path) -> None:
    """Checks that one rule scored all trials of a study with a seen-filtered objective.

    Versions without MRR ranked an item that the user has already among the unseen ones; it is a
    miss now.

    Raises:
      ConfigError: an earlier version has scored a trial.
    """
    filtered = [
        metric
        for metric in study.user_attrs.get(attributes.OBJECTIVES, {})
        if metric.startswith(SEEN_FILTERED)
    ]
    for trial in study.get_trials(deepcopy=False) if filtered else ():
        metrics = (trial.user_attrs.get(attributes.RESULT) or {}).get("metrics")
        if metrics and f"{SEEN_FILTERED}{MRR}" not in metrics:
            raise ConfigError(
                f"study.objectives: an earlier version has scored trial {trial.number} of "
                f"{directory} by {filtered[0]} without counting rows whose item the user has "
                f"already as misses; its trials can't be compared with new ones; {START_ANEW}"
            )
