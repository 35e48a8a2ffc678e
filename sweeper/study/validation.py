"""Checks the `study` section before anything starts, and reports all errors at once.

The rules of an app are in its `App.study_problems`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from sweeper.common.errors import ConfigError, closest, either, shortened
from sweeper.common.plugins import load
from sweeper.common.schema import range_problems
from sweeper.study.algorithms.choices import SEED_PRUNERS, SINGLE_OBJECTIVE, seeds_for_wilcoxon
from sweeper.study.app import App, TrialConfig
from sweeper.study.config import SAMPLERS, StudyConfig
from sweeper.study.space.search_space import SearchSpace
from sweeper.study.storage.markers import MARKERS, holds_study


def study_problems(
    study: StudyConfig, config: TrialConfig, space: SearchSpace, app: App
) -> list[str]:
    """Returns a line for each problem of a study: the key, what was given, what would be right.

    Args:
      study: the study's configuration, with its sampler and pruner resolved.
      config: the configuration of a trial before anything searched is set.
      space: the searched space, from `study.space` and the command line.
    """
    # Imported late, because they import Optuna, which a start that ends before needs not load.
    from sweeper.study.algorithms.pruners import pruner_problems
    from sweeper.study.algorithms.samplers import sampler_problems

    steps, interval, pruner = app.num_steps(config), app.report_interval(config), study.pruner
    return [
        *range_problems(study, "study."),
        *_directory_problems(study),
        *_objective_problems(study, app),
        *_space_problems(study, space),
        *sampler_problems(study, str(study.sampler)),
        *_seed_problems(study),
        *(_pruner_problems(study, app) if pruner != "none" else ()),
        *pruner_problems(study, str(pruner), steps, interval),
        *_callback_problems(study),
    ]


def _directory_problems(study: StudyConfig) -> Iterator[str]:
    """Checks the names of the study's directory and of the study that it starts from."""
    name = study.name
    if name is not None and not _is_name(name):
        yield (
            f"study.name: got {shortened(repr(name))}; must be a name for a directory: not "
            "empty, without / and \\, not beginning with a dot, of at most 200 bytes"
        )
    earlier = study.warm_start
    if earlier is not None and not (earlier and holds_study(os.path.expanduser(earlier))):
        yield (
            f"study.warm_start: got {earlier!r}, which holds no study "
            f"({', '.join(MARKERS)}); must be the directory of an earlier study"
        )


def _is_name(name: str) -> bool:
    """Returns whether a directory can have this name, and a table can show it on one line."""
    dotted = name.startswith(".") or bool(set(name) & set("/\\"))
    return name.isprintable() and not dotted and 0 < len(os.fsencode(name)) <= 200


def _objective_problems(study: StudyConfig, app: App) -> Iterator[str]:
    known = (*app.metrics, *app.final_metrics)
    metrics = [objective.metric for objective in study.objectives]
    for index, metric in enumerate(metrics):
        key = f"study.objectives[{index}].metric"
        if metric and metric not in known:
            hint = app.metric_hint(metric) or closest(metric, known)
            yield f"{key}: got {metric!r}; must be one of {', '.join(known)}{hint}"
        elif metric in metrics[:index]:
            yield f"{key}: got {metric!r}, which an earlier objective has; must be given once"
        if metric in app.final_metrics and study.objectives[index].direction != "minimize":
            yield (
                f"study.objectives[{index}].direction: got 'maximize' for {metric}, which is a "
                "cost; must be minimize"
            )


def _space_problems(study: StudyConfig, space: SearchSpace) -> Iterator[str]:
    """Checks what the sampler requires of the space, the objectives and the budget."""
    sampler = study.sampler
    if sampler == "grid":
        if study.enqueue or study.warm_start:
            key = "enqueue" if study.enqueue else "warm_start"
            yield (
                f"study.{key}: cannot be combined with study.sampler 'grid', which tries all values"
            )
        for name in space.continuous():
            key = f"study.space.{name}" if name in study.space else name
            yield (
                f"{key}: is a range without a step, which a grid can't list; set a step or "
                "choices, or use another study.sampler"
            )
        return
    if not space.keys:
        yield (
            "study.space: is empty, and the command line searches no value, but study.sampler is "
            f"{sampler!r}; must have a parameter to search"
        )
    if study.n_trials is None and study.timeout_seconds is None:
        yield (
            f"study.n_trials: study.sampler {sampler!r} never ends by itself; must be set, or "
            "study.timeout_seconds must be"
        )
    if sampler == "cmaes" and space.keys and not space.unconditional_ranges():
        yield (
            "study.sampler: got 'cmaes', which samples only ranges that every trial has, but there "
            "are none; use another sampler, such as 'tpe'"
        )
    if sampler in SINGLE_OBJECTIVE and len(study.objectives) > 1:
        others = [name for name in SAMPLERS if name not in SINGLE_OBJECTIVE]
        yield (
            f"study.sampler: got {sampler!r} with {len(study.objectives)} study.objectives, but it "
            f"supports one; must be {either(others)}"
        )


def _seed_problems(study: StudyConfig) -> Iterator[str]:
    if not study.split_seeds and study.seed_mode == "sequential":
        yield (
            "study.seed_mode: got 'sequential' without study.split_seeds; must be 'lockstep', or "
            "study.split_seeds must be set"
        )


def _pruner_problems(study: StudyConfig, app: App) -> Iterator[str]:
    """Checks that a pruner other than `none` gets values to decide on."""
    got, pruner = f"study.pruner: got {study.pruner!r}", str(study.pruner)
    if len(study.objectives) > 1:
        yield (
            f"{got} with {len(study.objectives)} study.objectives; must be 'none', because "
            "a trial is pruned by one objective"
        )
    for metric in dict.fromkeys(objective.metric for objective in study.objectives):
        if metric in app.final_metrics:
            yield (
                f"{got} with the objective {metric!r}, which is known only at the end of a "
                "trial; must be 'none'"
            )
    if study.seed_mode == "sequential":
        yield from _sequential_problems(study, pruner, got)
    elif pruner == "wilcoxon":
        yield (
            f"{got} with study.seed_mode {study.seed_mode!r}; requires 'sequential', which reports "
            "the value of each seed"
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
                f"{needed:g}, because with fewer its test can't reach p_threshold"
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
            yield f"{key}: got {path!r}, which is {callback!r}; must be callable"
