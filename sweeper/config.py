"""The configuration's schema: one dataclass for each group under `conf/`.

The YAML files hold the values; these classes hold the names, types, defaults
and ranges. With the study's (`sweeper.study.config`) they are registered with
Hydra as `schema`, the first entry of `conf/config.yaml`, so that a name or a type
that is wrong fails when the configuration is composed. Ranges, and rules that span
several values, are checked by `sweeper.validation`. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf

from sweeper.errors import ConfigError, closest, shortened


@dataclass(frozen=True)
class Range:
    """What a value must be: a test, the words that an error uses for it, any choices."""

    holds: Callable[[Any], bool]
    words: str
    choices: tuple[str, ...] = ()


def one_of(*choices: str) -> Range:
    return Range(lambda value: value in choices, f"one of {', '.join(choices)}", choices)


def at_least(low: float) -> Range:
    return Range(lambda value: low <= value < math.inf, f"a finite number of at least {low:g}")


def within(low: int, high: int) -> Range:
    return Range(lambda value: low <= value <= high, f"a whole number from {low} to {high:,}")


POSITIVE = Range(lambda value: 0 < value < math.inf, "a finite number greater than 0")
SHARE = Range(lambda value: 0 <= value < 1, "at least 0 and below 1")
NOT_EMPTY = Range(lambda value: bool(value), "given, not empty")
WIDTHS = Range(
    lambda values: all(value >= 1 for value in values), "a list of widths, each at least 1"
)
PART_SIZE = Range(
    lambda value: 0 <= value < 1 or (value >= 1 and float(value).is_integer()),
    "a share below 1 (0.2) or a whole number of rows (20000)",
)


def ranged(default: Any, range_: Range) -> Any:
    """A dataclass field with a default and the range that validation checks."""
    metadata = {"range": range_}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


# What the libraries below hold in 32 bits: seeds, sizes, counts.
LARGEST = 2**31 - 1
# More threads or processes than this no machine gains by.
MOST_AT_ONCE = 1_000

DATA_SETS = ("movielens_100k", "movielens_1m", "movielens_25m", "synthetic")
NAMED_SOURCES = ("auto", "tfds", "package_index")
SPLITS = ("random", "temporal", "leave_last_out")
FEATURE_KINDS = ("embedding", "buckets", "normalized", "text", "numeric", "history")
TASKS = ("in_batch_softmax", "corrected_softmax", "full_softmax")
SCHEDULES = ("constant", "cosine", "exponential")
BASELINES = ("popularity", "ease")
TOP_K = (1, 5, 10, 50, 100)
# The figures of every evaluation, of which a trial goes by one.
METRICS = tuple(f"{prefix}top_{k}" for prefix in ("", "seen_filtered_") for k in TOP_K)
DEFAULT_METRIC = "top_100"

# Names in Keras's registries (tf-keras 2.21), so that a misspelt one is known
# before TensorFlow is imported; a test holds both lists to the registries.
ACTIVATIONS = (
    "elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "mish", "relu",
    "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
)  # fmt: skip
OPTIMIZERS = (
    "adadelta", "adagrad", "adam", "adamax", "adamw", "ftrl", "nadam", "rmsprop", "sgd",
)  # fmt: skip


@dataclass
class SyntheticConfig:
    """The size and shape of `data=synthetic`."""

    num_users: int = ranged(1_000, at_least(1))
    num_items: int = ranged(500, at_least(2))
    num_interactions: int = ranged(50_000, at_least(3))
    rank: int = ranged(8, at_least(1))
    popularity_exponent: float = ranged(0.8, at_least(0))
    affinity: float = ranged(2.0, at_least(0))
    seed: int = ranged(0, at_least(0))


@dataclass
class DataConfig:
    """Which interactions, where they come from, and how they are split.

    Sizes below 1 are shares of all rows, whole numbers from 1 on are rows
    (rows of each user under `leave_last_out`). `null` takes the strategy's
    default: 0.1 for validation and 0.2 for test, or one row of each user; what
    is left is for training.
    """

    name: str = ranged(MISSING, one_of(*DATA_SETS))
    source: str = ranged("auto", NOT_EMPTY)
    cache_dir: str | None = None
    split: str = ranged("random", one_of(*SPLITS))
    split_seed: int = ranged(42, at_least(0))
    train_size: float | None = ranged(None, PART_SIZE)
    validation_size: float | None = ranged(None, PART_SIZE)
    test_size: float | None = ranged(None, PART_SIZE)
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)


@dataclass
class FeatureConfig:
    """One feature of a tower: a column of the data and how it becomes numbers."""

    column: str = ranged(MISSING, NOT_EMPTY)
    kind: str = ranged(MISSING, one_of(*FEATURE_KINDS))
    dim: int | None = ranged(None, at_least(1))
    num_boundaries: int | None = ranged(None, at_least(1))
    max_tokens: int | None = ranged(None, at_least(1))


@dataclass
class FeaturesConfig:
    """What the towers see. `embedding_dim` is the width of features without a `dim`."""

    embedding_dim: int = ranged(32, at_least(1))
    query: list[FeatureConfig] = ranged([], NOT_EMPTY)
    candidate: list[FeatureConfig] = ranged([], NOT_EMPTY)


@dataclass
class ModelConfig:
    """The dense stacks above the features; the last layer has no activation.

    `query_layer_sizes` and `candidate_layer_sizes` replace `layer_sizes` for one
    tower; both must end in the same width. An empty list leaves one projection,
    without bias, of the features to `features.embedding_dim`.
    """

    layer_sizes: list[int] = ranged([32], WIDTHS)
    query_layer_sizes: list[int] | None = ranged(None, WIDTHS)
    candidate_layer_sizes: list[int] | None = ranged(None, WIDTHS)
    activation: str = ranged("relu", one_of(*ACTIVATIONS))
    dropout: float = ranged(0.0, SHARE)
    input_dropout: float = ranged(0.0, SHARE)
    layer_norm: bool = False
    l2: float = ranged(0.0, at_least(0))
    normalize_output: bool = False


@dataclass
class TaskConfig:
    """The loss: a softmax over the batch's candidates or over the catalogue."""

    name: str = ranged("in_batch_softmax", one_of(*TASKS))
    temperature: float = ranged(1.0, POSITIVE)
    remove_accidental_hits: bool = False
    num_hard_negatives: int | None = ranged(None, at_least(1))


