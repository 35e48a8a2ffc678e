"""The schemas of the model, the loss, the optimizer, training, evaluation and tracking."""

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

# Names in Keras's registries (tf-keras 2.21), so that a misspelt one is found before TensorFlow is
# imported; a test compares both lists with the registries.
ACTIVATIONS = (
    "elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "mish", "relu",
    "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
)  # fmt: skip
OPTIMIZERS = (
    "adadelta", "adagrad", "adam", "adamax", "adamw", "ftrl", "nadam", "rmsprop", "sgd",
)  # fmt: skip


@dataclass
class ModelConfig:
    """The dense layers above the features; the last layer has no activation.

    Attributes:
      layer_sizes: the widths of both towers' dense layers; if empty, a tower is one projection of
        the features, without bias, to `features.embedding_dim`.
      query_layer_sizes: the widths of the query tower's layers; null for `layer_sizes`. Both towers
        must end in the same width.
      candidate_layer_sizes: the widths of the candidate tower's layers; null for `layer_sizes`.
      activation: the activation after each dense layer but the last.
      dropout: the dropout rate of each hidden layer in training.
      input_dropout: the dropout rate of the features, below the first dense layer.
      candidate_input_dropout: the same in the candidate tower; null for `input_dropout`.
      layer_norm: whether to normalize each layer before its activation.
      l2: the factor of the dense kernels' squared weights in the loss.
      normalize_output: whether embeddings have length 1, so that scores are cosines.
      seen_bias: whether to add a learned number to the scores of all items that the user had before
        the row. It becomes negative where people seldom choose the same item again, and positive
        where they often do. Training steps look at the user's latest 1,000 items.
      tower: `dense`, or the Python path of a Keras layer of your own that replaces the dense
        layers.
      tower_options: arguments of a layer of your own.
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
    """The loss: a softmax over the candidates of the batch or of the catalogue.

    Attributes:
      name: `in_batch_softmax`: the batch's other candidates are the negatives. `corrected_softmax`:
        the same, corrected for how often each candidate is drawn (logQ). `full_softmax`: the whole
        catalogue. Or the Python path of a class of your own.
      temperature: the divisor of the scores.
      remove_accidental_hits: whether other rows of the batch with a row's own candidate are not
        negatives of it; only for in-batch losses.
      num_hard_negatives: how many of each row's negatives count, those with the highest scores;
        null for all.
      num_uniform_negatives: how many candidates, drawn uniformly from the catalogue for each batch,
        to add to the batch's own; only for in-batch losses; null for none.
      new_item_weight: the weight, as a negative, of a candidate without a training row, in a loss
        over the whole catalogue or with uniform negatives: the less it is, the higher new items are
        ranked; null for 0.1 if ids of candidates are dropped (`features.id_dropout`), else 1.
      exclude_seen: how many of the latest items that a row's user had before it are not negatives
        of the row: a product that never shows them again need not rank them low; null for none.
      options: arguments of a class of your own.
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
      name: the name of the optimizer in Keras.
      learning_rate: the learning rate of the first step. The loss is a sum over the batch, so the
        best rate depends on the batch size.
      schedule: the learning rate over the whole training: `constant`; `cosine`, which ends at 0; or
        `exponential`, which ends at `final_share` of `learning_rate`.
      final_share: where `exponential` ends, as a share of `learning_rate`.
      weight_decay: decoupled weight decay (Loshchilov and Hutter, 2019); null for the optimizer's
        default in Keras.
      clip_value: the largest absolute value of an element of a gradient; null for no limit.
      clip_norm: the largest norm of each variable's gradient; null for no limit.
      global_clip_norm: the largest norm of all gradients together; null for no limit.
      options: further arguments of the Keras optimizer, by name.
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
    """Tells whether a row of an embedding table without a gradient stays as it is.

    If so, updating only the other rows is the same update. Momentum, moving averages and weight
    decay change every row in each step.
    """
    if optimizer.weight_decay or optimizer.options.get("use_ema"):
        return False
    return optimizer.name == "adagrad" or (
        optimizer.name == "sgd" and not optimizer.options.get("momentum")
    )


