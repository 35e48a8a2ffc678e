from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up_data import small_interactions

from sweeper.common.errors import DataError
from sweeper.two_tower.data.cache import (
    CacheEntry,
    DamagedCacheError,
    cache_directory,
    load_or_build,
    read_entry,
)
from sweeper.two_tower.data.columns import CategoricalListColumn, NumericColumn
from sweeper.two_tower.data.interactions import Interactions

ENTRY = CacheEntry("made_up", "key")
INTERACTIONS = small_interactions([0, 1, 0, 2], [3, 1, 0, 2])


def place(cache: Path) -> Path:
    return cache / "encoded" / "made_up-key"


def load(cache: Path, say: Callable[[str], None] = print) -> tuple[Interactions, int]:
    """The interactions, and how many times they had to be built."""
    builds = []

    def build() -> Interactions:
        builds.append(1)
        return INTERACTIONS

    return load_or_build(cache, ENTRY, build, say), len(builds)


def test_what_is_read_equals_what_was_built(tmp_path: Path) -> None:
    for expected_builds in (1, 0):
        loaded, builds = load(tmp_path)
        assert builds == expected_builds
        assert loaded.fingerprint == INTERACTIONS.fingerprint
        assert loaded.source == INTERACTIONS.source
        for name in ("users", "items", "timestamps"):
            expected, found = getattr(INTERACTIONS, name), getattr(loaded, name)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
        assert list(loaded.query_columns) == list(INTERACTIONS.query_columns)
        assert isinstance(loaded.query_columns["timestamp"], NumericColumn)
        assert isinstance(loaded.candidate_columns["movie_genres"], CategoricalListColumn)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def set_format_version(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": 999}))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("rows.arrow", truncate),
        ("rows.arrow", flip_a_bit),
        ("rows.arrow", Path.unlink),
        ("rows.arrow", lambda file: file.write_bytes(b"")),
        ("items.arrow", flip_a_bit),
        ("items.arrow", Path.unlink),
        ("catalogue.arrow", flip_a_bit),
        ("catalogue.arrow", Path.unlink),
        ("manifest.json", truncate),
        ("manifest.json", Path.unlink),
        ("manifest.json", lambda file: file.write_text("[]")),
        ("manifest.json", lambda file: file.write_text('{"format_version": 1}')),
        ("manifest.json", set_format_version),
    ],
)
def test_a_damaged_entry_is_noticed_said_and_built_again(
    name: str, damage: Callable[[Path], None], tmp_path: Path, said: list[str]
) -> None:
    load(tmp_path)
    damage(place(tmp_path) / name)
    with pytest.raises(DamagedCacheError):
        read_entry(place(tmp_path))
    loaded, builds = load(tmp_path, said.append)
    assert builds == 1
    assert loaded.fingerprint == INTERACTIONS.fingerprint
    assert any("is damaged" in line and str(place(tmp_path)) in line for line in said)
    assert load(tmp_path)[1] == 0
    assert {file.name for file in place(tmp_path).iterdir()} == {
        "rows.arrow",
        "items.arrow",
        "catalogue.arrow",
        "manifest.json",
    }


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    partial = place(tmp_path).with_name("made_up-key.partial")
    partial.mkdir(parents=True)
    (partial / "rows.arrow").write_bytes(b"half")
    assert load(tmp_path)[1] == 1
    assert not partial.exists()


def test_a_build_that_fails_leaves_no_entry(tmp_path: Path) -> None:
    def fail() -> Interactions:
        raise DataError("no network")

    with pytest.raises(DataError, match="no network"):
        load_or_build(tmp_path, ENTRY, fail, print)
    assert not place(tmp_path).exists()
    assert load(tmp_path)[1] == 1


def build_slowly_and_count(cache: Path, builds: Path, start: float) -> None:
    def build() -> Interactions:
        with open(builds, "a") as file:
            file.write("built\n")
        time.sleep(1.0)
        return INTERACTIONS

    time.sleep(max(0.0, start - time.time()))
    loaded = load_or_build(cache, ENTRY, build, lambda line: None)
    assert loaded.fingerprint == INTERACTIONS.fingerprint


def test_processes_that_start_together_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (tmp_path / "cache", tmp_path / "builds", time.time() + 2.0)
    processes = [context.Process(target=build_slowly_and_count, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (tmp_path / "builds").read_text() == "built\n"


def test_a_cache_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="SWEEPER_CACHE_DIR") as error:
        load(tmp_path / "file" / "cache")
    assert str(tmp_path / "file" / "cache") in str(error.value)
    assert "data.cache_dir" in str(error.value)


def test_which_cache_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("SWEEPER_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_directory(None) == Path("/home/someone/.cache/sweeper")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_directory(None) == Path("/caches/sweeper")
    monkeypatch.setenv("SWEEPER_CACHE_DIR", "/sweeper")
    assert cache_directory(None) == Path("/sweeper")
    assert cache_directory("~/here") == Path("/home/someone/here")
