from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from sweeper.common.errors import DataError
from sweeper.two_tower.data.movielens import MOVIELENS, find_local_files

MOVIELENS_100K = MOVIELENS["movielens_100k"]


def archive_of(path: Path, *members: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for member in members:
            file.writestr(member, "content")
    return path


def test_a_folder_or_its_parent(movielens_folder: Path) -> None:
    for given in (movielens_folder, movielens_folder.parent):
        files = find_local_files(MOVIELENS_100K, str(given))
        assert files.path == movielens_folder.resolve()
        assert files.folder(Path("/not/used")) == files.path


def test_the_home_directory_is_expanded(
    movielens_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(movielens_folder.parent))
    assert find_local_files(MOVIELENS_100K, "~/ml-100k").path == movielens_folder.resolve()


def test_only_the_needed_members_are_extracted(
    movielens_folder: Path, movielens_zip: Path, tmp_path: Path
) -> None:
    folder = find_local_files(MOVIELENS_100K, str(movielens_zip)).folder(tmp_path)
    assert sorted(file.name for file in folder.iterdir()) == ["u.data", "u.item", "u.user"]
    for file in folder.iterdir():
        assert file.read_bytes() == (movielens_folder / file.name).read_bytes()


def test_the_key_changes_with_the_files(movielens_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(movielens_folder, tmp_path / "ml-100k"))
    first = find_local_files(MOVIELENS_100K, str(copy)).key
    assert find_local_files(MOVIELENS_100K, str(copy.parent)).key == first
    os.utime(copy / "u.item", (1, 1))
    assert find_local_files(MOVIELENS_100K, str(copy)).key != first
    assert find_local_files(MOVIELENS_100K, str(movielens_folder)).key != first


def test_no_such_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.source=.*nowhere: there is no such file"):
        find_local_files(MOVIELENS_100K, str(tmp_path / "nowhere"))


def test_not_an_archive(tmp_path: Path) -> None:
    (tmp_path / "ml-100k.zip").write_bytes(b"<html>404</html>")
    with pytest.raises(DataError, match="neither a folder nor a zip archive"):
        find_local_files(MOVIELENS_100K, str(tmp_path / "ml-100k.zip"))


def test_missing_files_are_named(movielens_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(movielens_folder, tmp_path / "ml-100k"))
    (copy / "u.user").unlink()
    with pytest.raises(DataError, match=r"lacks u\.user: MovieLens 100K needs u\.data"):
        find_local_files(MOVIELENS_100K, str(copy))
    archive = archive_of(tmp_path / "a.zip", "ml-100k/u.data")
    with pytest.raises(DataError, match=r"lacks u\.item, u\.user"):
        find_local_files(MOVIELENS_100K, str(archive))


@pytest.mark.parametrize("member", ["../u.data", "/etc/u.data", "a/../../u.data", "..\\u.data"])
def test_members_that_point_outside(member: str, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a.zip", member, "u.item", "u.user")
    with pytest.raises(DataError, match="points outside the archive"):
        find_local_files(MOVIELENS_100K, str(archive))


def test_a_damaged_member(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a.zip", "u.data", "u.item", "u.user")
    archive.write_bytes(archive.read_bytes().replace(b"content", b"altered", 1))
    with pytest.raises(DataError, match="can't be extracted"):
        find_local_files(MOVIELENS_100K, str(archive)).folder(tmp_path)


def test_all_files_are_of_one_release(tmp_path: Path) -> None:
    one_million = MOVIELENS["movielens_1m"]
    names = [f"{folder}/{name}" for folder in ("ml-10m", "ml-1m") for name in one_million.files]
    archive = archive_of(tmp_path / "both.zip", *names)
    found = find_local_files(one_million, str(archive)).members
    assert found == {name: f"ml-1m/{name}" for name in one_million.files}
    others = ["a/ratings.dat", *(f"b/{name}" for name in one_million.files)]
    renamed = archive_of(tmp_path / "renamed.zip", *others)
    assert set(find_local_files(one_million, str(renamed)).members.values()) == {
        f"b/{name}" for name in one_million.files
    }
