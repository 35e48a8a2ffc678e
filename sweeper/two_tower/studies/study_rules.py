"""Rules for studies of two-tower models: what they may optimize, search and confirm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sweeper.common.errors import closest
from sweeper.study.config import StudyConfig
from sweeper.two_tower.config import BASELINES, METRICS, Config, is_baseline
from sweeper.two_tower.studies.ablations import ablation_problems
from sweeper.two_tower.validation import split_seed_problems


def study_problems(study: StudyConfig, config: Config, searched: Sequence[str]) -> Iterator[str]:
    """Yields a line for each problem of a study of trials with this configuration.

    Args:
      study: the study's configuration, with its sampler and pruner resolved.
      searched: the searched keys.
    """
    for rule in (*RULES, *RULES_OF_ALL_TRIALS):
        yield from rule(study, config, searched)


def example_problems(study: StudyConfig, config: Config, searched: Sequence[str]) -> Iterator[str]:
    """Yields a line for each problem of a study whose search may reach this configuration.

    A searched file may set which rows are scored, and by which metric.
    """
    for rule in RULES_OF_ALL_TRIALS:
        yield from rule(study, config, searched)


def reference_problems(
    reference: str, searched: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yields a line for each reason why `study.reference` can't be this experiment.

    Args:
      groups: the names of the options of each config group.
    """
    got, experiments = f"study.reference: got {reference!r}", groups["experiment"]
    if reference not in experiments:
        yield (
            f"{got}; must be null or one of {', '.join(experiments)}"
            f"{closest(reference, experiments)}"
        )
    elif is_baseline(reference.lower()) or reference.startswith("trial_"):
        yield (
            f"{got}, which is a name of a baseline ({', '.join(BASELINES)}) or of a trial "
            "(trial_0, …); must have another name: rename the experiment's file"
        )
    data = [name for name in searched if name.partition(".")[0] == "data"]
    if data:
        yield (
            f"{got} while {', '.join(data)} is searched, so that trials are scored on different "
            "rows; must be null"
        )


def _latency_problems(study: StudyConfig, config: Config, searched: Sequence[str]) -> Iterator[str]:
    for index, objective in enumerate(study.objectives):
        if objective.metric == "milliseconds_per_query" and not config.evaluation.measure_latency:
            yield (
                f"study.objectives[{index}].metric: got {objective.metric!r}, which is never "
                "measured; set evaluation.measure_latency=true"
            )


def _report_problems(study: StudyConfig, config: Config, searched: Sequence[str]) -> Iterator[str]:
    """Checks that a pruner that decides by epoch gets several reports of a trial."""
    train, searched_epochs = config.train, {"train.epochs", "train.eval_every_epochs"}
    if study.pruner in ("none", "wilcoxon") or study.seed_mode == "sequential":
        return
    if train.eval_every_epochs >= train.epochs and searched_epochs.isdisjoint(searched):
        yield (
            f"study.pruner: got {study.pruner!r} with train.eval_every_epochs "
            f"{train.eval_every_epochs} of train.epochs {train.epochs}, so that a trial reports "
            "only once, at its end; must be 'none', or train.eval_every_epochs must be smaller"
        )


def _test_row_problems(
    study: StudyConfig, config: Config, searched: Sequence[str]
) -> Iterator[str]:
    """Checks that neither a sampler nor a pruner uses test rows."""
    if study.sampler != "grid" and config.evaluation.split == "test":
        yield ("evaluation.split: got 'test', on which a search would choose; must be 'validation'")
    elif study.sampler != "grid" and "evaluation.split" in searched:
        yield "evaluation.split: must not be searched; must be 'validation'"
    elif config.evaluation.split == "test" and study.pruner != "none":
        yield (
            f"study.pruner: got {study.pruner!r} with evaluation.split 'test', on which it would "
            "choose; must be 'none'"
        )


def _metric_problems(study: StudyConfig, config: Config, searched: Sequence[str]) -> Iterator[str]:
    """Checks that trials keep their weights by the metric of the study's objective."""
    objective = study.objectives[0].metric if study.objectives else ""
    metric = config.evaluation.metric
    if "evaluation.metric" in searched:
        yield (
            "evaluation.metric: must not be searched, because trials that keep their weights by "
            "different metrics can't be compared"
        )
    elif objective in METRICS and metric != objective:
        yield (
            f"evaluation.metric: got {metric!r} while study.objectives[0].metric is "
            f"{objective!r}; must be the same, since trials keep their weights by it"
        )


def _seed_problems(study: StudyConfig, config: Config, searched: Sequence[str]) -> Iterator[str]:
    seeds = study.split_seeds
    yield from split_seed_problems(seeds, config.data)
    if seeds and "data.split_seed" in searched:
        yield (
            f"study.split_seeds: got {seeds} while data.split_seed is searched; must be empty, or "
            "data.split_seed must not be searched"
        )
    is_search = study.sampler != "grid"
    if is_search and "data.cut" in searched:
        yield (
            f"data.cut: must not be searched by study.sampler {study.sampler!r}, which would "
            "choose the luckiest cut; use study.confirm.cuts to score the best trials at several "
            "cuts"
        )
    if is_search and "data.split_seed" in searched and not study.split_seeds:
        yield (
            f"data.split_seed: must not be searched by study.sampler {study.sampler!r}, which "
            "would choose the luckiest split; use study.split_seeds to train on several splits"
        )


def _confirm_problems(study: StudyConfig, config: Config, searched: Sequence[str]) -> Iterator[str]:
    """Checks that the best trials can be confirmed on rows that guided no choice."""
    if not study.confirm.best:
        return
    for key in ("data.split_seed", "data.cut"):
        if key in searched:
            yield (
                f"study.confirm.best: got {study.confirm.best} while {key} is searched, so that "
                "each split's test rows were training rows of another; must be 0"
            )
    yield from ablation_problems(study.confirm, config)
    if study.confirm.cuts is not None and config.data.split == "random":
        yield (
            f"study.confirm.cuts: got {study.confirm.cuts} with data.split 'random', which has no "
            "cuts; must be null, or data.split be 'temporal' or 'leave_last_out'"
        )
    got = f"study.confirm.best: got {study.confirm.best}"
    if config.evaluation.split == "test":
        yield (
            f"{got} with evaluation.split 'test', so that the study itself uses the rows that "
            "would confirm it; must be 0, or evaluation.split be 'validation'"
        )
    if study.split_seeds and not study.confirm.split_seeds:
        yield (
            f"{got} with study.split_seeds {study.split_seeds}, which leave no test row that the "
            "search never used; must be 0, or study.confirm.split_seeds be at least 1"
        )


RULES = (_latency_problems, _seed_problems, _report_problems)
RULES_OF_ALL_TRIALS = (_test_row_problems, _confirm_problems, _metric_problems)
