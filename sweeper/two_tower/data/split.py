"""Splits interactions into training, validation and test rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from sweeper.common.errors import ConfigError
from sweeper.common.runtime import start_tensorflow
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.time_order import by_user_and_time, temporal_ties, ties_of_users

DEFAULT_VALIDATION_SHARE = 0.1
DEFAULT_TEST_SHARE = 0.2
# The published split's: tf.random.set_seed(42), then a shuffle with a buffer of 100,000.
GLOBAL_SEED = 42
# Tells the random numbers that choose cold-start items from those of a split.
COLD_START_ITEMS = 1
SHUFFLE_BUFFER = 100_000


@dataclass(frozen=True, eq=False)
class Split:
    """The row indices of each part; no row is in two parts.

    Attributes:
      train: int64 [num_train].
      validation: int64 [num_validation]; may be empty.
      test: int64 [num_test].
      unused: the number of rows in no part: those that `data.train_size` leaves, those after
        `data.cut`, and those of cold-start items.
      ties: a line for people on each boundary of a split by time that lies between equal times, so
        that the order of the data has decided.
      taken_away: int64 [rows], the rows of cold-start items that are in no part and not after the
        cut: those that would be training rows, and those that `data.train_size` leaves.
      cold_start: the number of cold-start "items", and of the "rows" that would be training rows;
        empty without any.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unused: int
    ties: tuple[str, ...] = ()
    taken_away: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    cold_start: dict[str, int] = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        """Returns the number of rows of each part, by its name."""
        return {
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
        }


def split_interactions(
    config: DataConfig, interactions: Interactions, order: np.ndarray | None = None
) -> Split:
    """Splits by `config.split`.

    `random` permutes the rows, by the published permutation if there is one: training rows come
    first, then unused ones, then validation and test rows. `temporal` takes the latest rows for the
    test, those before them for validation, and those before these for training. `leave_last_out`
    does the same within each user. Both leave out the test rows of later cuts first, see
    `DataConfig.cut`. The rows of cold-start items are removed from the training rows at the end, so
    that the other parts are the same with and without them.

    Args:
      order: the rows in the order that the split cuts, if the caller has it: a permutation for
        `random`, the result of `by_user_and_time` for `leave_last_out`.

    Raises:
      ConfigError: the sizes don't add up or leave a part empty, or the split goes by time and the
        data has no times.
    """
    split = _parts(config, interactions, order)
    if not config.cold_start_items:
        return split
    before = split.train
    if config.train_size is not None:
        # Without it, all rows are training rows that are not held out and not after the cut.
        before = _parts(replace(config, train_size=None), interactions, order).train
    return _take_away_items(config, interactions, split, before)


def _parts(config: DataConfig, interactions: Interactions, order: np.ndarray | None) -> Split:
    """Splits the rows, including those of cold-start items."""
    by_users = config.split == "leave_last_out"
    return (_leave_last_out if by_users else _in_one_order)(config, interactions, order)


def _in_one_order(
    config: DataConfig, interactions: Interactions, order: np.ndarray | None
) -> Split:
    """Puts all rows into one order, and cuts it into parts."""
    sizes = _sizes(config, len(interactions))
    times = None
    if config.split == "random":
        if order is None:
            order = permutation(len(interactions), config.split_seed)
        train = order[: sizes.train]
    else:
        times = _timestamps(config, interactions)
        order = np.argsort(times, kind="stable").astype(np.int64)
        order = order[: len(order) - sizes.later]
        train = order[: len(order) - sizes.held_out][-sizes.train :]
    first_test = len(order) - sizes.test
    first_validation = first_test - sizes.validation
    parts = {
        "training": train,
        "validation": order[first_validation:first_test],
        "test": order[first_test:],
    }
    ties = () if times is None else tuple(temporal_ties(parts, times))
    unused = len(interactions) - sizes.train - sizes.held_out
    return Split(parts["training"], parts["validation"], parts["test"], unused, ties)