@dataclass
class OptimizerConfig:
    """A Keras optimizer by name; `options` goes to its constructor as it is.

    `weight_decay` is decoupled (Loshchilov and Hutter, 2019). The schedules run
    over the whole training: `cosine` ends at 0, `exponential` at
    `final_share` of the first learning rate.
    """

    name: str = ranged("adagrad", one_of(*OPTIMIZERS))
    learning_rate: float = ranged(0.1, POSITIVE)
    schedule: str = ranged("constant", one_of(*SCHEDULES))
    final_share: float = ranged(0.1, Range(lambda value: 0 < value <= 1, "above 0 and at most 1"))
    weight_decay: float | None = ranged(None, at_least(0))
    clip_value: float | None = ranged(None, POSITIVE)
    clip_norm: float | None = ranged(None, POSITIVE)
    global_clip_norm: float | None = ranged(None, POSITIVE)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class TrainConfig:
    """How long and on what.

    `patience_evaluations` stops the training after so many evaluations without
    a better one (`null`: never). `restore_best` ends with the weights of the
    best evaluation rather than the last. `threads` is for one operation
    (`null`: all cores). `xla` compiles the training steps, except with
    `task.num_hard_negatives`, which is faster without.
    """

    epochs: int = ranged(300, at_least(1))
    batch_size: int = ranged(2048, at_least(1))
    eval_every_epochs: int = ranged(5, at_least(1))
    patience_evaluations: int | None = ranged(None, at_least(1))
    restore_best: bool = True
    seed: int = ranged(42, at_least(0))
    threads: int | None = ranged(None, within(1, MOST_AT_ONCE))
    xla: bool = True


@dataclass
class EvaluationConfig:
    """What is scored: `rows` during training, and the baselines beside the model.

    `validation` keeps the test rows for one look at the end; `test` scores them
    at every evaluation, as the published figures did. `metric` is what early stopping,
    the kept weights and a study go by: `top_K` or `seen_filtered_top_K`; a study sets it
    to its first objective. `score_test: false` leaves out that one look: nothing is
    scored on test rows. `time_queries` measures at the end how long one query takes.
    `keep_rows` leaves the ranks of each row that was scored, the model's and the
    baselines', in `validation_rows.parquet` and `test_rows.parquet`, and of test rows the
    catalogue coverage: a report has intervals and comparisons by them.
    """

    rows: str = ranged("validation", one_of("validation", "test"))
    metric: str = ranged(DEFAULT_METRIC, one_of(*METRICS))
    baselines: list[str] = field(
        default_factory=lambda: ["popularity"],
        metadata={
            "range": Range(
                lambda names: all(name in BASELINES for name in names),
                f"from {', '.join(BASELINES)}",
            )
        },
    )
    ease_regularization: float = ranged(600.0, POSITIVE)
    score_test: bool = True
    time_queries: bool = False
    keep_rows: bool = True


