"""The schema of `study:`, the part of the configuration that a single trial never sees.

This module imports neither Optuna nor TensorFlow, because every start reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf

from sweeper.common.errors import ConfigError
from sweeper.common.ranges import (
    MAX_WORKERS,
    NOT_EMPTY,
    POSITIVE,
    Range,
    at_least,
    constrained_field,
    one_of,
    within,
)
from sweeper.common.schema import section_type_errors

SAMPLERS = ("tpe", "random", "grid", "qmc", "cmaes", "nsga2", "gp")
PRUNERS = (
    "successive_halving", "hyperband", "median", "percentile", "threshold", "wilcoxon", "none",
)  # fmt: skip
STORAGES = ("sqlite", "postgresql", "journal")
SEED_MODES = ("lockstep", "sequential")
DIRECTIONS = ("maximize", "minimize")

# The limit of a confirmation, which trains each configuration with each seed.
MAX_SEEDS = 1_000

WORKERS = Range(
    lambda value: value == "auto" or (isinstance(value, int) and 1 <= value <= MAX_WORKERS),
    f"auto or a whole number from 1 to {MAX_WORKERS:,}",
)


@dataclass
class ObjectiveConfig:
    """An objective of a study: a metric and its direction.

    Attributes:
      metric: the metric to optimize: a metric on validation rows (such as `top_100` or
        `seen_filtered_top_10`), or one of the costs `num_parameters`, `milliseconds_per_query`
        and `train_seconds`.
      direction: whether to maximize or to minimize the metric; costs must be minimized.
    """

    metric: str = constrained_field("top_100", NOT_EMPTY)
    direction: str = constrained_field("maximize", one_of(*DIRECTIONS))


@dataclass
class ConfirmConfig:
    """How a finished study confirms its best configurations on test rows.

    Each configuration is trained on all rows that are not test rows, for the number of epochs
    of the weights that its trial kept.

    Attributes:
      best: the number of configurations to confirm; 0 disables the confirmation.
      train_seeds: the number of fresh training seeds. With a random split, they use the study's
        own split, whose test rows the search never used; with a split by time, they are used at
        each cut.
      split_seeds: the number of fresh splits. The search used part of their test rows. Only
        applies to a random split.
      cuts: the number of cuts (`data.cut`) of a split by time: first the study's own cut, then
        later cuts, whose test rows the search never used, then earlier cuts, whose test rows the
        search used for training or validation. null means 3 for a split by time; must be null for
        a random split.
      without: columns or kinds of features (such as `history`) to remove from the best
        configuration, one at a time, to measure what each contributes.
      ablations: by name, keys and values to change in the best configuration, to measure what a
        part of it contributes, as in `mean: {features.sequence.encoder: mean}`.
    """

    best: int = constrained_field(0, at_least(0))
    train_seeds: int = constrained_field(5, within(1, MAX_SEEDS))
    split_seeds: int = constrained_field(5, within(0, MAX_SEEDS))
    cuts: int | None = constrained_field(None, within(1, MAX_SEEDS))
    without: list[str] = field(default_factory=lambda: ["timestamp"])
    ablations: dict[str, Any] = field(default_factory=dict)


@dataclass
class StudyConfig:
    """What a study searches, how, and for how long.

    Budgets are totals: the same command resumes the study until they are used up. Options of
    samplers and pruners are given by name, as in `sampler_options: {tpe: {…}}`, so that they can
    stay when another sampler is chosen.

    Attributes:
      name: the name of the study and of its directory under `outputs/`; null: the directory is
        `outputs/multirun/DATE_TIME`.
      space: the search space, by parameter; see `sweeper.study.space.search_space`.
      enqueue: parameter sets to try before the sampler chooses any.
      warm_start: the directory of an earlier study, whose best parameter sets are tried first;
        null: none.
      warm_start_trials: the number of parameter sets to take from the earlier study.
      objectives: the objective, or several objectives for a Pareto front.
      sampler: the sampler; null: `grid` if every searched value is listed on the command line,
        otherwise `tpe`.
      sampler_options: arguments for the constructor of Optuna's sampler, by the sampler's name.
      pruner: the pruner; null: `successive_halving` or, with `seed_mode: sequential`, `wilcoxon`;
        but `none` for a grid, for several objectives, if trials report the objective only at
        their end, or if there are too few seeds for Wilcoxon's test.
      pruner_options: arguments for the constructor of Optuna's pruner, by the pruner's name.
      seed: the seed of the sampler.
      n_trials: the number of trials to finish, including pruned and failed trials; null: no limit.
      timeout_seconds: the time in seconds after which the study starts no further trial; null: no
        limit.
      trial_timeout_seconds: the time in seconds after which a trial is interrupted and fails;
        null: no limit.
      max_failures: the number of failed trials that the study tolerates; it stops when more have
        failed.
      max_retries: the number of times that a trial is retried after its worker died.
      split_seeds: seeds of random splits; each trial is trained once on each of these splits. If
        empty, it is trained on the split of `data.split_seed`.
      seed_mode: how a trial trains on several splits: `lockstep` trains all of them side by side
        and prunes on the running mean; `sequential` trains one after the other, and each is a
        step of the pruner.
      workers: the number of trials that run at once; auto: one for each core, or one for each GPU.
      reference: the name of an experiment to compare the trials with. It is trained on the same
        rows before the first trial, and again in a confirmation; null: none.
      callbacks: Python paths of Optuna callbacks, `package.module:function`.
      report: whether to write `report.html` and `report.md` when the study is done.
    """

    name: str | None = None
    space: dict[str, Any] = field(default_factory=dict)
    enqueue: list[dict[str, Any]] = field(default_factory=list)
    warm_start: str | None = None
    warm_start_trials: int = constrained_field(5, at_least(1))
    objectives: list[ObjectiveConfig] = field(
        default_factory=lambda: [ObjectiveConfig()], metadata={"range": NOT_EMPTY}
    )
    sampler: str | None = constrained_field(None, one_of(*SAMPLERS))
    sampler_options: dict[str, Any] = field(default_factory=dict)
    pruner: str | None = constrained_field(None, one_of(*PRUNERS))
    pruner_options: dict[str, Any] = field(default_factory=dict)
    seed: int = constrained_field(0, at_least(0))
    n_trials: int | None = constrained_field(None, at_least(1))
    timeout_seconds: float | None = constrained_field(None, POSITIVE)
    trial_timeout_seconds: float | None = constrained_field(None, POSITIVE)
    max_failures: int = constrained_field(10, at_least(0))
    max_retries: int = constrained_field(2, at_least(0))
    split_seeds: list[int] = field(default_factory=list)
    seed_mode: str = constrained_field("lockstep", one_of(*SEED_MODES))
    workers: int | str = constrained_field("auto", WORKERS)
    reference: str | None = None
    callbacks: list[str] = field(default_factory=list)
    confirm: ConfirmConfig = field(default_factory=ConfirmConfig)
    report: bool = True


@dataclass
class StorageConfig:
    """Where a study stores its trials.

    Attributes:
      name: the kind of storage: `sqlite` and `journal` are files in the study's directory;
        `postgresql` is a server for workers on many machines.
      url: the URL of the PostgreSQL database, `postgresql://user@host:5432/database`, without a
        password, which is read from PGPASSWORD or ~/.pgpass; must be null for other storages.
      retry_seconds: the time in seconds for which a worker retries while the server is
        unreachable.
    """

    name: str = constrained_field("sqlite", one_of(*STORAGES))
    url: str | None = None
    retry_seconds: float = constrained_field(120.0, POSITIVE)


def to_study(config: Any) -> StudyConfig:
    """Returns the `study` section of a composed configuration as dataclasses."""
    schema = OmegaConf.structured(StudyConfig)
    study = OmegaConf.to_object(OmegaConf.merge(schema, config.study))
    if problems := list(section_type_errors(study, StudyConfig(), "study.")):
        raise ConfigError(problems)
    return study  # type: ignore[return-value]


def to_storage(config: Any) -> StorageConfig:
    """Returns the `storage` section of a composed configuration as a dataclass."""
    schema = OmegaConf.structured(StorageConfig)
    return OmegaConf.to_object(OmegaConf.merge(schema, config.storage))  # type: ignore[return-value]
