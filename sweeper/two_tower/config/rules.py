"""The rules that values of a trial's configuration must obey together.

`RULES` lists them all; those on the data alone are in `data_rules`. Each rule takes a configuration
and yields a line for each thing that is wrong. `sweeper.two_tower.validation` runs them.
"""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.common.passwords import password_in
from sweeper.common.plugins import is_path, path_problem
from sweeper.two_tower.config.baselines import goes_by_times, no_times_problem
from sweeper.two_tower.config.data_rules import DATA_RULES, Conflict, Rule
from sweeper.two_tower.config.features import (
    QUERY_KINDS,
    TIMED_KINDS,
    FeatureConfig,
    is_id,
    sequence_settings,
)
from sweeper.two_tower.config.trial import Config, layer_sizes

# Which kinds of feature take an option.
KINDS_WITH_OPTION = {
    "num_boundaries": ("buckets",),
    "max_tokens": ("text", "sequence"),
    "dim": ("embedding", "buckets", "text", "history", "sequence"),
    "item_kind": ("sequence",),
    "max_length": ("sequence",),
    "encoder": ("sequence",),
    "share_with_candidates": ("sequence",),
    "id_dropout": ("embedding", "sequence"),
}
CLIPS = ("clip_value", "clip_norm", "global_clip_norm")
ONLY_PATHS_TAKE_OPTIONS = "only the Python path of your own class takes options"


def without_times(config: Config) -> bool:
    return config.data.columns.timestamp is None


def with_full_softmax(config: Config) -> bool:
    return config.task.name == "full_softmax"


def on_test_rows(config: Config) -> bool:
    return config.evaluation.split == "test"


def _options_of_features(config: Config) -> Iterator[str]:
    for key, feature in _features(config):
        if key.startswith("features.candidate") and feature.kind in QUERY_KINDS:
            yield (
                f"{key}.kind: got {feature.kind!r}, which describes a user; use it in "
                "features.query"
            )
        for option, kinds in KINDS_WITH_OPTION.items():
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


def _timed_features(config: Config) -> Iterator[str]:
    """Features of the query tower that depend on the order of a user's rows."""
    for key, feature in _features(config, "query"):
        if feature.kind in TIMED_KINDS and without_times(config):
            yield (
                f"{key}.kind: got {feature.kind!r}, which needs the order of a user's rows, with "
                "data.columns.timestamp null; use another kind, or set data.columns.timestamp"
            )
        if feature.kind == "sequence":
            yield from _sequence_problems(config, feature, key)


def _sequence_problems(config: Config, feature: FeatureConfig, key: str) -> Iterator[str]:
    settings = sequence_settings(feature, config.features.sequence)
    dim = feature.dim or config.features.embedding_dim
    if settings.encoder == "self_attention" and dim % settings.num_heads:
        yield (
            f"features.sequence.num_heads: got {settings.num_heads} for {key}, whose vectors are "
            f"{dim} wide; must divide the width"
        )
    encoder_key = f"{key}.encoder" if feature.encoder else "features.sequence.encoder"
    if is_path(settings.encoder):
        if problem := path_problem(settings.encoder):
            yield f"{encoder_key}: got {settings.encoder!r}; {problem}"
    elif settings.options:
        yield (
            f"features.sequence.options: got {settings.options} with {encoder_key} "
            f"{settings.encoder!r}; {ONLY_PATHS_TAKE_OPTIONS}"
        )


def _dropout_without_ids(config: Config) -> Iterator[str]:
    columns = config.data.columns
    ids = (columns.user, columns.item)
    have_ids = any(is_id(feature, ids) for _, feature in _features(config))
    if config.features.id_dropout and not have_ids:
        yield (
            f"features.id_dropout: got {config.features.id_dropout}, but no feature of kind "
            f"embedding reads {columns.user!r} or {columns.item!r}; must be 0 without one"
        )


def _features(config: Config, *towers: str) -> Iterator[tuple[str, FeatureConfig]]:
    """Each feature of the towers (by default of both) with its key."""
    for tower in towers or ("query", "candidate"):
        for index, feature in enumerate(getattr(config.features, tower)):
            yield f"features.{tower}[{index}]", feature


def _python_paths(config: Config) -> Iterator[str]:
    """Python paths that name no module, and options of built-in parts, which take none."""
    named = [("model.tower", config.model.tower, config.model.tower_options, "model.tower_options")]
    named += [("task.name", config.task.name, config.task.options, "task.options")]
    named += [("evaluation.baselines", name, {}, "") for name in config.evaluation.baselines]
    named += [
        (f"{key}.kind", feature.kind, feature.options, f"{key}.options")
        for key, feature in _features(config)
    ]
    for key, name, options, options_key in named:
        if is_path(name):
            if problem := path_problem(name):
                yield f"{key}: got {name!r}; {problem}"
        elif options:
            yield f"{options_key}: got {options} with {key} {name!r}; {ONLY_PATHS_TAKE_OPTIONS}"