@dataclass
class TrackingConfig:
    """Experiment trackers that are told of each evaluation and of the end; all are off.

    `tensorboard` writes below the trial's own directory. `mlflow` is a tracking URI, or
    a folder, in which an SQLite database is made. `wandb` is the name of a project.
    They change no result; `sweeper.tracking` has the trackers.
    """

    tensorboard: bool = False
    mlflow: str | None = ranged(None, NOT_EMPTY)
    wandb: str | None = ranged(None, NOT_EMPTY)


# What a trial never sees of the study that it is part of; `sweeper.study.config` reads it.
OF_A_STUDY = ("study", "storage")


@dataclass
class Config:
    """One trial."""

    name: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


def layer_sizes(model: ModelConfig, embedding_dim: int) -> tuple[list[int], list[int]]:
    """The widths of the query tower's and the candidate tower's dense layers."""

    def sizes(own: list[int] | None) -> list[int]:
        return list(model.layer_sizes if own is None else own)

    query, candidate = sizes(model.query_layer_sizes), sizes(model.candidate_layer_sizes)
    return query or [embedding_dim], candidate or [embedding_dim]


def unfit(value: Any) -> str:
    """Why no key can have a value, whatever its range: "must be …", or ""."""
    if isinstance(value, list | dict):
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        return next((words for each in inside if (words := unfit(each))), "")
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"must be a whole number of at most {LARGEST:,}"
    # No file's name has the first, no record the others.
    if isinstance(value, str) and re.search("[\0\ud800-\udfff]", value):
        return "must be a text without NUL and surrogates"
    return ""


def config_directory() -> Path:
    """The shipped `conf/`: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def to_dataclass(config: Any) -> Config:
    """Turns Hydra's composed configuration into plain dataclasses, the study's part left out.

    Raises:
      ConfigError: a key that the schema lacks; Hydra lets `+key=value` add any.
    """
    schema = OmegaConf.structured(Config)
    config = OmegaConf.masked_copy(config, [key for key in config if key not in OF_A_STUDY])
    known = known_keys()
    unknown = [key for key in _keys(OmegaConf.to_container(config)) if key not in known]
    problems = [
        f"{key}: is no key of the configuration.{closest(key, known)}"
        for key in unknown
        if not key.startswith("optimizer.options.")
        and not any(other.startswith(f"{key}.") for other in unknown)
    ]
    if problems:
        raise ConfigError(problems)
    trial = OmegaConf.to_object(OmegaConf.merge(schema, config))
    if problems := list(misplaced(trial, Config())):
        raise ConfigError(problems)
    return trial  # type: ignore[return-value]


def misplaced(node: Any, schema: Any, prefix: str = "") -> Iterator[str]:
    """Single values where a part of the configuration belongs: OmegaConf lets `${…}` be any."""
    for field_ in dataclasses.fields(schema):
        key, part = f"{prefix}{field_.name}", getattr(schema, field_.name)
        if not dataclasses.is_dataclass(part):
            continue
        value = getattr(node, field_.name)
        if type(value) is type(part):
            yield from misplaced(value, part, f"{key}.")
        else:
            names = ", ".join(each.name for each in dataclasses.fields(part))
            yield f"{key}: got {shortened(repr(value))}; must have {names}"


def known_keys(schema: type = Config) -> list[str]:
    """Every dotted key of a schema."""
    return list(_keys(OmegaConf.to_container(OmegaConf.structured(schema))))


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    for name, value in node.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")


def to_dictionary(config: Config) -> dict[str, Any]:
    """The configuration as nested dictionaries, for records and to compare.

    Without `tracking`, which changes no result, and may name a server with its password.
    """
    dictionary = dataclasses.asdict(config)
    del dictionary["tracking"]
    return dictionary


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded configuration, and the schema's values of keys that it is older than."""

    def merged(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: merged(schema[name], given[name])
            if name in given and isinstance(schema.get(name), dict)
            else given.get(name, schema.get(name))
            for name in dict.fromkeys([*schema, *given])
        }

    return merged(to_dictionary(Config()), config)


def flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration by dotted keys, lists whole; an empty mapping is a value."""
    keys: dict[str, Any] = {}
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            keys |= flat(value, f"{prefix}{name}.")
        else:
            keys[f"{prefix}{name}"] = value
    return keys
