"""Tables of items and users: joined by key, with a policy for what they lack."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tables import decoded, load, write_csv, write_parquet

from sweeper.common.errors import DataError
from sweeper.two_tower.config import CsvConfig, FilterConfig, SideTableConfig
from sweeper.two_tower.data.columns import CategoricalListColumn

ROWS = pa.table({"user_id": ["u", "v", "u"], "item_id": ["a", "b", "z"], "when": [1, 2, 3]})
ITEMS = "item_id,title,year,genres\nb,Two,2002,x|y\na,One,2001,\nc,Three,2003,y\n"
USERS = "name;age\nv;30\nu;20\nw;99\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_csv(tmp_path, ROWS)


def items(tmp_path: Path, text: str = ITEMS, **keys) -> SideTableConfig:
    (tmp_path / "items.csv").write_text(text)
    return SideTableConfig(path=str(tmp_path / "items.csv"), **keys)


def test_items_that_no_row_has_are_candidates_and_unknown_ones_a_choice(
    rows: Path, tmp_path: Path
) -> None:
    table = items(tmp_path, lists={"genres": "|"})
    with pytest.raises(DataError, match=r"1 items of 1 rows are not in .*, such as 'z';"):
        load(rows, items=table)

    dropped = load(rows, items=table, filter=FilterConfig(unknown_items="drop"))
    assert dropped.dropped == {"item not in data.items.path": 1}
    candidates = dropped.candidate_columns
    assert candidates["item_id"].categories == ["a", "b", "c"]
    titles = candidates["title"]
    assert [titles.categories[code] for code in titles.codes] == ["One", "Two", "Three"]
    assert candidates["year"].values.tolist() == [2001, 2002, 2003]
    genres = candidates["genres"]
    assert isinstance(genres, CategoricalListColumn)
    assert (genres.categories, genres.codes.tolist()) == (["x", "y"], [0, 1, 1])
    assert genres.offsets.tolist() == [0, 0, 2, 3]

    with pytest.raises(DataError, match=r"1 items that .*keep keeps have no 'year'"):
        load(rows, items=table, filter=FilterConfig(unknown_items="keep"))
    kept = load(
        rows, items=table, filter=FilterConfig(unknown_items="keep", missing_features="fill")
    )
    assert kept.dropped == {}
    assert kept.candidate_columns["item_id"].categories == ["a", "b", "c", "z"]
    assert decoded(kept, "title") == ["One", "Two", ""]
    assert decoded(kept, "year") == [2001, 2002, 2002]
    assert kept.candidate_columns["genres"].offsets.tolist() == [0, 0, 2, 3, 3]


def test_users_are_joined_to_their_rows_by_a_key_of_another_name(
    rows: Path, tmp_path: Path
) -> None:
    (tmp_path / "users.csv").write_text(USERS)
    users = SideTableConfig(path=str(tmp_path / "users.csv"), key="name", csv=CsvConfig(";"))
    interactions = load(rows, users=users)
    assert decoded(interactions, "age") == [20, 30, 20]
    assert interactions.query_columns["user_id"].categories == ["u", "v"]

    (tmp_path / "users.csv").write_text("name;age\nv;30\n")
    rows = write_csv(tmp_path, pa.concat_tables([ROWS, ROWS.slice(1, 1)]))
    rows.write_text(rows.read_text() + '"v","c",9\n')
    with pytest.raises(DataError, match=r"1 users of 2 rows are not in .*, such as 'u';"):
        load(rows, users=users)
    dropped = load(rows, users=users, filter=FilterConfig(unknown_users="drop"))
    assert dropped.dropped == {"user not in data.users.path": 2}


def test_a_catalogue_of_numbers_meets_ids_of_numbers(tmp_path: Path) -> None:
    """The one is CSV, where an id is a text; the other Parquet, where it is a number."""
    rows = pa.table({"user_id": [1, 2], "item_id": [10, 7], "when": [1, 2]})
    table = items(tmp_path, "item_id,title\n7,Seven\n10,Ten\n")
    assert decoded(load(write_parquet(tmp_path, rows), items=table), "title") == ["Ten", "Seven"]


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("item_id,title\na,A\nb,B\na,C\nz,Z\na,D\n", {}, r"1 keys are .*'item_id'.*: 'a' 3 times;"),
        ("item_id,title\na,A\n,B\n", {}, r"'item_id' has 1 missing keys, the first in row 2"),
        ("id,title\na,A\n", {}, r"data.items.key: got 'item_id'; must be one of id, title"),
        ("item_id,title\na,A\n", {"key": "itemid"}, r"got 'itemid'.* Did you mean 'item_id'\?"),
        ("item_id,when\na,A\nb,B\nz,Z\n", {}, r"has the column 'when', which the interactions"),
        ("item_id,year\na,1\nb,\nz,3\n", {}, r"'year' has 1 missing numbers, the first in row 2"),
        ("item_id,year\na,1\nb,inf\nz,3\n", {}, r"'year', row 2: got inf; must be finite"),
        ("item_id,title\na,A\n", {"lists": {"genre": "|"}}, r"data.items.lists: got 'genre'"),
        ("item_id,year\na,1\nb,2\nz,3\n", {"lists": {"year": "|"}}, r"only texts are split"),
        ("item_id,title\n", {}, r"has no row"),
    ],
)
def test_a_catalogue_that_is_wrong(
    text: str, keys, message: str, rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message) as told:
        load(rows, items=items(tmp_path, text, **keys))
    assert "data.items" in str(told.value)


def test_missing_numbers_are_filled_with_the_mean_of_the_others(rows: Path, tmp_path: Path) -> None:
    said: list[str] = []
    table = items(tmp_path, "item_id,year\na,1\nb,\nz,5\n")
    interactions = load(
        rows, said.append, items=table, filter=FilterConfig(missing_features="fill")
    )
    assert decoded(interactions, "year") == [1, 3, 5]
    assert "items: year: numbers, 1 to 5, 1 missing" in said
