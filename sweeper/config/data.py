"""The schema of `data`: which interactions, where they come from, how they are split."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from sweeper.config.ranges import NOT_EMPTY, ONE_CHARACTER, PART_SIZE, at_least, one_of, ranged

DATA_SETS = ("movielens_100k", "movielens_1m", "movielens_25m", "synthetic", "table")
NAMED_SOURCES = ("auto", "tfds", "package_index")
SPLITS = ("random", "temporal", "leave_last_out")
TABLE_FORMATS = ("auto", "csv", "parquet", "jsonl")
DUPLICATES = ("keep", "first", "last", "error")
TIMESTAMP_UNITS = ("auto", "seconds", "milliseconds")
POLICIES = ("error", "drop")
UNKNOWN = ("error", "drop", "keep")
MISSING_FEATURES = ("error", "fill")
# What `data=table` alone goes by.
OF_A_TABLE = ("columns", "path", "format", "timestamp_unit", "csv", "items", "users", "filter")


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
class ColumnsConfig:
    """Which column of the interactions is what; the defaults are MovieLens's.

    `timestamp`, `rating` and `weight` may be `null`: there is none. A row's weight, at least 0,
    multiplies its loss; scores and baselines weigh nothing. Only `data=table` may
    change them; features name the user's and the item's as `${data.columns.user}` and
    `${data.columns.item}` to fit any data. `others` are those that features may take beside
    (`null`: all that there are).
    """

    user: str = ranged("user_id", NOT_EMPTY)
    item: str = ranged("movie_title", NOT_EMPTY)
    timestamp: str | None = ranged("timestamp", NOT_EMPTY)
    rating: str | None = ranged(None, NOT_EMPTY)
    weight: str | None = ranged(None, NOT_EMPTY)
    others: list[str] | None = None


@dataclass
class CsvConfig:
    """How a table's CSV files are written; `column_names` are those of files without any."""

    delimiter: str = ranged(",", ONE_CHARACTER)
    column_names: list[str] | None = ranged(None, NOT_EMPTY)


@dataclass
class SideTableConfig:
    """A table of one row for each item, or for each user, with their features.

    `key` is its column of ids (`null`: named as in the interactions). `lists` names columns of
    several words, each with what separates them: `{genres: "|"}`.
    """

    path: str | None = ranged(None, NOT_EMPTY)
    format: str = ranged("auto", one_of(*TABLE_FORMATS))
    csv: CsvConfig = field(default_factory=CsvConfig)
    key: str | None = ranged(None, NOT_EMPTY)
    lists: dict[str, str] = field(default_factory=dict)


@dataclass
class FilterConfig:
    """Which rows of `data=table` count; what is dropped is counted by its reason.

    `min_rating`: rows rated below are no positives. `duplicates`: of several rows of one
    user and item, keep all, the first or the last by time, or refuse them.
    `min_user_interactions` and `min_item_interactions` are met together (a k-core).
    `missing_values`: rows without user, item, time, rating or weight. `unknown_items` and
    `unknown_users`: rows whose item or user its own table lacks; `keep` gives these missing
    features. `missing_features`: of numbers, `fill` takes the column's mean; a missing word
    is the empty one.
    """

    min_rating: float | None = None
    duplicates: str = ranged("keep", one_of(*DUPLICATES))
    min_user_interactions: int = ranged(1, at_least(1))
    min_item_interactions: int = ranged(1, at_least(1))
    missing_values: str = ranged("error", one_of(*POLICIES))
    unknown_items: str = ranged("error", one_of(*UNKNOWN))
    unknown_users: str = ranged("error", one_of(*UNKNOWN))
    missing_features: str = ranged("error", one_of(*MISSING_FEATURES))


@dataclass
class DataConfig:
    """Which interactions, where they come from, and how they are split.

    Sizes below 1 are shares of all rows, whole numbers from 1 on are rows
    (rows of each user under `leave_last_out`). `null` takes the strategy's
    default: 0.1 for validation and 0.2 for test, or one row of each user; what
    is left is for training.

    `path` to `filter` are of `data=table`: `path` is a file, a folder of files, or `tfds:NAME`;
    the format is told by the files' names unless it is given.
    """

    name: str = ranged(MISSING, one_of(*DATA_SETS))
    source: str = ranged("auto", NOT_EMPTY)
    cache_dir: str | None = None
    split: str = ranged("random", one_of(*SPLITS))
    split_seed: int = ranged(42, at_least(0))
    train_size: float | None = ranged(None, PART_SIZE)
    validation_size: float | None = ranged(None, PART_SIZE)
    test_size: float | None = ranged(None, PART_SIZE)
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    path: str | None = ranged(None, NOT_EMPTY)
    format: str = ranged("auto", one_of(*TABLE_FORMATS))
    timestamp_unit: str = ranged("auto", one_of(*TIMESTAMP_UNITS))
    csv: CsvConfig = field(default_factory=CsvConfig)
    items: SideTableConfig = field(default_factory=SideTableConfig)
    users: SideTableConfig = field(default_factory=SideTableConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
