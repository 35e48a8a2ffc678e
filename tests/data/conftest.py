"""A made-up MovieLens 100K: the formats are GroupLens's, every row is invented here."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweeper.config import DataConfig
from sweeper.data.columns import CategoricalColumn, CategoricalListColumn, NumericColumn
from sweeper.data.interactions import Interactions, assemble, load_interactions

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


@pytest.fixture(scope="session")
def movielens_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made_up_movielens(tmp_path_factory.mktemp("files") / "ml-100k")


@pytest.fixture(scope="session")
def movielens_zip(movielens_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("zip") / "ml-100k.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("u.data", "u.item", "u.user"):
            file.write(movielens_folder / name, f"ml-100k/{name}")
        file.writestr("ml-100k/README", "not needed")
    return archive


@pytest.fixture(scope="session")
def folder_cache(movielens_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory into which the made-up folder has been loaded; not to be changed."""
    cache = tmp_path_factory.mktemp("cache")
    load_interactions(folder_config(movielens_folder, cache), say=lambda line: None)
    return cache


@pytest.fixture
def cache_copy(folder_cache: Path, tmp_path: Path) -> Path:
    """A copy of `folder_cache` that a test may damage."""
    return Path(shutil.copytree(folder_cache, tmp_path / "cache"))


def folder_config(source: Path | str, cache: Path) -> DataConfig:
    return DataConfig(name="movielens_100k", source=str(source), cache_dir=str(cache))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def say(said: list[str]) -> Callable[[str], None]:
    return said.append
