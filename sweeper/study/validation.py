"""Checks of `study:` against itself and the trials; every error at once, before anything starts."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

from sweeper.common.errors import ConfigError, closest, either, shortened
from sweeper.common.plugins import load
from sweeper.common.schema import range_problems
from sweeper.study.ablations import ablation_problems
from sweeper.study.algorithms.choices import (
    FINAL_METRICS,
    SEED_PRUNERS,
    SINGLE_OBJECTIVE,
    resolve_pruner,
    resolve_sampler,
    seeds_for_wilcoxon,
)
from sweeper.study.config import SAMPLERS, StudyConfig
from sweeper.study.storage.markers import MARKERS, holds_study
from sweeper.two_tower.config import METRICS, Config, metric_hint
from sweeper.two_tower.validation import split_seed_problems


def study_problems(
    study: StudyConfig,
    config: Config,
    space_names: Sequence[str],
    continuous: Sequence[str],
    numeric: Sequence[str],
) -> list[str]:
    """Everything wrong with a study, one line each: the key, what was given, what would be right.

    Args:
      study: as given, with `null` where a sampler or a pruner is to be chosen.
      config: of the trials, before a searched value changes it.
      space_names: every searched key, from `study.space` and the command line.
      continuous: parameters that are ranges without a step.
      numeric: parameters that are ranges and that every trial has.
    """
    # Imported late: they import Optuna, which a start that ends here needs not wait for.
    from sweeper.study.algorithms.pruners import pruner_problems
    from sweeper.study.algorithms.samplers import sampler_problems

    sampler = resolve_sampler(study, continuous)
    pruner = resolve_pruner(dataclasses.replace(study, sampler=sampler), config)
    train = config.train
    return [
        *range_problems(study, "study."),
        *_place_problems(study),
        *_objective_problems(study, config),
        *_space_problems(study, sampler, space_names, continuous, numeric),
        *sampler_problems(study, sampler),
        *test_row_problems(config, sampler, pruner, space_names),
        *_seed_problems(study, config, space_names),
        *(_pruner_problems(study, config, pruner, space_names) if pruner != "none" else ()),
        *pruner_problems(study, pruner, train.epochs, train.eval_every_epochs),
        *_callback_problems(study),
        *confirm_problems(study, config, space_names),
    ]


def _place_problems(study: StudyConfig) -> Iterator[str]:
    """The study's directory, and another study's that it starts from."""
    name = study.name
    if name is not None and not _is_name(name):
        yield (
            f"study.name: got {shortened(repr(name))}; must be the name of one directory: not "
            "empty, without / and \\, not beginning with a dot, of at most 200 letters"
        )
    earlier = study.warm_start
    if earlier is not None and not (earlier and holds_study(os.path.expanduser(earlier))):
        yield (
            f"study.warm_start: got {earlier!r}, which holds no study "
            f"({', '.join(MARKERS)}); must be the directory of an earlier study"
        )


def _is_name(name: str) -> bool:
    """Whether a directory can have this name, and a table show it on one line."""
    dotted = name.startswith(".") or bool(set(name) & set("/\\"))
    return name.isprintable() and not dotted and 0 < len(os.fsencode(name)) <= 200


def _objective_problems(study: StudyConfig, config: Config) -> Iterator[str]:
    known = (*METRICS, *FINAL_METRICS)
    metrics = [objective.metric for objective in study.objectives]
    for index, metric in enumerate(metrics):
        key = f"study.objectives[{index}].metric"
        if metric and metric not in known:
            words = f"must be one of {', '.join(known)}"
            hint = metric_hint(metric) or closest(metric, known)
            yield f"{key}: got {metric!r}; {words}{hint}"
        elif metric in metrics[:index]:
            yield f"{key}: got {metric!r}, which study.objectives has already; name each once"
        if metric in FINAL_METRICS and study.objectives[index].direction != "minimize":
            yield (
                f"study.objectives[{index}].direction: is 'maximize' for {metric}, which is a "
                "cost; must be minimize"
            )
        if metric == "milliseconds_per_query" and not config.evaluation.measure_latency:
            yield (
                f"{key}: got {metric!r}, which is never measured; "
                "set evaluation.measure_latency=true"
            )


def _space_problems(
    study: StudyConfig,
    sampler: str,
    space_names: Sequence[str],
    continuous: Sequence[str],
    numeric: Sequence[str],
) -> Iterator[str]:
    """What the sampler needs of the space, the objectives and the budget."""
    if sampler == "grid":
        if study.enqueue or study.warm_start:
            key = "enqueue" if study.enqueue else "warm_start"
            yield f"study.{key}: is given with study.sampler 'grid', which tries every combination"
        for name in continuous:
            key = f"study.space.{name}" if name in study.space else name
            yield (
                f"{key}: is a range without a step, which a grid can't list; give step or "
                "choices, or another study.sampler"
            )
        return
    if not space_names:
        yield (
            f"study.space: is empty, and no value is searched on the command line, with "
            f"study.sampler {sampler!r}; must hold a parameter to search"
        )
    if study.n_trials is None and study.timeout_seconds is None:
        yield (
            f"study.n_trials: is not given, nor is study.timeout_seconds, with study.sampler "
            f"{sampler!r}, which never ends by itself; at least one of them must be given"
        )
    if "data.cut" in space_names:
        yield (
            f"data.cut: is searched by study.sampler {sampler!r}, which would choose the luckiest "
            "cut; must not be searched: study.confirm.cuts scores the best trials at several"
        )
    if "data.split_seed" in space_names and not study.split_seeds:
        yield (
            f"data.split_seed: is searched by study.sampler {sampler!r}, which would choose the "
            "luckiest split; a seed is no hyperparameter: give study.split_seeds"
        )
    if sampler == "cmaes" and space_names and not numeric:
        yield (
            "study.sampler: got 'cmaes', but no parameter is a range that every trial has, and it "
            "draws all others at random; must be another, such as 'tpe'"
        )
    if sampler in SINGLE_OBJECTIVE and len(study.objectives) > 1:
        others = [name for name in SAMPLERS if name not in SINGLE_OBJECTIVE]
        yield (
            f"study.sampler: got {sampler!r} with {len(study.objectives)} study.objectives; it "
            f"takes one; must be {either(others)}"
        )


def test_row_problems(
    config: Config, sampler: str, pruner: str, space_names: Sequence[str]
) -> Iterator[str]:
    """Neither a sampler nor a pruner may go by test rows."""
    if sampler != "grid" and config.evaluation.split == "test":
        yield (
            "evaluation.split: got 'test' in a study, which would choose on test rows; must be "
            "'validation'"
        )
    elif sampler != "grid" and "evaluation.split" in space_names:
        yield "evaluation.split: is searched, which would choose between rows; must be 'validation'"
    elif config.evaluation.split == "test" and pruner != "none":
        yield (
            f"study.pruner: got {pruner!r} with evaluation.split 'test', which would choose on "
            "test rows; must be 'none'"
        )


def metric_problems(
    study: StudyConfig, config: Config, space_names: Sequence[str]
) -> Iterator[str]:
    """Trials must keep their weights by the figure that the study goes by."""
    objective = study.objectives[0].metric if study.objectives else ""
    metric = config.evaluation.metric
    if "evaluation.metric" in space_names:
        yield (
            "evaluation.metric: is searched, which would compare trials whose weights were kept "
            "by different figures; must be the same for all trials"
        )
    elif objective in METRICS and metric != objective:
        yield (
            f"evaluation.metric: got {metric!r} while study.objectives[0].metric is "
            f"{objective!r}, by which trials keep their weights; both must be the same"
        )


def _seed_problems(study: StudyConfig, config: Config, space_names: Sequence[str]) -> Iterator[str]:
    seeds = study.split_seeds
    yield from split_seed_problems(seeds, config.data)
    if seeds and "data.split_seed" in space_names:
        yield (
            f"study.split_seeds: got {seeds} while data.split_seed is searched; must be empty, or "
            "data.split_seed not searched"
        )
    if not seeds and study.seed_mode == "sequential":
        yield (
            "study.seed_mode: got 'sequential' without study.split_seeds; must be 'lockstep', or "
            "study.split_seeds given"
        )


def _pruner_problems(
    study: StudyConfig, config: Config, pruner: str, space_names: Sequence[str]
) -> Iterator[str]:
    """Whether the pruner, which is not `none`, gets figures to go by."""
    train, searched_epochs = config.train, {"train.epochs", "train.eval_every_epochs"}
    got = f"study.pruner: got {pruner!r}"
    if len(study.objectives) > 1:
        yield (
            f"{got} with {len(study.objectives)} study.objectives; must be 'none': a trial is "
            "pruned by one figure"
        )
    for metric in dict.fromkeys(objective.metric for objective in study.objectives):
        if metric in FINAL_METRICS:
            yield (
                f"{got} with the objective {metric!r}, which is known only at the end; must be "
                "'none'"
            )
    if study.seed_mode == "sequential":
        yield from _sequential_problems(study, pruner, got)
    elif pruner == "wilcoxon":
        yield (
            f"{got} with study.seed_mode {study.seed_mode!r}; must be with 'sequential', which "
            "reports each seed's figure"
        )
    elif train.eval_every_epochs >= train.epochs and searched_epochs.isdisjoint(space_names):
        yield (
            f"{got} with train.eval_every_epochs {train.eval_every_epochs} of train.epochs "
            f"{train.epochs}: a trial is reported once, at the end; nothing could be "
            "pruned; must be 'none', or train.eval_every_epochs smaller"
        )


def _sequential_problems(study: StudyConfig, pruner: str, got: str) -> Iterator[str]:
    if pruner in ("successive_halving", "hyperband"):
        yield (
            f"{got}, which counts epochs, with study.seed_mode 'sequential'; must be "
            f"{either(SEED_PRUNERS)}"
        )
    if pruner == "wilcoxon" and study.split_seeds:
        needed = seeds_for_wilcoxon(study)
        if len(study.split_seeds) < needed:
            yield (
                f"{got} with {len(study.split_seeds)} study.split_seeds; must be at least "
                f"{needed:g}: with fewer, its test can't get below p_threshold"
            )


def confirm_problems(
    study: StudyConfig, config: Config, space_names: Sequence[str]
) -> Iterator[str]:
    """Why the best trials can't be confirmed on rows that chose nothing."""
    if not study.confirm.best:
        return
    for key in ("data.split_seed", "data.cut"):
        if key in space_names:
            yield (
                f"study.confirm.best: got {study.confirm.best} while {key} is searched, so that "
                "each split's test rows were training rows of another; must be 0"
            )
    yield from ablation_problems(study.confirm, config)
    if study.confirm.cuts is not None and config.data.split == "random":
        yield (
            f"study.confirm.cuts: got {study.confirm.cuts} with data.split 'random', which has no "
            "cuts; must be null, or data.split 'temporal' or 'leave_last_out'"
        )
    got = f"study.confirm.best: got {study.confirm.best}"
    if config.evaluation.split == "test":
        yield (
            f"{got} with evaluation.split 'test': the study itself looks at the rows that would "
            "confirm it; must be 0, or evaluation.split 'validation'"
        )
    if study.split_seeds and not study.confirm.split_seeds:
        yield (
            f"{got} with study.split_seeds {study.split_seeds}, which leave no test row that the "
            "search never touched; must be with study.confirm.split_seeds of at least 1"
        )


def _callback_problems(study: StudyConfig) -> Iterator[str]:
    for index, path in enumerate(study.callbacks):
        key = f"study.callbacks[{index}]"
        try:
            callback = load(key, path)
        except ConfigError as error:
            yield from error.problems
            continue
        if not callable(callback):
            yield f"{key}: got {path!r}, which is {callback!r}; must be a function"
