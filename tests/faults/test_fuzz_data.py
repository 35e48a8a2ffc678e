"""Whatever an archive, a table or a cache has become: it is read, or an error says why not."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from bounds import bounded
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_up_data import small_interactions, write_made_up_movielens
from nasty import OFTEN, damages, made_new, mutated

from sweeper.common.errors import DataError
from sweeper.two_tower.data.cache import (
    MANIFEST,
    ROWS,
    CacheEntry,
    DamagedCacheError,
    load_or_build,
    read_entry,
)
from sweeper.two_tower.data.movielens import MOVIELENS, find_local_files
from sweeper.two_tower.data.tfds_builder import build_records
from sweeper.two_tower.data.tfds_reader import read_records

DATA_SET = MOVIELENS["movielens_100k"]
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    return write_made_up_movielens(tmp_path_factory.mktemp("data") / "ml-100k")


@settings(max_examples=150, **OFTEN)
@given(st.sampled_from(METHODS), damages())
@example(zipfile.ZIP_DEFLATED, lambda content: content.replace(b"u.data", b"/u.dat"))
@example(
    zipfile.ZIP_LZMA,
    # The size of the dictionary, in the properties of each member.
    lambda content: re.sub(
        rb"(\x05\x00\]).{4}", lambda found: found[1] + b"\xff" * 4, content, flags=re.DOTALL
    ),
)
def test_an_archive_of_other_bytes(tmp_path, files, method, damage):
    work = made_new(tmp_path / "work")
    archive = work / "a.zip"
    with zipfile.ZipFile(archive, "w", method) as opened:
        for path in files.iterdir():
            opened.write(path, f"ml-100k/{path.name}")
    archive.write_bytes(damage(archive.read_bytes()))
    with bounded(20), suppress(DataError):
        find_local_files(DATA_SET, str(archive)).folder(made_new(work / "files"))


def check_table(files: Path, work: Path, name: str, damage: Damage) -> None:
    """As a folder of the user's is read: TFDS's parser, then the encoding."""
    shutil.copytree(files, made_new(work) / "files")
    table = work / "files" / name
    table.write_bytes(damage(table.read_bytes()))
    with bounded(120, gigabytes=8), suppress(DataError):
        found = find_local_files(DATA_SET, str(work / "files")).folder(work)
        built = build_records(DATA_SET, found, "a test", made_new(work / "built"), lambda _: None)
        read = read_records(*built, "a test", lambda _: None)
        assert len(read) > 0
        assert np.isfinite(read.timestamps).all()


TABLES = ["u.data", "u.item", "u.user"]


@settings(max_examples=2, **OFTEN)
@given(st.sampled_from(TABLES), damages())
@example("u.data", lambda content: content.replace(b"1000000000", b"9" * 400))
@example("u.data", lambda content: content.replace(b"1000000000", b"nan"))
@example("u.item", lambda content: content.decode("latin-1").encode("utf-16"))
@example("u.item", lambda content: content.replace(b"Invented", b"${oc.env:HOME}\0<b>"))
def test_a_table_of_other_bytes(tmp_path, files, name, damage):
    check_table(files, tmp_path / "work", name, damage)


@pytest.mark.slow
@settings(max_examples=15, **OFTEN)
@given(st.sampled_from(TABLES), damages())
def test_any_table(tmp_path, files, name, damage):
    check_table(files, tmp_path / "work", name, damage)


def cached(directory: Path) -> Path:
    load_or_build(
        directory, CacheEntry("made_up", "key"),
        lambda: small_interactions([0, 1, 0], [0, 1, 2]), lambda _: None,
    )  # fmt: skip
    return directory / "encoded" / "made_up-key"


def check_entry(place: Path) -> None:
    with bounded(10), suppress(DamagedCacheError):
        read = read_entry(place)
        assert len(read) == 3


@settings(max_examples=60, **OFTEN)
@given(st.sampled_from([ROWS, MANIFEST]), damages())
@example(MANIFEST, lambda content: b"[" * 100_000)
def test_a_cache_of_other_bytes(tmp_path, name, damage):
    place = cached(made_new(tmp_path / "cache"))
    (place / name).write_bytes(damage((place / name).read_bytes()))
    check_entry(place)


@settings(max_examples=60, **OFTEN)
@given(st.data())
def test_a_manifest_of_other_contents(tmp_path, data):
    place = cached(made_new(tmp_path / "cache"))
    tree = data.draw(mutated(json.loads((place / MANIFEST).read_text())))
    (place / MANIFEST).write_text(json.dumps(tree, default=str), errors="replace")
    check_entry(place)
