"""Makes columns of synthetic users and items, so that features have something to learn from.

An item's title and genres depend on the axes of its factors on which it lies furthest out; a user's
gender, age and occupation depend on the user's factors, with noise.
"""

from __future__ import annotations

import numpy as np

from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)

# Titles have one word for the strongest axis and one for the next.
WORDS = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "jasper",
    "kestrel", "lagoon", "meadow", "nebula", "orchard", "prairie", "quarry", "river", "summit",
    "tundra", "umbra", "valley", "willow", "zephyr",
)  # fmt: skip
GENRES = ("Action", "Comedy", "Crime", "Drama", "Fantasy", "Horror", "Romance", "Sci-Fi")
OCCUPATIONS = ("artist", "doctor", "engineer", "farmer", "lawyer", "librarian", "sailor", "writer")
GENDER_NOISE = 1.0
MEAN_AGE, AGE_SPREAD, AGE_NOISE = 38.0, 10.0, 5.0


def candidate_columns(item_factors: np.ndarray) -> dict[str, Column]:
    """Returns titles, genres and ids of items with factors [num_items, rank], in their order."""
    num_items = len(item_factors)
    traits = _strongest_traits(item_factors)
    width = len(str(num_items))
    titles = [
        f"Title {index + 1:0{width}d} {_word(first)} {_word(second)}"
        for index, (first, second) in enumerate(traits.tolist())
    ]
    ids = [f"{index + 1:0{width}d}" for index in range(num_items)]
    every = np.arange(num_items, dtype=np.int32)
    return {
        "movie_title": CategoricalColumn(every, titles),
        "movie_genres": _genres(traits),
        "movie_id": CategoricalColumn(every, ids),
    }


def user_columns(user_factors: np.ndarray, rng: np.random.Generator) -> dict[str, Column]:
    """Returns gender, age and occupation of users with factors [num_users, rank]."""
    num_users, rank = user_factors.shape
    leaning = user_factors[:, 0] + GENDER_NOISE * rng.standard_normal(num_users)
    ages = MEAN_AGE + AGE_SPREAD * user_factors[:, 1 % rank]
    ages += AGE_NOISE * rng.standard_normal(num_users)
    occupations = _strongest_traits(user_factors)[:, 0] % len(OCCUPATIONS)
    return {
        "raw_user_age": NumericColumn(np.clip(np.round(ages), 10.0, 90.0)),
        "user_gender": CategoricalColumn((leaning > 0).astype(np.int32), ["False", "True"]),
        "user_occupation_text": CategoricalColumn(occupations.astype(np.int32), list(OCCUPATIONS)),
    }


def _strongest_traits(factors: np.ndarray) -> np.ndarray:
    """Returns the two axes on which each point lies furthest out, with signs, int64 [n, 2].

    Trait 2a is the positive end of axis a, trait 2a + 1 the negative end. With a
    single axis both traits are the same.
    """
    axes = np.argsort(-np.abs(factors), axis=1, kind="stable")[:, :2]
    axes = np.concatenate([axes, axes], axis=1)[:, :2] if axes.shape[1] == 1 else axes
    return 2 * axes + (np.take_along_axis(factors, axes, axis=1) < 0)


def _word(trait: int) -> str:
    """Returns a word of its own for each trait."""
    repeat, index = divmod(trait, len(WORDS))
    return WORDS[index] if repeat == 0 else f"{WORDS[index]}{repeat + 1}"


def _genres(traits: np.ndarray) -> CategoricalListColumn:
    """Returns one or two genres for each item; traits beyond the number of genres share them."""
    genres = np.sort(traits % len(GENRES), axis=1)
    keep = np.ones(genres.shape, bool)
    keep[:, 1] = genres[:, 1] != genres[:, 0]
    offsets = np.concatenate([[0], np.cumsum(keep.sum(axis=1))]).astype(np.int64)
    return CategoricalListColumn(genres[keep].astype(np.int32), offsets, list(GENRES))
