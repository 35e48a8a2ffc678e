"""The schema of `data`: the interactions, where they come from, how they are split."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from omegaconf import MISSING

from sweeper.common.ranges import (
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
    """The size and shape of the synthetic interactions of `data=synthetic`.

    Attributes:
      num_users: the number of users.
      num_items: the number of items, all of which are candidates.
      num_interactions: the number of rows, which are distinct pairs of a user and an item.
      rank: the number of factors of each user and each item.
      popularity_exponent: the n-th most popular item has the weight 1 / n to this power; with 0 all
        items are equally popular.
      affinity: how strongly the factors decide what a user chooses; with 0 only popularity decides.
      markov_share: the probability that a row's item follows from the user's previous item, by a
        known Markov chain, rather than from the user's taste; with 0 the rows have no order. With
        more than 0 and a split by time, the best possible metrics are shown below the model's.
      seed: the seed of all random numbers.
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
    """The columns of the interactions and their roles; the defaults are MovieLens's.

    Only `data=table` may change them. Features that refer to `${data.columns.user}` and
    `${data.columns.item}` work with any data.

    Attributes:
      user: the ids of the users, read as text.
      item: the ids of the items, read as text; the model retrieves items.
      timestamp: the times of the rows; null if there are none, and then the split must be random.
      rating: the ratings, which only `filter.min_rating` reads and no feature; null if there are
        none.
      weight: a factor of each row's loss, at least 0, which changes neither metrics nor baselines;
        null to count each row once.
      others: further columns that features may read; null for all.
    """

    user: str = constrained_field("user_id", NOT_EMPTY)
    item: str = constrained_field("movie_title", NOT_EMPTY)
    timestamp: str | None = constrained_field("timestamp", NOT_EMPTY)
    rating: str | None = constrained_field(None, NOT_EMPTY)
    weight: str | None = constrained_field(None, NOT_EMPTY)
    others: list[str] | None = None


@dataclass
class CsvConfig:
    """The format of CSV files.

    Attributes:
      delimiter: what separates the values, such as `;` or `::`; write a tab as `\\t`. `auto` takes
        what a first line `sep=;` says; else a comma (in files named `.tsv` a tab); and if the first
        line has none, the first of comma, tab, `;`, `::` and `|` that it has.
      column_names: the names of the columns, in order, of files without a header line; null if the
        first line is the header.
      quote_char: the character that encloses values, as in RFC 4180; null if quotes are ordinary
        characters. `auto` is `"`, unless the file can only be read with every quote as an ordinary
        character. A file that can be read both ways, or in neither, is refused.
    """

    delimiter: str = constrained_field(AUTO, DELIMITER)
    column_names: list[str] | None = constrained_field(None, NOT_EMPTY)
    quote_char: str | None = constrained_field(AUTO, QUOTE_CHAR)


@dataclass
class SideTableConfig:
    """A table with one row for each item, or for each user, and their features.

    Attributes:
      path: a file, a folder of files, or `tfds:NAME`; null if there is no such table.
      format: the format of the files; `auto` infers it from their names.
      key: the column of ids; null if it has the same name as in the interactions.
      lists: columns of several words, each with its separator: `{genres: "|"}`.
    """

    path: str | None = constrained_field(None, NOT_EMPTY)
    format: str = constrained_field("auto", one_of(*TABLE_FORMATS))
    csv: CsvConfig = field(default_factory=CsvConfig)
    key: str | None = constrained_field(None, NOT_EMPTY)
    lists: dict[str, str] = field(default_factory=dict)


@dataclass
class FilterConfig:
    """Which rows of `data=table` are used; dropped rows are counted by reason.

    Attributes:
      min_rating: drop rows rated below this; null to use all rows.
      duplicates: what to do with several rows of the same user and item: `keep` all, keep the
        `first` or the `last` by time, or stop with an `error`.
      min_user_interactions: drop users with fewer rows, until all users and items have enough (a
        k-core).
      min_item_interactions: drop items with fewer rows, in the same way.
      missing_values: what to do with rows without a user, item, time, rating or weight.
      implausible_times: what to do with rows whose time is before 1950 or after 2099, such as
        0001-01-01 and 9999-12-31, which often stand for a missing time.
      unknown_items: what to do with rows whose item is not in `items`; `keep` leaves its features
        missing.
      unknown_users: the same for users that are not in `users`.
      missing_features: what to do with missing numbers: stop with an `error`, or `fill` them with
        the mean of the column. A missing word is the empty word.
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
    """The interactions, where they come from, and how they are split.

    Sizes below 1 are shares of all rows; whole numbers from 1 on are numbers of rows (of each user
    under `leave_last_out`). The keys from `path` to `filter` only apply to `data=table`.

    Attributes:
      name: the data set; `data=NAME` sets it.
      source: where MovieLens comes from. `auto` uses the first that works of a copy that
        TensorFlow Datasets has prepared, GroupLens, and the package index; `tfds` tries only the
        first two; `package_index` only the third, which has only `movielens_100k`. Or the path of a
        MovieLens folder or zip.
      cache_dir: where encoded data is cached; null for `SWEEPER_CACHE_DIR`, or else
        `~/.cache/sweeper`.
      split: `random`; `temporal`, whose latest rows are the test rows and those before them the
        validation rows; or `leave_last_out`, which does the same within each user.
      split_seed: the seed of the random split and of the choice of cold-start items; a split by
        time doesn't depend on it.
      cut: how many steps back the test rows of a split by time lie. With 0 the latest rows are the
        test rows. With n, the latest n times `test_size` rows (of each user under
        `leave_last_out`) are in no part, so that no row is tested at two cuts. Several cuts are a
        rolling origin (Tashman, "Out-of-sample tests of forecasting accuracy", 2000).
      train_size: the size of the training part; null for all remaining rows.
      validation_size: the size of the validation part; null for 0.1, or one row of each user under
        `leave_last_out`.
      test_size: the size of the test part; null for 0.2, or one row of each user under
        `leave_last_out`.
      cold_start_items: the share of the training part's items to treat as new, to measure how a
        model ranks new items: all their rows are removed from the training part and stay in the
        others. `split_seed` decides which items these are.
      same_time: whether a row's history includes the user's other rows of the same second that the
        source lists before it; with `exclude` it only has rows of earlier seconds.
      path: the interactions: a file, a folder of files, or `tfds:NAME`.
      format: the format of the files; `auto` infers it from their names.
      timestamp_unit: the unit of times that are numbers since 1970, or `excel_days` for a
        spreadsheet's days. `auto` infers seconds, milliseconds, microseconds or nanoseconds from
        the size of the numbers, or dates from their digits (20240531).
      timestamp_format: the format of times, as for Python's `datetime.strptime` (`%d.%m.%Y`); null
        for ISO 8601 (2024-05-31 18:30:00) or numbers.
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
    """Tells whether another `data.split_seed` gives other parts."""
    return data.split == "random" or data.cold_start_items > 0
