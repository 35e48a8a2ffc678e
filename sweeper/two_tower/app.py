"""Implements the engine's protocol `sweeper.study.app.App` for two-tower models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from sweeper.common.schema import flatten, unflatten
from sweeper.study.config import ObjectiveConfig, StudyConfig
from sweeper.study.fixed_grid import FixedGridPlan
from sweeper.study.hooks import StudyHooks
from sweeper.study.plan import Plan
from sweeper.two_tower import record, validation
from sweeper.two_tower.config import (
    DEFAULT_METRIC,
    METRICS,
    MRR,
    SEEN_FILTERED,
    Config,
    baseline_name,
    metric_hint,
    seen_reading,
    to_dataclass,
    to_dictionary,
    with_defaults,
    with_same_filter,
)
from sweeper.two_tower.data.preview import contents_key
from sweeper.two_tower.studies import confirmation, data_check, reference, study_rules
from sweeper.two_tower.trial.result_tables import SEEN
from sweeper.two_tower.trial.summary import has_collapsed, summarize

FINAL_METRICS = ("num_parameters", "milliseconds_per_query", "train_seconds")
# Keys that do not affect results.
KEYS_WITHOUT_EFFECT = (
    "data.cache_dir", "data.source", "evaluation.save_ranks", "name", "train.threads",
)  # fmt: skip


class TwoTowerApp:
    """Trials that train and score a two-tower retrieval model; see `sweeper.study.app.App`."""

    schema: type = Config
    groups: Sequence[str] = (
        "data",
        "features",
        "model",
        "task",
        "optimizer",
        "train",
        "experiment",
    )
    optional_groups: Sequence[str] = ("experiment",)
    open_sections: Sequence[str] = ("optimizer.options",)
    seeds: Sequence[str] = ("train.seed", "data.split_seed")
    # A grid over splits shows how much metrics vary.
    grid_seeds: Sequence[str] = ("data.split_seed",)
    not_searchable: Sequence[str] = ("name", "train.threads", "tracking")
    metrics: Sequence[str] = METRICS
    final_metrics: Sequence[str] = FINAL_METRICS
    thread_key = "train.threads"
    trial_file = record.TRIAL

    def read(self, composed: DictConfig) -> Config:
        return to_dataclass(composed)

    def check(self, config: Config) -> None:
        validation.validate(config)

    def to_dictionary(self, config: Config) -> dict[str, Any]:
        return to_dictionary(config)

    def result_affecting_keys(self, config: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            key: value
            for key, value in flatten(config).items()
            if not key.startswith(KEYS_WITHOUT_EFFECT)
        }
        if {"data.split", "evaluation.seen"} <= set(found):
            # "auto" is the same as the value that it resolves to.
            found["evaluation.seen"] = seen_reading(found["data.split"], found["evaluation.seen"])
        return found

    def with_present_keys(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        return self.result_affecting_keys(with_defaults(unflatten(stored)))

    def objective_overrides(
        self, study: StudyConfig, config: Config, given: Collection[str]
    ) -> list[str]:
        """Returns the override that makes trials keep their weights by the first objective."""
        objective = study.objectives[0].metric if study.objectives else ""
        is_default = config.evaluation.metric == DEFAULT_METRIC != objective
        if "evaluation.metric" in given or objective not in METRICS or not is_default:
            return []
        config.evaluation.metric = objective
        return [f"evaluation.metric={objective}"]

    def num_steps(self, config: Config) -> int:
        return config.train.epochs

    def report_interval(self, config: Config) -> int:
        return config.train.eval_every_epochs

    def threads(self, config: Config) -> int | None:
        return config.train.threads

    def keeps_best(self, config: Config, searched: Collection[str]) -> bool:
        return config.train.restore_best or "train.restore_best" in searched

    def data_key(self, config: Config) -> str:
        return contents_key(config.data)

    def study_problems(
        self, study: StudyConfig, config: Config, searched: Sequence[str]
    ) -> Iterator[str]:
        return study_rules.study_problems(study, config, searched)

    def example_problems(
        self, study: StudyConfig, config: Config, searched: Sequence[str]
    ) -> Iterator[str]:
        return study_rules.example_problems(study, config, searched)

    def reference_problems(
        self, reference: str, searched: Sequence[str], groups: Mapping[str, Sequence[str]]
    ) -> Iterator[str]:
        return study_rules.reference_problems(reference, searched, groups)

    def working_directory_problems(self, config: Config, changes: bool | None) -> Iterator[str]:
        return validation.working_directory_problems(config, changes)

    def metric_hint(self, metric: str) -> str:
        return metric_hint(metric)

    def recorded_config(self, directory: Path) -> dict[str, Any] | None:
        # A custom objective may leave no record.
        return record.read(directory).config if (directory / record.TRIAL).exists() else None

    def summarize(self, directory: Path) -> dict[str, Any] | None:
        return summarize(directory)

    def is_infeasible(self, result: Mapping[str, Any]) -> bool:
        return has_collapsed(result)

    def mark_interrupted(self, directory: Path, state: str, reason: str) -> None:
        record.mark_interrupted(directory, state, reason)

    def baseline_label(self, name: str) -> str:
        return baseline_name(name)

    def leaderboard_notes(
        self, results: Iterable[Mapping[str, Any]], objectives: Sequence[ObjectiveConfig]
    ) -> Iterator[str]:
        if any(objective.metric.startswith(SEEN_FILTERED) for objective in objectives):
            # Summaries of versions without this choice lack it.
            seen = dict.fromkeys(result.get("seen", "training") for result in results)
            yield f"seen-filtered metrics leave out {', or '.join(SEEN[each] for each in seen)}"

    def finer_metric(self, metric: str) -> str | None:
        # MRR depends on every rank: where it is constant, all metrics of the ranking are.
        if metric not in METRICS or metric.removeprefix(SEEN_FILTERED) == MRR:
            return None
        return with_same_filter(MRR, metric)


class TwoTowerHooks(StudyHooks):
    """Checks the data, plans a reference before the trials, and a confirmation after them."""

    def check_data(
        self, plan: Plan, loader: ConfigLoader, print_line: Callable[[str], None]
    ) -> Plan:
        return data_check.check_data(plan, loader, print_line)

    def data_attributes(self, plan: Plan) -> dict[str, Any]:
        return data_check.data_attributes(plan)

    def check_resumed(self, study: optuna.Study, plan: Plan) -> None:
        data_check.check_scores(study, plan.directory)
        data_check.check_same_data(study, plan)

    def reference_plan(self, plan: Plan, loader: ConfigLoader) -> FixedGridPlan | None:
        # A reference and a confirmation have no reference of their own.
        return reference.plan_reference(plan, loader) if plan.study.reference else None

    def keep_reference(
        self, study: optuna.Study, planned: FixedGridPlan, trained: optuna.Study
    ) -> bool:
        return reference.keep_reference(study, planned, trained)

    def confirmation_plan(
        self, plan: Plan, study: optuna.Study, loader: ConfigLoader
    ) -> tuple[FixedGridPlan, list[str]] | None:
        confirm = plan.study.confirm
        if not confirm.best:
            return None
        planned = confirmation.plan_confirmation(plan, study, loader)
        split = plan.trial.data.split
        return planned, list(confirmation.skipped_parts(confirm, split, planned.configs))
