"""The schema of `study:`, the part of the configuration that a single trial never sees.

Nothing here imports Optuna or TensorFlow: it is read at every start.
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

# Of a confirmation, which trains each configuration with each.
MAX_SEEDS = 1_000

WORKERS = Range(
    lambda value: value == "auto" or (isinstance(value, int) and 1 <= value <= MAX_WORKERS),
    f"auto or a whole number from 1 to {MAX_WORKERS:,}",
)


@dataclass
class ObjectiveConfig:
    """One figure that a study goes by, and which way is better.

    Attributes:
      metric: one of the validation rows (`top_100`, `seen_filtered_top_10`), or one of
        `num_parameters`, `milliseconds_per_query`, `train_seconds`.
      direction: which way is better.
    """

    metric: str = constrained_field("top_100", NOT_EMPTY)
    direction: str = constrained_field("maximize", one_of(*DIRECTIONS))


@dataclass
class ConfirmConfig:
    """How a study's best configurations are confirmed on test rows, once it is done.

    Each is trained on all rows that are not test rows, for as many epochs as the study
    kept.

    Attributes:
      best: how many configurations; 0: none.
      train_seeds: how many fresh training seeds, on the study's own split, whose test rows the
        search never touched; under a split by time, at each cut.
      split_seeds: how many fresh splits, whose test rows the search saw in part; of a random
        split alone.
      cuts: at how many cuts (`data.cut`) of a split by time: the study's own, then those after it,
        whose test rows the search never touched, then those before it, whose test rows it saw in
        training or validation. null: 3; must be null for a random split.
      without: of the best configuration, the columns, or kinds of features such as `history`,
        that it is trained without, one at a time, to see what each is worth.
      ablations: by name, keys and values with which the best configuration is trained as well, to
        see what a part of it is worth: `mean: {features.sequence.encoder: mean}`.
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

    Budgets are totals: the same command goes on until they are used up. Options are given by
    name, so that another sampler does not trip over them: `sampler_options: {tpe: {…}}`.

    Attributes:
      name: also the directory's, under `outputs/`; null: `outputs/multirun/DATE_TIME`.
      space: by parameter; see `sweeper.study.space.search_space`.
      enqueue: parameter sets tried first.
      warm_start: an earlier study's directory, whose best trials are tried first; null: none.
      warm_start_trials: how many of them.
      objectives: one figure, or several for a Pareto front.
      sampler: null: `tpe`, or `grid` where every searched value is listed on the command line.
      sampler_options: by the sampler's name, arguments of Optuna's constructor.
      pruner: null: `none` for a grid, for several objectives and where nothing is known before a
        trial's end; else `successive_halving`, or `wilcoxon` where enough seeds for its test are
        trained one after the other.
      pruner_options: by the pruner's name, arguments of Optuna's constructor.
      seed: of the sampler.
      n_trials: how many are to finish, pruned and failed ones included; null: no limit.
      timeout_seconds: no trial begins once the study has run for so long; null: no limit.
      trial_timeout_seconds: a trial that takes longer is interrupted, and has failed; null: no
        limit.
      max_failures: the study stops when more trials than this have failed.
      max_retries: how often a trial whose worker died is started again.
      split_seeds: each trial is trained once on each of these random splits; empty: on that of
        `data.split_seed` alone.
      seed_mode: `lockstep` trains them side by side and prunes on the running
        mean; `sequential` one after the other, each a step of the pruner.
      workers: how many trials run at once; auto: one a core, or one a GPU.
      reference: an experiment that stands beside the trials: trained once, before them, on
        the same rows, and beside the best in a confirmation; null: none.
      callbacks: Python paths of Optuna callbacks, `package.module:function`.
      report: whether to write `report.html` and `report.md` once the study is done.
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
    """Where a study's trials are kept while it runs, and after.

    Attributes:
      name: `sqlite` and `journal` are files in the study's directory; `postgresql` is a
        server that workers on many machines reach.
      url: of `postgresql`'s database, `postgresql://user@host:5432/database`; null: of the
        others. Never with a password: that comes from PGPASSWORD or ~/.pgpass.
      retry_seconds: how long a worker tries again while the server is out of reach.
    """

    name: str = constrained_field("sqlite", one_of(*STORAGES))
    url: str | None = None
    retry_seconds: float = constrained_field(120.0, POSITIVE)


def to_study(config: Any) -> StudyConfig:
    """The study's part of a composed configuration, as dataclasses."""
    schema = OmegaConf.structured(StudyConfig)
    study = OmegaConf.to_object(OmegaConf.merge(schema, config.study))
    if problems := list(section_type_errors(study, StudyConfig(), "study.")):
        raise ConfigError(problems)
    return study  # type: ignore[return-value]


def to_storage(config: Any) -> StorageConfig:
    """The storage's part of a composed configuration, as dataclasses."""
    schema = OmegaConf.structured(StorageConfig)
    return OmegaConf.to_object(OmegaConf.merge(schema, config.storage))  # type: ignore[return-value]
