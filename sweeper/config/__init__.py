"""The configuration's schema: one dataclass for each group under `conf/`.

The YAML files hold the values; these classes hold the names, types, defaults
and ranges. With the study's (`sweeper.study.config`) they are registered with
Hydra as `schema`, the first entry of `conf/config.yaml`, so that a name or a type
that is wrong fails when the configuration is composed. Ranges, and rules that span
several values, are checked by `sweeper.validation`. Nothing here imports TensorFlow.
"""

from sweeper.config.composed import (
    config_directory,
    flat,
    known_keys,
    misplaced,
    to_dataclass,
    to_dictionary,
    with_defaults,
)
from sweeper.config.data import (
    DATA_SETS,
    NAMED_SOURCES,
    DataConfig,
    SyntheticConfig,
)
from sweeper.config.ranges import (
    LARGEST,
    MOST_AT_ONCE,
    NOT_EMPTY,
    POSITIVE,
    WIDTHS,
    Range,
    at_least,
    one_of,
    ranged,
    unfit,
    within,
)
from sweeper.config.trial import (
    ACTIVATIONS,
    BASELINES,
    DEFAULT_METRIC,
    FEATURE_KINDS,
    METRICS,
    OPTIMIZERS,
    TASKS,
    TOP_K,
    Config,
    EvaluationConfig,
    FeatureConfig,
    FeaturesConfig,
    ModelConfig,
    OptimizerConfig,
    TaskConfig,
    TrackingConfig,
    TrainConfig,
    layer_sizes,
    updates_rows_alone,
)

__all__ = [
    "ACTIVATIONS",
    "BASELINES",
    "DATA_SETS",
    "DEFAULT_METRIC",
    "FEATURE_KINDS",
    "LARGEST",
    "METRICS",
    "MOST_AT_ONCE",
    "NAMED_SOURCES",
    "NOT_EMPTY",
    "OPTIMIZERS",
    "POSITIVE",
    "TASKS",
    "TOP_K",
    "WIDTHS",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "FeatureConfig",
    "FeaturesConfig",
    "ModelConfig",
    "OptimizerConfig",
    "Range",
    "SyntheticConfig",
    "TaskConfig",
    "TrackingConfig",
    "TrainConfig",
    "at_least",
    "config_directory",
    "flat",
    "known_keys",
    "layer_sizes",
    "misplaced",
    "one_of",
    "ranged",
    "to_dataclass",
    "to_dictionary",
    "unfit",
    "updates_rows_alone",
    "with_defaults",
    "within",
]
