"""The schemas of a trial's other groups, and of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sweeper.common.ranges import (
    MAX_WORKERS,
    NOT_EMPTY,
    PORTION,
    POSITIVE,
    SHARE,
    WIDTHS,
    at_least,
    constrained_field,
    one_of,
    one_of_or_path,
    within,
)
from sweeper.two_tower.config.baselines import BASELINE_LIST
from sweeper.two_tower.config.data import DataConfig
from sweeper.two_tower.config.features import MAX_SEQUENCE_LENGTH, FeaturesConfig, id_dropout_of
from sweeper.two_tower.config.metrics import DEFAULT_METRIC, METRICS, metric_hint

TASKS = ("in_batch_softmax", "corrected_softmax", "full_softmax")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SCHEDULES = ("constant", "cosine", "exponential")

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
class ModelConfig:
    """The dense stacks above the features; the last layer has no activation.

    Attributes:
      layer_sizes: the widths of both towers' dense layers; empty: one projection, without bias, of
        the features to `features.embedding_dim`.
      query_layer_sizes: those of the query tower; null: `layer_sizes`. Both towers must end in the
        same width.
      candidate_layer_sizes: those of the candidate tower; null: `layer_sizes`.
      activation: after each dense layer but the last.
      dropout: the share of each hidden layer's outputs that is set to 0 in training.
      input_dropout: the same of the features, below the first dense layer.
      candidate_input_dropout: that of the candidate tower; null: `input_dropout`.
      layer_norm: whether a layer normalization stands before each activation.
      l2: the factor of the dense kernels' squares that is added to the loss.
      normalize_output: whether embeddings have length 1, so that scores are cosines.
      seen_bias: whether a learned number is added to the scores of all that the user has had before
        the row: it comes out below 0 where people seldom choose the same again, above where they
        do. Training steps look at the user's latest 1,000.
      tower: `dense`, or the Python path of a Keras layer of your own, which stands in place of the
        dense layers.
      tower_options: what a layer of your own is made with.
    """

    layer_sizes: list[int] = constrained_field([32], WIDTHS)
    query_layer_sizes: list[int] | None = constrained_field(None, WIDTHS)
    candidate_layer_sizes: list[int] | None = constrained_field(None, WIDTHS)
    activation: str = constrained_field("relu", one_of(*ACTIVATIONS))
    dropout: float = constrained_field(0.0, SHARE)
    input_dropout: float = constrained_field(0.0, SHARE)
    candidate_input_dropout: float | None = constrained_field(None, SHARE)
    layer_norm: bool = False
    l2: float = constrained_field(0.0, at_least(0))
    normalize_output: bool = False
    seen_bias: bool = False
    tower: str = constrained_field("dense", one_of_or_path("dense"))
    tower_options: dict[str, Any] = field(default_factory=dict)


@dataclass
class TaskConfig:
    """The loss: a softmax over the batch's candidates or over the catalogue.

    Attributes:
      name: `in_batch_softmax`: the batch's other candidates are the negatives; `corrected_softmax`:
        the same, corrected for how often each is drawn (logQ); `full_softmax`: the whole catalogue;
        or the Python path of a class of your own.
      temperature: what scores are divided by.
      remove_accidental_hits: whether a row's own candidate, where other rows of the batch have it,
        too, is no negative of it; of in-batch losses alone.
      num_hard_negatives: how many negatives of each row count, those that score highest; null: all.
      num_uniform_negatives: how many candidates, drawn uniformly from the catalogue for each batch,
        are added to the batch's own; of in-batch losses alone; null: none.
      new_item_weight: what a candidate without a training row counts as a negative, in a loss that
        has the whole catalogue or uniform negatives: the less, the higher new items are ranked;
        null: 0.1 if ids of candidates are dropped (`features.id_dropout`), else 1.
      exclude_seen: how many of the latest items that a row's user has before it are no negatives of
        the row: a product that never shows them again need not rank them low; null: none.
      options: what a class of your own is made with.
    """

    name: str = constrained_field("in_batch_softmax", one_of_or_path(*TASKS))
    temperature: float = constrained_field(1.0, POSITIVE)
    remove_accidental_hits: bool = False
    num_hard_negatives: int | None = constrained_field(None, at_least(1))
    num_uniform_negatives: int | None = constrained_field(None, at_least(1))
    new_item_weight: float | None = constrained_field(None, PORTION)
    exclude_seen: int | None = constrained_field(None, within(1, MAX_SEQUENCE_LENGTH))
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class OptimizerConfig:
    """A Keras optimizer by name. At most one of the three clips may be given.

    Attributes:
      name: as Keras has it.
      learning_rate: of the first step. The loss is a sum over the batch: the rate goes with the
        batch's size.
      schedule: over the whole training: `cosine` ends at 0, `exponential` at `final_share` of
        `learning_rate`.
      final_share: of `learning_rate`, where `exponential` ends.
      weight_decay: decoupled (Loshchilov and Hutter, 2019); null: Keras's default of the optimizer.
      clip_value: the largest absolute value of a gradient's elements; null: no limit.
      clip_norm: the largest norm of each variable's gradient; null: no limit.
      global_clip_norm: the largest norm of all gradients together; null: no limit.
      options: more of the Keras optimizer's arguments, by their names there.
    """

    name: str = constrained_field("adagrad", one_of(*OPTIMIZERS))
    learning_rate: float = constrained_field(0.1, POSITIVE)
    schedule: str = constrained_field("constant", one_of(*SCHEDULES))
    final_share: float = constrained_field(0.1, PORTION)
    weight_decay: float | None = constrained_field(None, at_least(0))
    clip_value: float | None = constrained_field(None, POSITIVE)
    clip_norm: float | None = constrained_field(None, POSITIVE)
    global_clip_norm: float | None = constrained_field(None, POSITIVE)
    options: dict[str, Any] = field(default_factory=dict)


def supports_sparse_updates(optimizer: OptimizerConfig) -> bool:
    """Whether a row of a table that has no gradient stays as it is.

    Then an update of the other rows alone is the same update. Momentum, moving averages and
    weight decay change every row in each step.
    """
    if optimizer.weight_decay or optimizer.options.get("use_ema"):
        return False
    return optimizer.name == "adagrad" or (
        optimizer.name == "sgd" and not optimizer.options.get("momentum")
    )


@dataclass
class TrainConfig:
    """How long and on what.

    Attributes:
      epochs: at most so many passes over the training rows.
      batch_size: rows of a step.
      eval_every_epochs: how many epochs lie between two evaluations; the last epoch is always
        evaluated.
      patience_evaluations: training stops after so many evaluations without a better one; null:
        never.
      restore_best: whether it ends with the weights of the best evaluation rather than the last.
      seed: of the initial weights, the order of rows and the dropout.
      threads: of one operation; null: all cores, or in a study what its workers share out.
      xla: whether the training steps are compiled; not with `task.num_hard_negatives`, which is
        faster without.
      precision: of the dense layers; variables, embeddings, loss and scores are float32.
        `mixed_bfloat16` computes in half the bits: for GPUs, and slower on most CPUs.
        `mixed_float16`, with a scaled loss, is for GPUs that lack bfloat16.
    """

    epochs: int = constrained_field(300, at_least(1))
    batch_size: int = constrained_field(2048, at_least(1))
    eval_every_epochs: int = constrained_field(5, at_least(1))
    patience_evaluations: int | None = constrained_field(None, at_least(1))
    restore_best: bool = True
    seed: int = constrained_field(42, at_least(0))
    threads: int | None = constrained_field(None, within(1, MAX_WORKERS))
    xla: bool = True
    precision: str = constrained_field("float32", one_of(*PRECISIONS))


@dataclass
class EvaluationConfig:
    """What is scored, by which metrics, and the baselines beside the model.

    Attributes:
      split: the part that is scored during training. `validation` keeps the test rows for one look
        at the end; `test` scores them at every evaluation, as the published results did.
      metric: what early stopping and the kept weights go by: `top_K` (which is the hit rate, and
        the recall, at K), `ndcg_K` or `mrr`, or one of these with the prefix `seen_filtered_`; a
        study sets it to its first objective. Evaluations that it can't tell apart go by MRR.
      seen: what seen-filtered figures never show: `before`: the user's items of all rows before
        the one that is asked about; `training`: those of the user's training rows; `auto`:
        `before` where `data.split` goes by time, and else `training`.
      baselines: what is scored beside the model, on the same rows: `popularity`, always;
        `recent_popularity`: that of the last days of training; `covisitation`: what stands near the
        user's latest items in others' sequences; `ease`: a linear model of all that the user has;
        `ease_last_5`, or another number: of the latest rows alone. docs/evidence.md has them.
      recent_popularity_days: how many days before the last training row `recent_popularity` counts.
      covisitation_window: how many places apart two items of a sequence may stand for
        `covisitation` to count them.
      covisitation_history: how many of the user's latest items `covisitation` goes by.
      ease_regularization: EASE's lambda, added to the diagonal of the items' Gram matrix.
      score_test: whether the test rows are scored, once, at the end.
      measure_latency: whether to measure the latency of a query at the end, in milliseconds.
      save_ranks: whether to save the rank of each scored row, the model's and the baselines', to
        `validation_rows.parquet` and `test_rows.parquet`, and the catalogue coverage on test rows.
        A report computes intervals and comparisons from them.
      sampled_candidates: each row is ranked among so many candidates, drawn uniformly and the same
        for all: quicker, and no figure to compare with others; null: among all.
    """

    split: str = constrained_field("validation", one_of("validation", "test"), renamed_from="rows")
    metric: str = constrained_field(DEFAULT_METRIC, one_of(*METRICS, hint=metric_hint))
    seen: str = constrained_field("auto", one_of("auto", "before", "training"))
    baselines: list[str] = constrained_field(["popularity"], BASELINE_LIST)
    recent_popularity_days: float = constrained_field(30.0, POSITIVE)
    covisitation_window: int = constrained_field(5, within(1, MAX_SEQUENCE_LENGTH))
    covisitation_history: int = constrained_field(5, within(1, MAX_SEQUENCE_LENGTH))
    ease_regularization: float = constrained_field(600.0, POSITIVE)
    score_test: bool = True
    measure_latency: bool = constrained_field(False, renamed_from="time_queries")
    save_ranks: bool = constrained_field(True, renamed_from="keep_rows")
    sampled_candidates: int | None = constrained_field(None, at_least(1))


@dataclass
class TrackingConfig:
    """Experiment trackers that are told of each evaluation and of the end; all are off.

    They change no result; `sweeper.two_tower.tracking` has the trackers.

    Attributes:
      tensorboard: whether scalars are written below the trial's own directory.
      mlflow: a tracking URI, or a folder, in which an SQLite database is made; null: off.
      wandb: the name of a project; null: off.
    """

    tensorboard: bool = False
    mlflow: str | None = constrained_field(None, NOT_EMPTY)
    wandb: str | None = constrained_field(None, NOT_EMPTY)


# What a trial never sees of the study that it is part of; `sweeper.study.config` reads it.
OF_A_STUDY = ("study", "storage")


@dataclass
class Config:
    """One trial.

    Attributes:
      name: as reports show it; null: that of its directory.
    """

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


def id_dropouts(config: Config, tower: str) -> list[float]:
    """Of each feature of a tower, the probability that its id is the unknown one in training.

    Args:
      tower: "query" or "candidate".
    """
    ids = (config.data.columns.user, config.data.columns.item)
    features = getattr(config.features, tower)
    return [id_dropout_of(feature, config.features, ids) for feature in features]
