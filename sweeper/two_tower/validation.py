"""Checks of a composed configuration; every error at once, before TensorFlow loads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from sweeper.common.errors import ConfigError
from sweeper.common.passwords import password_in
from sweeper.common.plugins import is_path, path_problem
from sweeper.two_tower.config import (
    NAMED_SOURCES,
    QUERY_KINDS,
    TIMED_KINDS,
    Config,
    DataConfig,
    FeatureConfig,
    TrackingConfig,
    goes_by_times,
    is_id,
    layer_sizes,
    no_times_problem,
    range_problems,
    sequence_settings,
    split_has_seed,
)
from sweeper.two_tower.data.table.files import TFDS
from sweeper.two_tower.data.validation import data_problems
from sweeper.two_tower.tracking.trackers import package_problems


def validate(config: Config) -> None:
    """Raises ConfigError with a line for each value that is wrong."""
    problems = [*range_problems(config), *_rule_problems(config)]
    if problems:
        raise ConfigError(problems)


def validate_data(config: Config) -> None:
    """Raises ConfigError as `validate` does where nothing is trained.

    Every value must be in its range; rules concern the data alone, and the validation part may be
    empty.
    """
    if problems := [*range_problems(config), *data_problems(config.data, "test")]:
        raise ConfigError(problems)


def split_seed_problems(seeds: Sequence[int], data: DataConfig) -> Iterator[str]:
    """What is wrong with `study.split_seeds`, with this `data.split`."""
    if seeds and not split_has_seed(data):
        yield (
            f"study.split_seeds: got {list(seeds)} with data.split {data.split!r}, which has no "
            "seed; must be empty, or data.split 'random'. What repeats under a split by time is "
            "cuts: data.cut=0,1,2 in a grid, and study.confirm.cuts once a search is done"
        )
    for seed in dict.fromkeys(seeds):
        if seeds.count(seed) > 1:
            yield f"study.split_seeds: got {seed} {seeds.count(seed)} times; must be given once"
        if seed < 0:
            yield f"study.split_seeds: got {seed}; must be whole numbers of at least 0"


def working_directory_problems(config: Config, changes: bool | None) -> Iterator[str]:
    """Paths of the data that trials wouldn't find from their own directories.

    Args:
      changes: `hydra.job.chdir`.
    """
    data = config.data
    paths = {
        "path": data.path,
        "items.path": data.items.path,
        "users.path": data.users.path,
        "source": None if data.source in NAMED_SOURCES else data.source,
        "cache_dir": data.cache_dir,
    }
    for key, path in paths.items() if changes else ():
        if path and not os.path.isabs(os.path.expanduser(path)) and not path.startswith(TFDS):
            yield (
                f"hydra.job.chdir: got True with data.{key} {path!r}, which is elsewhere from a "
                f"trial's directory; must be False, or data.{key} an absolute path"
            )


def _rule_problems(config: Config) -> Iterator[str]:
    """Rules that span several values."""
    yield from data_problems(config.data, config.evaluation.split)
    yield from _feature_problems(config)
    yield from _plugin_problems(config)
    yield from _baseline_problems(config)
    yield from _clipping_problems(config)
    if config.evaluation.seen == "before" and config.data.columns.timestamp is None:
        yield (
            "evaluation.seen: got 'before' with data.columns.timestamp null; must be 'training', "
            "or data.columns.timestamp the column of times"
        )
    yield from _test_row_problems(config)
    yield from _tracking_problems(config.tracking)
    model, train, task = config.model, config.train, config.task
    query, candidate = layer_sizes(model, config.features.embedding_dim)
    if query[-1] != candidate[-1]:
        yield (
            f"model.layer_sizes: the query tower ends in width {query[-1]} ({query}) and the "
            f"candidate tower in {candidate[-1]} ({candidate}); both must end in the same width"
        )
    if is_path(model.tower) and train.precision != "float32":
        yield (
            f"train.precision: got {train.precision!r} with model.tower {model.tower!r}, which "
            "stands in place of the dense layers that it is of; must be 'float32' for it"
        )
    if task.name == "full_softmax" and task.num_uniform_negatives is not None:
        yield (
            f"task.num_uniform_negatives: got {task.num_uniform_negatives} with task.name "
            "'full_softmax', which has the whole catalogue; must be null for it"
        )
    if task.new_item_weight is not None and (
        task.name != "full_softmax" and task.num_uniform_negatives is None
    ):
        yield (
            f"task.new_item_weight: got {task.new_item_weight} with task.name {task.name!r} and no "
            "uniform negatives, of which all negatives have training rows; must be null for it"
        )
    for key, value, without in (
        ("task.exclude_seen", task.exclude_seen, None),
        ("model.seen_bias", model.seen_bias, False),
    ):
        off = "null" if without is None else without
        if value != without and is_path(task.name):
            yield (
                f"{key}: got {value} with task.name {task.name!r}, a task of your own; must be "
                f"{off} for it"
            )
        if value != without and config.data.columns.timestamp is None:
            yield (
                f"{key}: got {value} with data.columns.timestamp null; must be {off}, or "
                "data.columns.timestamp the column of times"
            )
    if task.name == "full_softmax" and task.remove_accidental_hits:
        yield (
            "task.remove_accidental_hits: got True with task.name 'full_softmax', which has "
            "each candidate once; must be False for it"
        )


def _tracking_problems(tracking: TrackingConfig) -> Iterator[str]:
    if tracking.mlflow and password_in(tracking.mlflow):
        # The value is not repeated: what is printed ends in logs.
        yield (
            "tracking.mlflow: holds a password, which .hydra/ and trial.json would keep; must be "
            "without: a server's are read from MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, a database's from its client's own (PGPASSWORD)"
        )
    else:
        yield from package_problems(tracking)


def _plugin_problems(config: Config) -> Iterator[str]:
    """Python paths that name no module, and options of parts that take none."""
    named = [("model.tower", config.model.tower, config.model.tower_options, "model.tower_options")]
    named += [("task.name", config.task.name, config.task.options, "task.options")]
    named += [("evaluation.baselines", name, {}, "") for name in config.evaluation.baselines]
    for tower in ("query", "candidate"):
        for index, feature in enumerate(getattr(config.features, tower)):
            key = f"features.{tower}[{index}]"
            named.append((f"{key}.kind", feature.kind, feature.options, f"{key}.options"))
    for key, name, options, options_key in named:
        if is_path(name):
            if problem := path_problem(name):
                yield f"{key}: got {name!r}; {problem}"
        elif options:
            yield (
                f"{options_key}: got {options} with {key} {name!r}; only the Python path of your "
                "own takes options"
            )


def _baseline_problems(config: Config) -> Iterator[str]:
    if config.data.columns.timestamp is None:
        yield from map(no_times_problem, filter(goes_by_times, config.evaluation.baselines))


def _clipping_problems(config: Config) -> Iterator[str]:
    clips = [
        key
        for key in ("clip_value", "clip_norm", "global_clip_norm")
        if getattr(config.optimizer, key) is not None
    ]
    if len(clips) > 1:
        yield (
            f"optimizer.{clips[0]}: is given together with {' and '.join(clips[1:])}; at most one "
            "of them may be: Keras would apply the first alone"
        )


def _test_row_problems(config: Config) -> Iterator[str]:
    if config.evaluation.split != "test":
        return
    for key, off in (("restore_best", False), ("patience_evaluations", None)):
        value = getattr(config.train, key)
        if value != off:
            yield (
                f"train.{key}: got {value} with evaluation.split 'test'; must be "
                f"{'null' if off is None else off}, else the epoch is chosen on test rows"
            )
    if not config.evaluation.score_test:
        yield (
            "evaluation.score_test: got False with evaluation.split 'test', which scores them at "
            "every evaluation; must be True, or evaluation.split 'validation'"
        )


# Which kinds of feature take an option.
OPTIONS_OF_KINDS = {
    "num_boundaries": ("buckets",),
    "max_tokens": ("text", "sequence"),
    "dim": ("embedding", "buckets", "text", "history", "sequence"),
    "item_kind": ("sequence",),
    "max_length": ("sequence",),
    "encoder": ("sequence",),
    "share_with_candidates": ("sequence",),
    "id_dropout": ("embedding", "sequence"),
}


def _feature_problems(config: Config) -> Iterator[str]:
    for tower in ("query", "candidate"):
        features: list[FeatureConfig] = getattr(config.features, tower)
        for index, feature in enumerate(features):
            key = f"features.{tower}[{index}]"
            if tower == "candidate" and feature.kind in QUERY_KINDS:
                yield (
                    f"{key}.kind: got {feature.kind!r}, which is a user's; must be in "
                    "features.query"
                )
            for option, kinds in OPTIONS_OF_KINDS.items():
                value = getattr(feature, option)
                own = is_path(feature.kind) and option == "dim"
                if value is not None and feature.kind not in kinds and not own:
                    yield (
                        f"{key}.{option}: got {value} for kind {feature.kind!r}; only "
                        f"{', '.join(kinds)} takes it"
                    )
            if feature.id_dropout is not None and feature.item_kind == "text":
                yield (
                    f"{key}.id_dropout: got {feature.id_dropout} with item_kind "
                    f"{feature.item_kind!r}; must be null, or item_kind 'embedding'"
                )
            if feature.kind in TIMED_KINDS and tower == "query":
                yield from _sequence_problems(config, feature, key)
    yield from _id_dropout_problems(config)


def _id_dropout_problems(config: Config) -> Iterator[str]:
    """A probability for all ids where no feature has any."""
    features, columns = config.features, config.data.columns
    ids = (columns.user, columns.item)
    have_ids = any(is_id(feature, ids) for feature in (*features.query, *features.candidate))
    if features.id_dropout and not have_ids:
        yield (
            f"features.id_dropout: got {features.id_dropout}, and no feature of kind embedding is "
            f"of {columns.user!r} or {columns.item!r}; must be 0 without one"
        )


def _sequence_problems(config: Config, feature: FeatureConfig, key: str) -> Iterator[str]:
    """What is wrong with a feature that goes by the order of a user's rows."""
    if config.data.columns.timestamp is None:
        yield (
            f"{key}.kind: got {feature.kind!r}, which goes by the order of a user's rows, with "
            "data.columns.timestamp null; must be another kind, or data.columns.timestamp the "
            "column of times"
        )
    if feature.kind != "sequence":
        return
    settings = sequence_settings(feature, config.features.sequence)
    dim = feature.dim or config.features.embedding_dim
    if settings.encoder == "self_attention" and dim % settings.num_heads:
        yield (
            f"features.sequence.num_heads: got {settings.num_heads} for {key}, whose vectors are "
            f"{dim} wide; must divide the width"
        )
    where = f"{key}.encoder" if feature.encoder else "features.sequence.encoder"
    if is_path(settings.encoder):
        if problem := path_problem(settings.encoder):
            yield f"{where}: got {settings.encoder!r}; {problem}"
    elif settings.options:
        yield (
            f"features.sequence.options: got {settings.options} with {where} "
            f"{settings.encoder!r}; only the Python path of your own takes options"
        )
