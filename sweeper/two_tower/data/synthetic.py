"""Draws synthetic interactions with a known answer.

Users and items are points on a sphere of radius sqrt(rank), items have a Zipf popularity, and

  P(item | user) ~ popularity[item] * exp(affinity * user . item / sqrt(rank)).

On a sphere no item is liked more than another on average, so `popularity` stays the order of the
counts. Everything is a function of the configuration. Rows have no order, unless `markov_share`
gives them one: see `synthetic_chain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from sweeper.common.console import stage
from sweeper.two_tower.config import SyntheticConfig
from sweeper.two_tower.data.cache import CacheEntry
from sweeper.two_tower.data.columns import CategoricalColumn, Column, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble
from sweeper.two_tower.data.synthetic_chain import NextItem
from sweeper.two_tower.data.synthetic_columns import candidate_columns, user_columns

# With as many interactions, or as many users x items (10 ns each; with an order, interactions x
# items of 25 ns each), drawing takes seconds to minutes, so the cache keeps the result.
KEPT_ROWS, KEPT_CELLS = 1_000_000, 100_000_000
CACHE_VERSION = 1  # to be raised with each change of the rows of the same configuration
CELLS_AT_ONCE = 2_000_000  # users x items of one chunk, about 30 MB of work space
ACTIVITY_SPREAD = 0.8  # of the log of a user's number of interactions
FIRST_TIMESTAMP = 1_600_000_000
SECONDS_BETWEEN_ROWS = 60
TIME_NOISE_SECONDS = 3_600

# One stream of random numbers for each purpose, so that a change in one leaves the others.
_STRUCTURE, _ACTIVITY, _CHOICES, _ROWS, _PEOPLE, _ORDER = range(6)


def is_kept(config: SyntheticConfig) -> bool:
    """Tells whether these interactions take so long to draw that the cache keeps them."""
    draws = config.num_interactions if config.markov_share else config.num_users
    return config.num_interactions >= KEPT_ROWS or draws * config.num_items >= KEPT_CELLS


def entry(config: SyntheticConfig) -> CacheEntry:
    """Returns the cache entry of these interactions."""
    values = dict(vars(config))
    if not config.markov_share:
        del values["markov_share"]  # The rows are the same as before this key existed.
    return CacheEntry.of("synthetic", f"{CACHE_VERSION} {sorted(values.items())}")


def generate(config: SyntheticConfig, say: Callable[[str], None] = print) -> Interactions:
    """Draws distinct (user, item) pairs, in order of time except for noise.

    Args:
      say: receives a line if it takes more than a moment.
    """
    truth = synthetic_structure(config)
    user_factors, item_factors, _ = truth
    counts = _interactions_of_users(config)
    items_by_user = np.empty(config.num_interactions, np.int32)
    starts = np.cumsum(counts) - counts
    next_item, order_rng = NextItem(config, *truth), _generator(config, _ORDER)
    with _drawing(config, say) as advance:
        for some, chosen in _choose(config, counts, *truth):
            if config.markov_share:
                chosen = next_item.draw(chosen, counts[some], order_rng)
            places = np.arange(chosen.shape[1])
            wanted = places < counts[some][:, None]
            items_by_user[(starts[some][:, None] + places)[wanted]] = chosen[wanted]
            advance(len(some))
    rng = _generator(config, _ROWS)
    order = rng.permutation(config.num_interactions)
    users = np.repeat(np.arange(config.num_users, dtype=np.int32), counts)[order]
    timestamps = _timestamps(config, rng)
    if config.markov_share:
        items = np.empty_like(items_by_user)
        # As `find_histories` sorts them.
        items[np.lexsort((timestamps, users))] = items_by_user
    else:
        items = items_by_user[order]
    chain = f", Markov share {config.markov_share:g}" if config.markov_share else ""
    return assemble(
        query_columns=_query_columns(
            config, users, items, timestamps, user_factors, item_factors, rng
        ),
        items=items,
        candidate_columns=candidate_columns(item_factors),
        source=(
            f"synthetic: {config.num_users:,} users x {config.num_items:,} items, "
            f"{config.num_interactions:,} interactions, rank {config.rank}{chain}, "
            f"seed {config.seed}"
        ),
    )


def _drawing(
    config: SyntheticConfig, say: Callable[[str], None]
) -> AbstractContextManager[Callable[[int], None]]:
    if not is_kept(config):
        return nullcontext(lambda count: None)
    # Progress counts users: each takes equally long, however many interactions there are.
    text = f"Drawing {config.num_interactions:,} interactions, user by user"
    return stage(say, text, config.num_users)


def synthetic_structure(
    config: SyntheticConfig,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the truth behind the data, to compare with what a model learns.

    Returns:
      user factors float64 [num_users, rank], item factors float64 [num_items, rank], and popularity
      float64 [num_items], which sums to 1. They are in the order of the users' and candidates'
      codes.
    """
    rng = _generator(config, _STRUCTURE)
    user_factors = _on_sphere(rng.standard_normal((config.num_users, config.rank)))
    item_factors = _on_sphere(rng.standard_normal((config.num_items, config.rank)))
    weights = (1.0 + rng.permutation(config.num_items)) ** -config.popularity_exponent
    return user_factors, item_factors, weights / weights.sum()