def check_sizes(config: DataConfig, num_rows: int) -> None:
    """Raises ConfigError as `split_interactions` would, without splitting."""
    if config.split != "leave_last_out":
        _sizes(config, num_rows)


def permutation(num_rows: int, split_seed: int) -> np.ndarray:
    """Returns the order of a random split, int64 [num_rows].

    Up to `SHUFFLE_BUFFER` rows, for which results are published, it is the published order. More
    rows are shuffled by NumPy, as TensorFlow keeps a tensor of some 100 bytes for each row.
    """
    if num_rows <= SHUFFLE_BUFFER:
        return published_permutation(num_rows, split_seed)
    return np.random.default_rng([GLOBAL_SEED, split_seed]).permutation(num_rows)


def published_permutation(num_rows: int, split_seed: int) -> np.ndarray:
    """Returns the order of `num_rows` rows in the published results, int64 [num_rows].

    It sets TensorFlow's global seed, as the published code does, because the shuffle depends on it.
    """
    start_tensorflow()
    import tensorflow as tf

    tf.random.set_seed(GLOBAL_SEED)
    rows = tf.data.Dataset.range(num_rows).shuffle(
        SHUFFLE_BUFFER, seed=split_seed, reshuffle_each_iteration=False
    )
    return np.concatenate(list(rows.batch(SHUFFLE_BUFFER).as_numpy_iterator()))


def _take_away_items(
    config: DataConfig, interactions: Interactions, split: Split, before: np.ndarray
) -> Split:
    """Removes the training rows of the share `config.cold_start_items` of the training items.

    The seed puts the items of the catalogue into an order, whose first items with training rows are
    chosen, so that splits of other sizes have mostly the same ones.

    Args:
      before: the rows that could be training rows, including those that `config.train_size` leaves.
    """
    share, items = config.cold_start_items, interactions.items[split.train]
    order = np.random.default_rng([COLD_START_ITEMS, config.split_seed]).permutation(
        interactions.num_items
    )
    order = order[np.isin(order, items)]
    number = round(share * len(order))
    if number in (0, len(order)):
        raise ConfigError(
            f"data.cold_start_items={share:g}: of {len(order):,} items in training rows these are "
            f"{number:,}. Give a share that takes at least one and leaves at least one, or 0."
        )
    is_taken = np.isin(items, order[:number])
    rows = int(np.count_nonzero(is_taken))
    return replace(
        split,
        train=split.train[~is_taken],
        unused=split.unused + rows,
        taken_away=before[np.isin(interactions.items[before], order[:number])],
        cold_start={"items": number, "rows": rows},
    )


@dataclass(frozen=True)
class _Sizes:
    train: int
    validation: int
    test: int
    later: int  # The test rows of later cuts.

    @property
    def held_out(self) -> int:
        return self.validation + self.test


def _sizes(config: DataConfig, num_rows: int) -> _Sizes:
    """Returns the sizes of the parts in rows, for splits that cut all rows at once."""
    test = _rows("test", config.test_size, DEFAULT_TEST_SHARE, num_rows)
    validation = _rows("validation", config.validation_size, DEFAULT_VALIDATION_SHARE, num_rows)
    later = config.cut * test
    left = num_rows - later - validation - test
    train = left if config.train_size is None else _rows("train", config.train_size, 0, num_rows)
    if test < 1 or train < 1 or train > left:
        raise ConfigError(
            f"data.train_size={_words(config.train_size)}, "
            f"data.validation_size={_words(config.validation_size)}, "
            f"data.test_size={_words(config.test_size)}{_cut_words(config)}: of {num_rows:,} rows "
            f"these are {max(0, train):,} for training, {validation:,} for validation and {test:,} "
            f"for the test{f', and {later:,} come after the cut' if later else ''}. Training and "
            f"test need at least one each, and together all should be at most {num_rows:,}."
        )
    return _Sizes(train, validation, test, later)


