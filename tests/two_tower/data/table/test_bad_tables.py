"""Files that are none, and values that aren't what their column says: what, where, what else."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from tables import COLUMNS, ROWS, load, write_gzip, write_parquet

from sweeper.common.errors import DataError
from sweeper.two_tower.config import ColumnsConfig

WEIGHTED = ColumnsConfig("user_id", "item_id", None, "stars", "count")


def refused(path: Path, **keys) -> str:
    with pytest.raises(DataError) as told:
        load(path, **keys)
    return str(told.value)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("u,a,yesterday\n", "'when', row 1: got 'yesterday'; must be an ISO date such as"),
        ("u,a,2024-05-31\nv,b,2024-13-01\n", "'when', row 2: got '2024-13-01'; must be"),
        ("u,a,1\nv,b,soon\n", "'when', row 2: got 'soon'"),
        ("u,a,1\nv,b,inf\n", "'when', row 2: got inf; must be a time"),
        (
            "u,a,1700000000000\nv,b,1700000\n",
            "'when': got 1700000 in row 2 and 1700000000000 in row 1, which by their sizes can't",
        ),
        ("u,a,31/05/2024\nv,b,1\n", "'when', row 1: got '31/05/2024'; must be an ISO date"),
        ("u,a,1\nv,b\n", "can't be read as CSV: CSV parse error: Row #3: Expected 3 columns, got"),
    ],
)
def test_times_that_are_none(rows: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(f"user_id,item_id,when\n{rows}")
    told = refused(tmp_path / "r.csv")
    assert words in told
    assert str(tmp_path / "r.csv") in told


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            "u,a,5,1\nv,b,4,-0.5\n",
            "'count', row 2: got -0.5; must be a number from 0 to 3",
        ),
        ("u,a,5,1\nv,b,4,inf\n", "'count', row 2: got inf; must be a number from"),
        (
            "u,a,5,1\nv,b,4,1e39\n",
            "'count', row 2: got 1e+39; must be a number from 0 to 3.4",
        ),
        ("u,a,5,1\nv,b,many,2\n", "'stars', row 2: got 'many'; must be a number"),
        ("u,a,5,1\nv,b,4,2x\n", "'count', row 2: got '2x'; must be a number"),
        ("u,a,5 stars,1\nv,b,4,2\n", "'stars', row 1: got '5 stars'; must be a number such as"),
        ('u,a,4,1\nv,b,"3,5",2\n', "'stars', row 2: got '3,5'; must be a number such as 4 or 3.5"),
        ("u,a,4,1\nv,b,NaN,2\n", "'stars' has 1 missing values, the first in row 2"),
        ("u,a,4x,1\nv,b,NaN,2\n", "'stars', row 1: got '4x'"),
        ("u,a,4,1\nv,b,-inf,2\n", "'stars', row 2: got -inf; must be a finite number"),
        ("u,a,4,1\nv,b,1e400,2\n", "'stars', row 2: got inf; must be a finite number"),
    ],
)
def test_ratings_and_weights_that_are_none(rows: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(f"user_id,item_id,stars,count\n{rows}")
    assert words in refused(tmp_path / "r.csv", columns=WEIGHTED)


@pytest.mark.parametrize("head", ["userid,item_id,when", ",userid,item_id,when"])
def test_a_column_that_is_missing(head: str, tmp_path: Path) -> None:
    """Those that it may be are listed, which the column without a name is not."""
    (tmp_path / "r.csv").write_text(f"{head}\n{'0,' * head.startswith(',')}u,a,1\n")
    told = refused(tmp_path / "r.csv")
    assert told == (
        "data.columns.user: got 'user_id'; must be one of userid, item_id, when. "
        "Did you mean 'userid'?"
    )


def test_all_columns_that_are_missing_are_told_at_once(tmp_path: Path) -> None:
    columns = ColumnsConfig("usr", "itm", "when")
    lines = refused(write_parquet(tmp_path, pa.table(ROWS)), columns=columns).splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "data.columns.user: got 'usr'",
        "data.columns.item: got 'itm'",
    ]


def test_a_column_without_a_name_is_none_to_choose(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(",user,item_id,when\n0,u,a,1\n1,u,b,2\n")
    told = refused(tmp_path / "r.csv")
    assert "must be one of user, item_id, when. Did you" in told


@pytest.mark.parametrize("key", ["timestamp", "rating", "weight", "others"])
def test_another_column_that_is_missing(key: str, tmp_path: Path) -> None:
    columns = ColumnsConfig("user_id", "item_id", None)
    setattr(columns, key, ["there"] if key == "others" else "there")
    told = refused(write_parquet(tmp_path, pa.table(ROWS)), columns=columns)
    assert told.startswith(f"data.columns.{key}: got 'there'; must be one of ")


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet", "r.csv.gz"])
def test_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert str(tmp_path / name) in refused(tmp_path / name)


def test_a_file_of_names_alone(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,when\n")
    assert "has no row; must have at least one" in refused(tmp_path / "r.csv")


def test_a_truncated_gzip(tmp_path: Path) -> None:
    table = pa.table({**ROWS, "text": [str(hash(name)) * 50 for name in range(6)]})
    path = write_gzip(tmp_path, table)
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path}: can't be read as CSV: " in refused(path)
    path.write_bytes(gzip.compress(b"")[:5])
    assert str(path) in refused(path)


def test_a_parquet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_text("user_id,item_id,when\nu,a,1\n")
    told = refused(tmp_path / "r.parquet")
    assert f"data.path: {tmp_path / 'r.parquet'} can't be read as Parquet: " in told
    whole = write_parquet(tmp_path, pa.table(ROWS))
    whole.write_bytes(whole.read_bytes()[:-30])
    assert "can't be read as Parquet" in refused(whole)


@pytest.mark.parametrize("compress", [None, gzip.compress])
def test_a_text_in_latin_1(compress, tmp_path: Path) -> None:
    data = "user_id,item_id,when\nu,a,1\nv,Été,2\n".encode("latin-1")
    path = tmp_path / ("r.csv.gz" if compress else "r.csv")
    path.write_bytes(compress(data) if compress else data)
    assert refused(path) == (
        f"{path}, line 3: is not UTF-8 (in Latin-1 it reads 'v,Été,2'); must be written in UTF-8"
    )


def test_json_lines_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"user_id": "u", "item_id": "a", "when": 1}\n{"user_id": \n')
    assert f"{path}: can't be read as JSON lines: " in refused(path)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ('"x": 1', '"x": [1]', "'x', row 2: got [1] (list of numbers); must be of type number"),
        ('"x": ["x"]', '"x": [1]', "'x', row 2: got [1] (list of numbers); must be of type list"),
        ('"x": {}', '"x": true', "'x', row 2: got true (truth); must be of type object"),
        (
            '"user_id": "u"',
            '"user_id": ["v"]',
            "'user_id', row 2: got [\"v\"] (list of texts); must",
        ),
        ('"user_id": {"a": 1}', '"user_id": 3', "'user_id', row 1: got {\"a\": 1} (object); must"),
    ],
)
def test_json_columns_of_types_that_no_text_can_stand_for(
    first: str, second: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(f'{{"item_id": "a", {first}}}\n\n{{"item_id": "b", {second}}}\n')
    told = refused(path, columns=ColumnsConfig("user_id", "item_id", None))
    assert f"{path}: the column {words}" in told


def test_ids_that_are_broken_numbers_or_lists(tmp_path: Path) -> None:
    rows = {"user_id": [1.0, 2.5], "item_id": ["a", "b"], "when": [1, 2]}
    told = refused(write_parquet(tmp_path, pa.table(rows)))
    assert "'user_id', row 2: got 2.5; ids must be texts or whole numbers" in told
    rows["user_id"] = [1.0, 2.0**60]
    assert "'user_id', row 2: got 1.152921504606847e+18;" in refused(
        write_parquet(tmp_path, pa.table(rows))
    )
    rows = {"user_id": ["u", "v"], "item_id": [["a"], ["b"]], "when": [1, 2]}
    assert "'item_id' has the type list<element: string>; ids must" in refused(
        write_parquet(tmp_path, pa.table(rows))
    )


def test_a_folder_without_files_or_with_several_formats(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "readme").touch()
    assert f"data.path: got the folder '{folder}', which has no file of a known" in refused(folder)
    (folder / "1.csv").write_text("user_id\nu\n")
    (folder / "2.parquet").touch()
    assert "files of several formats (csv: 1.csv, parquet: 2.parquet)" in refused(folder)


def test_files_with_different_columns(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "1.csv").write_text("user_id,item_id,when\nu,a,1\n")
    (tmp_path / "f" / "2.csv").write_text("user_id,item_id,then\nu,a,1\n")
    assert "differ in their columns (then, when); must have the same" in refused(tmp_path / "f")


def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,item_id\nu,a,b\n")
    told = refused(tmp_path / "r.csv", columns=ColumnsConfig("user_id", "item_id", None))
    assert "several columns of the name 'item_id'" in told


def test_a_name_that_tells_no_format(tmp_path: Path) -> None:
    (tmp_path / "rows.xls").write_text("user_id,item_id,when\nu,a,1\nv,b,2\n")
    assert "whose name doesn't show its format; must end in .csv" in refused(tmp_path / "rows.xls")
    assert len(load(tmp_path / "rows.xls", format="csv", columns=COLUMNS)) == 2


def test_features_and_ids_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(b"user_id,item_id,note\nu,a,fine\nv,b,\xff\xfe\n")
    columns = ColumnsConfig("user_id", "item_id", None)
    assert "r.csv, line 3: is not UTF-8" in refused(tmp_path / "r.csv", columns=columns)
    text = pa.array([b"u", b"\xff"]).view(pa.string())
    path = write_parquet(tmp_path, pa.table({"user_id": text, "item_id": ["a", "b"]}))
    assert f"data.path ({path}): the column 'user_id': a value can't be read: " in refused(
        path, columns=columns
    )