def _timed_baselines(config: Config) -> Iterator[str]:
    if without_times(config):
        yield from map(no_times_problem, filter(goes_by_times, config.evaluation.baselines))


def _one_clip(config: Config) -> Iterator[str]:
    clips = [key for key in CLIPS if getattr(config.optimizer, key) is not None]
    if len(clips) > 1:
        yield (
            f"optimizer.{clips[0]}: is given together with {' and '.join(clips[1:])}; give at most "
            "one of them, as Keras would apply only the first"
        )


def _same_output_width(config: Config) -> Iterator[str]:
    query, candidate = layer_sizes(config.model, config.features.embedding_dim)
    if query[-1] != candidate[-1]:
        yield (
            f"model.layer_sizes: the query tower ends in width {query[-1]} ({query}) and the "
            f"candidate tower in {candidate[-1]} ({candidate}); both must end in the same width"
        )


def _password_in_address(config: Config) -> Iterator[str]:
    if config.tracking.mlflow and password_in(config.tracking.mlflow):
        # The value is not repeated, because logs keep what is printed.
        yield (
            "tracking.mlflow: contains a password, which .hydra/ and trial.json would keep; leave "
            "it out: MLflow reads a server's from MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, a database client from its own place (PGPASSWORD)"
        )


NEEDS_TIMES = "with data.columns.timestamp null; use {default}, or set data.columns.timestamp"

RULES: tuple[Rule, ...] = (
    *DATA_RULES,
    _options_of_features,
    _timed_features,
    _dropout_without_ids,
    _python_paths,
    _timed_baselines,
    _one_clip,
    Conflict(
        "evaluation.seen",
        lambda config: config.evaluation.seen == "before" and without_times(config),
        NEEDS_TIMES.format(default="'training'"),
    ),
    Conflict(
        "train.restore_best",
        lambda config: config.train.restore_best and on_test_rows(config),
        "with evaluation.split 'test'; must be False, because the epoch would be chosen on test "
        "rows",
    ),
    Conflict(
        "train.patience_evaluations",
        lambda config: config.train.patience_evaluations is not None and on_test_rows(config),
        "with evaluation.split 'test'; must be null, because the epoch would be chosen on test "
        "rows",
    ),
    Conflict(
        "evaluation.score_test",
        lambda config: not config.evaluation.score_test and on_test_rows(config),
        "with evaluation.split 'test', which scores the test rows at every evaluation; must be "
        "True, or evaluation.split 'validation'",
    ),
    _password_in_address,
    _same_output_width,
    Conflict(
        "train.precision",
        lambda config: is_path(config.model.tower) and config.train.precision != "float32",
        "with model.tower {model.tower!r}, which replaces the dense layers that the precision is "
        "for; must be 'float32'",
    ),
    Conflict(
        "task.num_uniform_negatives",
        lambda config: with_full_softmax(config) and config.task.num_uniform_negatives is not None,
        "with task.name 'full_softmax', which has the whole catalogue as negatives; must be null",
    ),
    Conflict(
        "task.new_item_weight",
        lambda config: (
            config.task.new_item_weight is not None
            and not with_full_softmax(config)
            and config.task.num_uniform_negatives is None
        ),
        "with task.name {task.name!r} and without uniform negatives, so that every negative has "
        "training rows; must be null",
    ),
    Conflict(
        "task.remove_accidental_hits",
        lambda config: with_full_softmax(config) and config.task.remove_accidental_hits,
        "with task.name 'full_softmax', which has each candidate once; must be False",
    ),
    Conflict(
        "task.exclude_seen",
        lambda config: config.task.exclude_seen is not None and is_path(config.task.name),
        "with task.name {task.name!r}, a task of your own; must be null",
    ),
    Conflict(
        "task.exclude_seen",
        lambda config: config.task.exclude_seen is not None and without_times(config),
        NEEDS_TIMES.format(default="null"),
    ),
    Conflict(
        "model.seen_bias",
        lambda config: config.model.seen_bias and is_path(config.task.name),
        "with task.name {task.name!r}, a task of your own; must be False",
    ),
    Conflict(
        "model.seen_bias",
        lambda config: config.model.seen_bias and without_times(config),
        NEEDS_TIMES.format(default="False"),
    ),
)