def _rows(part: str, size: float | None, default_share: float, num_rows: int) -> int:
    if size is None:
        return max(1, round(default_share * num_rows))
    rows = int(size) if size >= 1 else round(size * num_rows)
    if rows == 0 and size > 0:
        raise ConfigError(
            f"data.{part}_size={size:g} is not one row of {num_rows:,}. Give a share of at least "
            f"{1 / num_rows:.2g}, or a whole number of rows."
        )
    return rows


def _leave_last_out(
    config: DataConfig, interactions: Interactions, order: np.ndarray | None
) -> Split:
    """Holds out each user's latest rows that are not after the cut.

    A user with no more rows than the test takes has only training rows; a user with no more than
    test and validation take has no validation rows. So the test rows are the same with and without
    a validation part.
    """
    num_test = _rows_a_user("test", config.test_size)
    num_validation = _rows_a_user("validation", config.validation_size)
    if num_test == 0:
        raise ConfigError("data.test_size=0: the test needs at least one row of each user.")
    times = _timestamps(config, interactions)
    users = interactions.users
    order = by_user_and_time(users, times) if order is None else order
    from_last, counts = _positions_from_last(users, order, interactions.num_users)
    # A user's rows after the cut have negative positions from here on.
    from_last -= config.cut * num_test
    counts -= config.cut * num_test
    held_out = np.where(counts > num_test + num_validation, num_test + num_validation, num_test)
    held_out[counts <= num_test] = 0
    in_test = (from_last >= 0) & (held_out > 0) & (from_last < num_test)
    in_validation = (from_last >= num_test) & (from_last < held_out)
    in_train = (from_last >= 0) & (from_last >= held_out)
    if config.train_size is not None:
        num_train = _rows_a_user("train", config.train_size)
        in_train &= from_last < held_out + num_train
    parts = {"test": in_test, "training": in_train}
    if num_validation:
        parts["validation"] = in_validation
    for part, rows in parts.items():
        if not rows.any():
            raise ConfigError(
                f"data.split=leave_last_out with data.validation_size={num_validation} and "
                f"data.test_size={num_test}{_cut_words(config)} leaves the {part} without rows: no "
                f"user has more than {max(0, counts.max())}"
                f"{' before the cut' if config.cut else ''}. Give fewer rows a user"
                f"{', or a later cut' if config.cut else ''}."
            )
    return Split(
        train=np.flatnonzero(in_train),
        validation=np.flatnonzero(in_validation),
        test=np.flatnonzero(in_test),
        unused=int(len(interactions) - (in_train | in_validation | in_test).sum()),
        ties=tuple(ties_of_users(users, times, from_last, held_out, num_test)),
    )


def _rows_a_user(part: str, size: float | None) -> int:
    if size is None:
        return 1
    if not float(size).is_integer():
        raise ConfigError(
            f"data.{part}_size={size:g}: data.split=leave_last_out takes whole numbers of rows of "
            "each user, not shares. Give 1, or null for the default."
        )
    return int(size)


def _timestamps(config: DataConfig, interactions: Interactions) -> np.ndarray:
    if interactions.timestamps is None:
        raise ConfigError(
            f"data.split: got {config.split!r}, but the data has no times; use 'random', or set "
            "data.columns.timestamp"
        )
    return interactions.timestamps


def _positions_from_last(
    users: np.ndarray, order: np.ndarray, num_users: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns, for each row, how many later rows its user has, and how many rows in all.

    Among equal timestamps, the row that comes later in the data is the later one.
    """
    counts = np.bincount(users, minlength=num_users)
    ends = np.cumsum(counts)
    from_last = np.empty(len(users), np.int64)
    from_last[order] = ends[users[order]] - 1 - np.arange(len(users))
    return from_last, counts[users]


def _cut_words(config: DataConfig) -> str:
    return f", data.cut={config.cut}" if config.cut else ""


def _words(size: float | None) -> str:
    return "null" if size is None else f"{size:g}"
