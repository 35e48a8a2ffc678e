"""The configuration's schema: one dataclass for each group under `conf/`.

The YAML files hold the values; these classes hold the names, types, defaults and ranges. Together
with the study's (`sweeper.study.config`) they are registered with Hydra as `schema`, the first
entry of `conf/config.yaml`, so that a wrong name or type fails when the configuration is composed.
`sweeper.two_tower.validation` checks the ranges, and the rules that span several values. Nothing
here imports TensorFlow.
"""

from sweeper.common.ranges import (
    AUTO,
    LARGEST,
    MAX_WORKERS,
    NOT_EMPTY,
    POSITIVE,
    WIDTHS,
    Range,
    at_least,
    constrained_field,
    invalid_reason,
    one_of,
    within,
)
from sweeper.common.schema import (
    flatten,
    known_keys,
    section_type_errors,
    unflatten,
    unknown_key,
    with_new_names,
)
from sweeper.common.value_types import describe_type, type_at, type_problems
from sweeper.two_tower.config.baselines import (
    BASELINES,
    baseline_name,
    ease_last,
    goes_by_times,
    is_baseline,
    no_times_problem,
)
from sweeper.two_tower.config.composed import (
    config_dir_hint,
    config_directory,
    to_dataclass,
    to_dictionary,
    with_defaults,
)
from sweeper.two_tower.config.data import (
    EXAMPLE_TIME,
    TABLE_KEYS,
    TFDS_PREFIX,
    ColumnsConfig,
    CsvConfig,
    DataConfig,
    FilterConfig,
    SideTableConfig,
    SyntheticConfig,
)
from sweeper.two_tower.config.features import (
    FEATURE_KINDS,
    ITEM_KINDS,
    MAX_SEQUENCE_LENGTH,
    QUERY_KINDS,
    SEQUENCE_ENCODERS,
    TIMED_KINDS,
    FeatureConfig,
    FeaturesConfig,
    SequenceConfig,
    sequence_settings,
)
from sweeper.two_tower.config.metrics import (
    DEFAULT_METRIC,
    METRICS,
    MRR,
    SEEN_FILTERED,
    TOP_K,
    UNFILTERED_METRICS,
    metric_hint,
    metric_name,
    seen_reading,
    with_same_filter,
)
from sweeper.two_tower.config.trial import (
    ACTIVATIONS,
    OPTIMIZERS,
    TASKS,
    Config,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    TaskConfig,
    TrackingConfig,
    TrainConfig,
    id_dropouts,
    layer_sizes,
    supports_sparse_updates,
)
