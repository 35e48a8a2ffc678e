"""Profiles the test rows of each split: what is known of their users, items and histories."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.histories import Histories, all_but, find_histories
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import GLOBAL_SEED, SHUFFLE_BUFFER, Split, split_interactions
from sweeper.two_tower.data.time_order import by_user_and_time
from sweeper.two_tower.evaluation.segments import warm_and_cold

SPLITS = ("random", "temporal", "leave_last_out")


@dataclass(frozen=True)
class HeldOutProfile:
    """What a model can know of the test rows of one split.

    Attributes:
      rows: the number of test rows.
      cold_user, cold_item: the number whose user, or item, has no training row.
      no_history: the number whose user has no known earlier row; None, like the next two, if there
        are no times.
      same_second: the number whose user has an earlier row in the same second, so that only the
        order of the source says which came first.
      median_history: the median number of known earlier rows.
      is_trials: whether a trial under this split has the same test rows. Where another split is
        configured, NumPy draws the random one, since TensorFlow's, which at most 100,000 rows
        have, takes seconds to start.
    """

    rows: int
    cold_user: int
    cold_item: int
    no_history: int | None
    same_second: int | None
    median_history: float | None
    is_trials: bool


@dataclass(frozen=True)
class SplitProfiles:
    """The test rows of each split, with the configured sizes that apply to it.

    Attributes:
      known: the profiles by split.
      impossible: why a split is not possible, by split.
    """

    known: dict[str, HeldOutProfile] = field(default_factory=dict)
    impossible: dict[str, str] = field(default_factory=dict)


NOT_COUNTED = SplitProfiles()


def profile_splits(config: DataConfig, interactions: Interactions, split: Split) -> SplitProfiles:
    """Counts the test rows of every split; see `HeldOutProfile`.

    Args:
      split: the configured one.
    """
    users, times = interactions.users, interactions.timestamps
    # One sort for all splits: with 25 million rows it takes seconds.
    by_user = None if times is None else by_user_and_time(users, times)
    known, impossible = {}, {}
    # Under any split by time all earlier rows are known, except those of cold-start items.
    by_time: _Known | None = None
    for name in SPLITS if by_user is not None else SPLITS[:1]:
        try:
            rows, is_trials = _split(config, name, interactions, split, by_user)
        except ConfigError as error:
            impossible[name] = str(error)
            continue
        before = None
        if by_user is not None and name == "random":
            before = _Known.of(config, interactions, rows.train, by_user)
        elif by_user is not None and len(rows.taken_away):
            others = all_but(rows.taken_away, len(interactions))
            before = _Known.of(config, interactions, others, by_user)
        elif by_user is not None:
            before = by_time = by_time or _Known.of(config, interactions, None, by_user)
        known[name] = _profile(interactions, rows, before, is_trials)
    return SplitProfiles(known, impossible)


def _settings(config: DataConfig, name: str) -> DataConfig:
    """Returns the configuration of the same data under another split, at its latest cut.

    The random and the temporal split share their sizes. `leave_last_out` counts rows of each user,
    so that only an empty validation part means the same there.
    """
    other = replace(config, split=name, cut=0)
    if "leave_last_out" not in (name, config.split):
        return other
    validation_size = 0 if config.validation_size == 0 else None
    return replace(other, train_size=None, validation_size=validation_size, test_size=None)


def _split(
    config: DataConfig,
    name: str,
    interactions: Interactions,
    split: Split,
    by_user: np.ndarray | None,
) -> tuple[Split, bool]:
    """Returns a split, and whether a trial under it has the same rows."""
    if name == config.split:
        return split, True
    order = by_user if name == "leave_last_out" else None
    if name == "random":
        seeds = [GLOBAL_SEED, config.split_seed]
        order = np.random.default_rng(seeds).permutation(len(interactions))
    is_trials = name != "random" or len(interactions) > SHUFFLE_BUFFER
    return split_interactions(_settings(config, name), interactions, order), is_trials


@dataclass(frozen=True, eq=False)
class _Known:
    """The earlier rows of each row's user.

    Attributes:
      histories: the histories under `data.same_time`.
      with_ties: the histories that include earlier rows of the same second.
    """

    histories: Histories
    with_ties: Histories

    @classmethod
    def of(
        cls,
        config: DataConfig,
        interactions: Interactions,
        rows: np.ndarray | None,
        by_user: np.ndarray,
    ) -> _Known:
        with_ties = find_histories(interactions, rows, order=by_user)
        if config.same_time == "include":
            return cls(with_ties, with_ties)
        histories = find_histories(interactions, rows, same_time=False, order=by_user)
        return cls(histories, with_ties)


def _profile(
    interactions: Interactions, split: Split, known: _Known | None, is_trials: bool
) -> HeldOutProfile:
    users, items, test = interactions.users, interactions.items, split.test
    user_rows = np.bincount(users[split.train], minlength=interactions.num_users)
    item_rows = np.bincount(items[split.train], minlength=interactions.num_items)
    cold = warm_and_cold(user_rows[users[test]], item_rows[items[test]])
    no_history, same_second, median = None, None, None
    if known is not None:
        assert interactions.timestamps is not None
        lengths = known.histories.lengths(test)
        gaps = known.with_ties.seconds_since_last(test, interactions.timestamps)
        no_history = int(np.count_nonzero(lengths == 0))
        same_second = int(np.count_nonzero(gaps == 0))
        median = float(np.median(lengths))
    return HeldOutProfile(
        rows=len(test),
        cold_user=int(np.count_nonzero(cold["cold_user"])),
        cold_item=int(np.count_nonzero(cold["cold_item"])),
        no_history=no_history,
        same_second=same_second,
        median_history=median,
        is_trials=is_trials,
    )
