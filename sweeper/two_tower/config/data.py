"""The schema of `data`: which interactions, where they come from, how they are split."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from omegaconf import MISSING

from sweeper.two_tower.config.ranges import (
    AUTO,
    DELIMITER,
    NOT_EMPTY,
    PART_SIZE,
    PROBABILITY,
    QUOTE_CHAR,
    SHARE,
    at_least,
    constrained_field,
    one_of,
)

DATA_SETS = ("movielens_100k", "movielens_1m", "movielens_25m", "synthetic", "table")
NAMED_SOURCES = ("auto", "tfds", "package_index")
SAME_TIME = ("include", "exclude")
SPLITS = ("random", "temporal", "leave_last_out")
TABLE_FORMATS = ("auto", "csv", "parquet", "jsonl")
DUPLICATES = ("keep", "first", "last", "error")
TIMESTAMP_UNITS = (
    "auto", "seconds", "milliseconds", "microseconds", "nanoseconds", "days", "excel_days",
)  # fmt: skip
POLICIES = ("error", "drop")
UNKNOWN = ("error", "drop", "keep")
MISSING_FEATURES = ("error", "fill")
# A path that begins so is the name of a TFDS data set.
TFDS_PREFIX = "tfds:"
# A time that tells day and month, and morning and afternoon, apart; errors show formats by it.
EXAMPLE_TIME = datetime(2031, 10, 25, 17, 48, 56, 123456, tzinfo=timezone(timedelta(hours=2)))
# Keys of `data` that only apply to `data=table`.
TABLE_KEYS = (
    "columns", "path", "format", "timestamp_unit", "timestamp_format", "csv", "items", "users",
    "filter",
)  # fmt: skip


@dataclass
class SyntheticConfig:
    """The size and shape of `data=synthetic`.

    Attributes:
      num_users: how many users.
      num_items: how many items, all of them candidates.
      num_interactions: how many rows, distinct pairs of a user and an item.
      rank: how many numbers the factors of each user and item have.
      popularity_exponent: the n-th most popular item has the weight 1 / n to this power; 0: all
        alike.
      affinity: how strongly the factors decide what a user chooses; 0: popularity alone does.
      markov_share: the probability that a row's item follows from the user's previous item, by a
        known Markov chain, and not from the user's taste; 0: rows have no order. Above 0 the best
        possible metrics are shown below the model's, if the split goes by time.
      seed: of all that is drawn.
    """

    num_users: int = constrained_field(1_000, at_least(1))
    num_items: int = constrained_field(500, at_least(2))
    num_interactions: int = constrained_field(50_000, at_least(3))
    rank: int = constrained_field(8, at_least(1))
    popularity_exponent: float = constrained_field(0.8, at_least(0))
    affinity: float = constrained_field(2.0, at_least(0))
    markov_share: float = constrained_field(0.0, PROBABILITY)
    seed: int = constrained_field(0, at_least(0))


@dataclass
class ColumnsConfig:
    """Which column of the interactions is what; the defaults are MovieLens's.

    Only `data=table` may change them; features name the user's and the item's as
    `${data.columns.user}` and `${data.columns.item}` to fit any data.

    Attributes:
      user: the users' ids, taken as texts.
      item: the items' ids, taken as texts: what is to be found.
      timestamp: when; null: there is no time, and the split must be random.
      rating: for `filter.min_rating` alone, no feature; null: there is none.
      weight: at least 0, multiplies a row's loss; scores and baselines weigh nothing; null: each
        row counts 1.
      others: those that features may take beside; null: all that there are.
    """

    user: str = constrained_field("user_id", NOT_EMPTY)
    item: str = constrained_field("movie_title", NOT_EMPTY)
    timestamp: str | None = constrained_field("timestamp", NOT_EMPTY)
    rating: str | None = constrained_field(None, NOT_EMPTY)
    weight: str | None = constrained_field(None, NOT_EMPTY)
    others: list[str] | None = None


@dataclass
class CsvConfig:
    """How CSV files are written.

    Attributes:
      delimiter: what separates the values, such as `;` or `::`; `\\t`: a tab; auto: what a first
        line `sep=;` says, or a comma (a tab in files named `.tsv`), or where the first line lacks
        that, the first of comma, tab, `;`, `::` and `|` that it has.
      column_names: of files without a line of names, in their order; null: the first line has them.
      quote_char: what encloses values, as RFC 4180 has it; null: nothing does, and quotes are
        letters; auto: `"` does, unless the file can only be read with all quotes as letters. A file
        that can be read both ways, or in neither, is refused.
    """

    delimiter: str = constrained_field(AUTO, DELIMITER)
    column_names: list[str] | None = constrained_field(None, NOT_EMPTY)
    quote_char: str | None = constrained_field(AUTO, QUOTE_CHAR)


@dataclass
class SideTableConfig:
    """A table of one row for each item, or for each user, with their features.

    Attributes:
      path: a file, a folder of files, or `tfds:NAME`; null: there is no such table.
      format: of the files; auto: told by their names.
      key: its column of ids; null: named as in the interactions.
      lists: columns of several words, with what separates them: `{genres: "|"}`.
    """

    path: str | None = constrained_field(None, NOT_EMPTY)
    format: str = constrained_field("auto", one_of(*TABLE_FORMATS))
    csv: CsvConfig = field(default_factory=CsvConfig)
    key: str | None = constrained_field(None, NOT_EMPTY)
    lists: dict[str, str] = field(default_factory=dict)


@dataclass
class FilterConfig:
    """Which rows of `data=table` count; what is dropped is counted by its reason.

    Attributes:
      min_rating: rows rated below are no positives, and dropped; null: all count.
      duplicates: of several rows of one user and item, `keep` all, the `first` or the `last` by
        time, or refuse them (`error`).
      min_user_interactions: users with fewer rows are dropped, until all users and items have
        enough (a k-core).
      min_item_interactions: the same of items.
      missing_values: rows without user, item, time, rating or weight: refused, or dropped.
      implausible_times: rows whose time is before 1950 or after 2099, as 0001-01-01 and 9999-12-31,
        which often stand for a missing one: refused, dropped, or kept.
      unknown_items: rows whose item has no row in `items`: refused, dropped, or kept with missing
        features.
      unknown_users: the same of `users`.
      missing_features: missing numbers: refused, or filled with the column's mean; a missing word
        is the empty one.
    """

    min_rating: float | None = None
    duplicates: str = constrained_field("keep", one_of(*DUPLICATES))
    min_user_interactions: int = constrained_field(1, at_least(1))
    min_item_interactions: int = constrained_field(1, at_least(1))
    missing_values: str = constrained_field("error", one_of(*POLICIES))
    implausible_times: str = constrained_field("error", one_of(*UNKNOWN))
    unknown_items: str = constrained_field("error", one_of(*UNKNOWN))
    unknown_users: str = constrained_field("error", one_of(*UNKNOWN))
    missing_features: str = constrained_field("error", one_of(*MISSING_FEATURES))


@dataclass
class DataConfig:
    """Which interactions, where they come from, and how they are split.

    Sizes below 1 are shares of all rows, whole numbers from 1 on are rows (rows of each user
    under `leave_last_out`). `path` to `filter` are of `data=table`.

    Attributes:
      name: the data set; `data=NAME` sets it.
      source: where MovieLens comes from. `auto`: what works first of a copy that TensorFlow
        Datasets has prepared, GroupLens, and the package index; `tfds`: the first two alone;
        `package_index`: the third alone, which has `movielens_100k` only; or the path of a
        MovieLens folder or zip.
      cache_dir: where encoded data is kept; null: SWEEPER_CACHE_DIR, or else `~/.cache/sweeper`.
      split: `random`; `temporal`: the latest rows are test rows, those before validation rows;
        `leave_last_out`: the same within each user.
      split_seed: of the random split, and of the choice of cold-start items; what goes by time
        alone has none.
      cut: of a split by time, how many steps back its test rows lie. 0: the latest rows are test
        rows. n: n times `test_size` rows (of each user under `leave_last_out`) come after the test
        rows and are in no part, so that no row is tested at two cuts. Several cuts are a rolling
        origin (Tashman, "Out-of-sample tests of forecasting accuracy", 2000).
      train_size: training rows; null: all that are left.
      validation_size: validation rows; null: 0.1, or one row of each user under `leave_last_out`.
      test_size: test rows; null: 0.2, or one row of each user under `leave_last_out`.
      cold_start_items: the share of the training part's items that are made new ones, to measure
        how a model ranks these: all their rows are taken away from the training part, and stay in
        the others. Which items they are follows from `split_seed`.
      same_time: whether a row's history holds the user's other rows of the same second that the
        source lists before it. `exclude`: it holds rows of earlier seconds alone.
      path: the interactions: a file, a folder of files, or `tfds:NAME`.
      format: of the files; auto: told by their names.
      timestamp_unit: of times that are numbers, since 1970, or `excel_days`, a spreadsheet's; auto:
        seconds, milliseconds, microseconds or nanoseconds by their size, or dates by their digits
        (20240531).
      timestamp_format: the form of times, as Python's `datetime.strptime` has it (`%d.%m.%Y`);
        null: ISO 8601 (2024-05-31 18:30:00), or numbers.
    """

    name: str = constrained_field(MISSING, one_of(*DATA_SETS))
    source: str = constrained_field("auto", NOT_EMPTY)
    cache_dir: str | None = None
    split: str = constrained_field("random", one_of(*SPLITS))
    split_seed: int = constrained_field(42, at_least(0))
    cut: int = constrained_field(0, at_least(0))
    train_size: float | None = constrained_field(None, PART_SIZE)
    validation_size: float | None = constrained_field(None, PART_SIZE)
    test_size: float | None = constrained_field(None, PART_SIZE)
    cold_start_items: float = constrained_field(0.0, SHARE)
    same_time: str = constrained_field("include", one_of(*SAME_TIME))
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    path: str | None = constrained_field(None, NOT_EMPTY)
    format: str = constrained_field("auto", one_of(*TABLE_FORMATS))
    timestamp_unit: str = constrained_field("auto", one_of(*TIMESTAMP_UNITS))
    timestamp_format: str | None = constrained_field(None, NOT_EMPTY)
    csv: CsvConfig = field(default_factory=CsvConfig)
    items: SideTableConfig = field(default_factory=SideTableConfig)
    users: SideTableConfig = field(default_factory=SideTableConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)


def split_has_seed(data: DataConfig) -> bool:
    """Whether another `data.split_seed` gives other parts."""
    return data.split == "random" or data.cold_start_items > 0