def _on_sphere(points: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return points / lengths * np.sqrt(points.shape[1])


def _generator(config: SyntheticConfig, purpose: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, purpose])


def _interactions_of_users(config: SyntheticConfig) -> np.ndarray:
    """Draws the number of interactions of each user, int64 [num_users]: log-normal, bounded."""
    rng = _generator(config, _ACTIVITY)
    weights = np.exp(ACTIVITY_SPREAD * rng.standard_normal(config.num_users))
    counts = np.zeros(config.num_users, np.int64)
    if config.num_interactions >= config.num_users:
        counts += 1
    while (missing := config.num_interactions - int(counts.sum())) > 0:
        room = config.num_items - counts
        open_weights = np.where(room > 0, weights, 0.0)
        share = open_weights / open_weights.sum()
        counts += np.minimum(rng.multinomial(missing, share), room)
    return counts


def _choose(
    config: SyntheticConfig,
    counts: np.ndarray,
    user_factors: np.ndarray,
    item_factors: np.ndarray,
    popularity: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draws each user's items without replacement, some users at a time.

    Item i rings after an exponential time with rate P(i | user), and a user's items are the first
    to ring (weighted sampling: Efraimidis and Spirakis, 2006).

    Yields:
      some users, sorted by how many items they need, and for each as many items as the last of
      them needs, the first to ring first, [users, most].
    """
    rng = _generator(config, _CHOICES)
    by_activity = np.argsort(counts, kind="stable")  # so that a chunk's users need about as many
    num_users_at_once = max(1, CELLS_AT_ONCE // config.num_items)
    scaled_users = (user_factors * config.affinity / np.sqrt(config.rank)).astype(np.float32)
    transposed_items = item_factors.T.astype(np.float32)
    log_popularity = np.log(popularity).astype(np.float32)
    for first in range(0, config.num_users, num_users_at_once):
        users = by_activity[first : first + num_users_at_once]
        most = int(counts[users].max())
        if most == 0:
            continue
        log_rates = scaled_users[users] @ transposed_items + log_popularity
        times = rng.standard_exponential(log_rates.shape, dtype=np.float32)
        times /= np.exp(log_rates, out=log_rates)
        yield users, _smallest(times, most)


def _smallest(values: np.ndarray, count: int) -> np.ndarray:
    """Returns the columns of each row's `count` smallest values, smallest first."""
    if count < values.shape[1]:
        columns = np.argpartition(values, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(values, columns, axis=1), axis=1)
        return np.take_along_axis(columns, order, axis=1)
    return np.argsort(values, axis=1)


def _timestamps(config: SyntheticConfig, rng: np.random.Generator) -> np.ndarray:
    """Draws the time of each row, in seconds since 1970, int64 [num_interactions]."""
    size = config.num_interactions
    noise = rng.integers(-TIME_NOISE_SECONDS, TIME_NOISE_SECONDS + 1, size)
    return FIRST_TIMESTAMP + SECONDS_BETWEEN_ROWS * np.arange(size) + noise


def _query_columns(
    config: SyntheticConfig,
    users: np.ndarray,
    items: np.ndarray,
    timestamps: np.ndarray,
    user_factors: np.ndarray,
    item_factors: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, Column]:
    """Returns the user, the time, the rating and the demographics of each row."""
    num_rows = len(users)
    liking = np.zeros(num_rows)
    for axis in range(config.rank):  # one axis at a time: no [num_rows, rank] array
        liking += user_factors[users, axis] * item_factors[items, axis]
    stars = 3.0 + liking / np.sqrt(config.rank) + 0.5 * rng.standard_normal(num_rows)
    width = len(str(config.num_users))
    names = [f"user_{index:0{width}d}" for index in range(1, config.num_users + 1)]
    people = user_columns(user_factors, _generator(config, _PEOPLE))
    columns: dict[str, Column] = {
        "user_id": CategoricalColumn(users, names),
        "timestamp": NumericColumn(timestamps),
        "user_rating": NumericColumn(np.clip(np.round(stars), 1.0, 5.0)),
    }
    return columns | {name: column.take(users) for name, column in people.items()}
