"""Fixtures of made-up MovieLens files, written and loaded once a session."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_data import folder_config, write_made_up_movielens

from sweeper.two_tower.data.loading import load_interactions


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
def said() -> list[str]:
    return []


@pytest.fixture
def say(said: list[str]) -> Callable[[str], None]:
    return said.append