@dataclass
class TrainConfig:
    """The length and the mode of the training.

    Attributes:
      epochs: the largest number of passes over the training rows.
      batch_size: the number of rows in a step.
      eval_every_epochs: the number of epochs between two evaluations; the last epoch is always
        evaluated.
      patience_evaluations: stop after this many evaluations without improvement; null to train all
        epochs.
      restore_best: whether to end with the weights of the best evaluation rather than the last.
      seed: the seed of the initial weights, the order of rows and the dropout.
      threads: the number of threads of one operation; null for all cores, or in a study for an
        equal share of them for each worker.
      xla: whether to compile the training steps. Steps with `task.num_hard_negatives` are not
        compiled, because they are faster without it.
      precision: the precision of the dense layers; variables, embeddings, loss and scores are
        always float32. `mixed_bfloat16` computes in half the bits, for GPUs; it is slower on most
        CPUs. `mixed_float16`, with a scaled loss, is for GPUs that lack bfloat16.
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
    """What is scored, the metrics, and the baselines beside the model.

    Attributes:
      split: the part that is scored during training. `validation` keeps the test rows for one look
        at the end; `test` scores them at every evaluation, as the published results did.
      metric: the metric of early stopping and of the best weights: `top_K` (the hit rate, and the
        recall, at K), `ndcg_K` or `mrr`, or one of these with the prefix `seen_filtered_`. A study
        sets it to its first objective. Evaluations with the same value are compared by MRR.
      seen: which items seen-filtered metrics never show: `before`: the user's items of all rows
        before the scored one; `training`: the items of the user's training rows; `auto`: `before`
        if `data.split` goes by time, else `training`.
      baselines: what to score beside the model, on the same rows. `popularity` is always scored.
        `recent_popularity`: the popularity in the last days of training. `covisitation`: items near
        the user's latest items in the sequences of others. `ease`: a linear model of all items
        that the user has. `ease_last_5`, or another number: the same of the latest rows only. See
        docs/evidence.md.
      recent_popularity_days: how many days before the last training row `recent_popularity` counts.
      covisitation_window: how far apart two items of a sequence may be for `covisitation` to count
        them.
      covisitation_history: how many of the user's latest items `covisitation` reads.
      ease_regularization: EASE's lambda, which is added to the diagonal of the items' Gram matrix.
      score_test: whether to score the test rows, once, at the end.
      measure_latency: whether to measure the latency of a query at the end, in milliseconds.
      save_ranks: whether to save the rank of each scored row, the model's and the baselines', to
        `validation_rows.parquet` and `test_rows.parquet`, and the catalogue coverage on test rows.
        A report computes intervals and comparisons from them.
      sampled_candidates: rank each row among this many candidates, drawn uniformly and the same for
        all rows. It is quicker, but the metrics can't be compared with others; null to rank among
        all candidates.
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
    """Experiment trackers that receive each evaluation and the end of a trial; off by default.

    They change no result. `sweeper.two_tower.tracking` implements them.

    Attributes:
      tensorboard: whether to write scalars below the trial's own directory.
      mlflow: a tracking URI, or a folder in which to make an SQLite database; null for off.
      wandb: the name of a project; null for off.
    """

    tensorboard: bool = False
    mlflow: str | None = constrained_field(None, NOT_EMPTY)
    wandb: str | None = constrained_field(None, NOT_EMPTY)


# Keys of a study, which a trial never sees; `sweeper.study.config` reads them.
OF_A_STUDY = ("study", "storage")


@dataclass
class Config:
    """The configuration of one trial.

    Attributes:
      name: the name that reports show; null for the name of the directory.
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
    """Returns the widths of the query tower's and of the candidate tower's dense layers."""

    def sizes(own: list[int] | None) -> list[int]:
        return list(model.layer_sizes if own is None else own)

    query, candidate = sizes(model.query_layer_sizes), sizes(model.candidate_layer_sizes)
    return query or [embedding_dim], candidate or [embedding_dim]


def id_dropouts(config: Config, tower: str) -> list[float]:
    """Returns, for each feature of a tower, the probability that training drops its id.

    Args:
      tower: "query" or "candidate".
    """
    ids = (config.data.columns.user, config.data.columns.item)
    features = getattr(config.features, tower)
    return [id_dropout_of(feature, config.features, ids) for feature in features]
