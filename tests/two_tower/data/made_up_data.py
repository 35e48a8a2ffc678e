"""A made-up MovieLens 100K: the formats are GroupLens's, every row is invented here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble

NUM_USERS, NUM_MOVIES, NUM_RATINGS = 12, 9, 60


def write_made_up_movielens(folder: Path) -> Path:
    """Twelve users, nine movies (two of one title, one with a letter outside ASCII)."""
    folder.mkdir(parents=True)
    titles = [f"Invented Film {number} (2001)" for number in range(1, NUM_MOVIES - 1)]
    titles += ["Été (2002)", "Invented Film 1 (2001)"]
    movies = []
    for number, title in enumerate(titles, start=1):
        genres = ["1" if index in (number, number + 3) else "0" for index in range(19)]
        movies.append("|".join([str(number), title, "01-Jan-2001", "", "", *genres]))
    users = [
        f"{number}|{15 + 3 * number}|{'MF'[number % 2]}|artist|0000{number}"
        for number in range(1, NUM_USERS + 1)
    ]
    ratings = []
    for row in range(NUM_RATINGS):
        user, movie = row % NUM_USERS + 1, row * 5 % NUM_MOVIES + 1
        ratings.append(f"{user}\t{movie}\t{row % 5 + 1}\t{1_000_000_000 + 60 * row}")
    for name, lines in (("u.item", movies), ("u.user", users), ("u.data", ratings)):
        (folder / name).write_bytes("".join(f"{line}\n" for line in lines).encode("latin-1"))
    return folder


def small_interactions(
    users: list[int], items: list[int], timestamps: list[int] | None = None
) -> Interactions:
    """Interactions of these users and items; without timestamps, in order of time."""
    if timestamps is None:
        timestamps = list(range(len(users)))
    num_users, num_items = max(users) + 1, max(items) + 1
    titles = [f"title {index:03d}" for index in range(num_items)]
    genres = CategoricalListColumn(
        np.zeros(num_items, np.int32), np.arange(num_items + 1), ["drama"]
    )
    return assemble(
        query_columns={
            "user_id": CategoricalColumn(
                np.array(users, np.int32), [f"user {index:03d}" for index in range(num_users)]
            ),
            "timestamp": NumericColumn(np.array(timestamps, np.int64)),
        },
        items=np.array(items, np.int32),
        candidate_columns={
            "movie_title": CategoricalColumn(np.arange(num_items, dtype=np.int32), titles),
            "movie_genres": genres,
        },
        source="made in a test",
    )


def folder_config(source: Path | str, cache: Path) -> DataConfig:
    return DataConfig(name="movielens_100k", source=str(source), cache_dir=str(cache))
