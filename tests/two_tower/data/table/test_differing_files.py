"""Folders of files that differ, and files whose names or bytes tell something."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from tables import COLUMNS, decoded, load

from sweeper.common.errors import DataError
from sweeper.two_tower.config import CsvConfig, FilterConfig, SideTableConfig
from sweeper.two_tower.data.table import csv_dialect
from sweeper.two_tower.data.table import files as table_files
from sweeper.two_tower.data.table.files import find_files
from sweeper.two_tower.data.table.reading import first_rows
from sweeper.two_tower.data.table.roles import column_of

TIMES = [1_700_000_000, 1_700_000_060]


def shards(folder: Path, *tables: dict) -> Path:
    for number, columns in enumerate(tables):
        pa.parquet.write_table(pa.table(columns), folder / f"part-{number}.parquet")
    return folder


def rows(users: list, items: list, **more) -> dict:
    return {"user_id": users, "item_id": items, "when": TIMES, **more}


def test_ids_of_another_type_in_another_shard_stay_apart(tmp_path: Path) -> None:
    place = shards(tmp_path, rows([7, 8], ["a", "b"]), rows(["007", "8"], ["a", "b"]))
    found = load(place)
    assert sorted(set(decoded(found, "user_id"))) == ["007", "7", "8"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2], [1.5, 2.5], [1.0, 2.0, 1.5, 2.5]),
        ([1, 2], ["x", "y"], ["1", "2", "x", "y"]),
        ([None, None], ["x", "y"], ["", "", "x", "y"]),
    ],
)
def test_shards_of_several_types_have_the_common_one(
    tmp_path: Path, first: list, second: list, expected: list
) -> None:
    place = shards(
        tmp_path, rows(["u", "v"], ["a", "b"], x=first), rows(["u", "v"], ["b", "a"], x=second)
    )
    assert decoded(load(place), "x") == expected
    some = first_rows(find_files("data.path", str(place)), CsvConfig())
    assert some.num_rows == 4


@pytest.mark.parametrize("lacking", [0, 1])
def test_a_column_that_one_shard_lacks_is_named(tmp_path: Path, lacking: int) -> None:
    tables = [rows(["u", "v"], ["a", "b"], x=[1, 2]), rows(["u", "v"], ["a", "b"], x=[1, 2])]
    del tables[lacking]["x"]
    with pytest.raises(DataError, match=r"differ in their columns \(x\); must have the same"):
        load(shards(tmp_path, *tables))


def test_numbers_in_one_json_file_and_texts_in_another_are_texts(tmp_path: Path) -> None:
    line = '{{"user_id": {}, "item_id": "{}", "when": 1700000000, "x": {}}}\n'
    (tmp_path / "a.jsonl").write_text(line.format(7, "a", 1) + line.format(8, "b", 2))
    (tmp_path / "b.jsonl").write_text(line.format('"u"', "a", '"x"') + line.format('"8"', "b", 3))
    said: list[str] = []
    found = load(tmp_path, said.append)
    assert decoded(found, "x") == ["1", "2", "x", "3"]
    assert decoded(found, "user_id") == ["7", "8", "u", "8"]
    assert "x: texts, as its type differs between the files: int64 and string" in said


def test_a_tab_lies_between_the_values_of_tsv(tmp_path: Path) -> None:
    text = "user_id\titem_id\twhen\nu\ta,b\t1700000000\nv\tc\t1700000001\n"
    (tmp_path / "r.tsv").write_text(text)
    assert decoded(load(tmp_path / "r.tsv"), "item_id") == ["a,b", "c"]
    assert first_rows(find_files("data.path", str(tmp_path)), CsvConfig()).num_columns == 3


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    place = tmp_path / "r.csv"
    place.write_bytes("user_id,item_id,when,prénom\nu,a,1,b\nv,b,2,c\n".encode("latin-1"))
    for read in (
        lambda: load(place),
        lambda: first_rows(find_files("data.path", str(place)), CsvConfig()),
    ):
        with pytest.raises(DataError, match=r"r.csv, line 1: is not UTF-8"):
            read()


@pytest.mark.parametrize("name", ["r.csv", "r.parquet", "r.jsonl"])
def test_an_empty_file_is_told_as_such(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match="is empty; must have at least one row"):
        load(tmp_path / name)


def test_a_line_of_names_alone_has_no_row(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,when\n")
    with pytest.raises(DataError, match=r"r\.csv has no row; must have at least one"):
        first_rows(find_files("data.path", str(tmp_path / "r.csv")), CsvConfig())


def test_times_may_be_decimals_and_have_nanoseconds(tmp_path: Path) -> None:
    times = [Decimal("1700000000"), Decimal("1700000060")]
    place = shards(tmp_path, rows(["u", "v"], ["a", "b"]) | {"when": times})
    assert decoded(load(place), "when") == TIMES
    (tmp_path / "r.csv").write_text(
        "user_id,item_id,when\nu,a,2023-11-14T22:13:20.123456789Z\nv,b,2023-11-14 22:14:20\n"
    )
    assert decoded(load(tmp_path / "r.csv"), "when") == TIMES


def test_a_row_is_counted_in_the_file_whatever_was_dropped(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,when,age\n,a,1,3\nu,a,1,4\nv,b,2,\n")
    filters = {"filter": FilterConfig(missing_values="drop")}
    with pytest.raises(DataError, match="'age' has 1 missing numbers, the first in row 3"):
        load(tmp_path / "r.csv", **filters)
    (tmp_path / "r.csv").write_text("user_id,item_id,when,age\n,a,1,3\nu,a,1,4\nv,b,2,inf\n")
    with pytest.raises(DataError, match="'age', row 3: got inf; must be finite"):
        load(tmp_path / "r.csv", **filters)


@pytest.mark.parametrize("side", ["items", "users"])
def test_a_side_table_of_another_key_may_not_bring_the_ids_as_well(
    tmp_path: Path, side: str
) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,when\nu,a,1\nv,b,2\n")
    name = f"{side[:-1]}_id"
    (tmp_path / "side.csv").write_text(f"sku,{name}\na,x\nb,x\nu,x\nv,x\n")
    table = SideTableConfig(path=str(tmp_path / "side.csv"), key="sku")
    with pytest.raises(DataError, match=f"has the column '{name}', which the interactions"):
        load(tmp_path / "r.csv", **{side: table})


def test_a_column_of_both_tables_may_be_left_out_of_one(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,when,kind\nu,a,1,x\nv,b,2,y\n")
    (tmp_path / "items.csv").write_text("item_id,kind\na,p\nb,q\n")
    items = SideTableConfig(path=str(tmp_path / "items.csv"))
    with pytest.raises(DataError, match=r"'kind'.* or leave it out of data\.columns\.others"):
        load(tmp_path / "r.csv", items=items)
    found = load(tmp_path / "r.csv", items=items, columns=replace(COLUMNS, others=[]))
    assert decoded(found, "kind") == ["p", "q"]


def test_what_spreadsheets_and_programs_write_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,when\nu,a,1\nv,b,2\n", encoding="utf-16")
    with pytest.raises(DataError, match=r"r\.csv: is UTF-16; must be written in UTF-8"):
        load(tmp_path / "r.csv")
    (tmp_path / "r.json").write_text('[{"user_id": "u", "item_id": "a", "when": 1}]')
    with pytest.raises(DataError, match=r"r\.json: is a JSON array; must have an object a line"):
        load(tmp_path / "r.json")


def test_a_column_without_a_value_in_one_json_file_is_one_all_the_same(tmp_path: Path) -> None:
    line = '{{"user_id": "u", "item_id": "{}", "when": 1700000000, "x": {}}}\n'
    for name, value in (("a", "1"), ("b", '"x"'), ("c", "null")):
        (tmp_path / f"{name}.jsonl").write_text(line.format(name, value))
    assert decoded(load(tmp_path), "x") == ["1", "x", ""]


def test_a_file_that_may_not_be_read_is_told_as_such(tmp_path: Path, monkeypatch) -> None:
    def refuse(file: Path) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    path = tmp_path / "rows.csv"
    path.write_text("user_id,item_id,when\nu,a,1700000000\n")
    monkeypatch.setattr(csv_dialect, "opened", refuse)
    with pytest.raises(DataError, match=r"rows.csv: permission denied; allow reading it"):
        load(path)


def test_the_first_json_lines_are_whole_lines_of_the_first_block(
    tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"x": 2}\n{"x": 3}\n')
    files = find_files("data.path", str(tmp_path / "a.jsonl"))
    assert first_rows(files, CsvConfig())["x"].to_pylist() == [1, 2, 3]
    monkeypatch.setattr(table_files, "BLOCK_BYTES", 20)
    assert first_rows(files, CsvConfig())["x"].to_pylist() == [1, 2]


def test_pandas_gap_in_ratings_times_and_weights_is_a_missing_value(tmp_path: Path) -> None:
    nan = float("nan")
    path = tmp_path / "rows.parquet"
    columns = {
        "user_id": ["u"] * 5, "item_id": ["a", "b", "c", "d", "e"],
        "when": [1.0, nan, 3.0, 4.0, 5.0], "stars": [1.0, 2.0, nan, 4.0, 5.0],
        "plays": [1.0, 2.0, 3.0, nan, 5.0],
    }  # fmt: skip
    pyarrow.parquet.write_table(pa.table(columns), path)
    roles = replace(COLUMNS, rating="stars", weight="plays")
    found = load(path, columns=roles, filter=FilterConfig(missing_values="drop"))
    assert decoded(found, "item_id") == ["a", "e"]
    assert found.dropped == {"no when": 1, "no stars": 1, "no plays": 1}


@pytest.mark.parametrize(("key", "name"), [("data.items.path", "items"), ("data.path", "")])
def test_an_error_names_the_keys_of_its_own_table(tmp_path: Path, key: str, name: str) -> None:
    own = f"data.{name}.format" if name else "data.format"
    (tmp_path / "rows.xyz").touch()
    with pytest.raises(DataError, match=rf"or {own} is set to it"):
        find_files(key, str(tmp_path / "rows.xyz"))
    with pytest.raises(DataError) as told:
        column_of(pa.table({"id;year": ["a;1"]}), "id", "data.items.key")
    assert "Is ';' the delimiter? Then give 'data.items.csv.delimiter=\";\"'" in str(told.value)
