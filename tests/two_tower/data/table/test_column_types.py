"""Columns of every type: read as features, or left out or refused by their names."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from tables import load

from sweeper.common.errors import DataError
from sweeper.two_tower.config import ColumnsConfig, FilterConfig, SideTableConfig
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn, NumericColumn
from sweeper.two_tower.data.table.arrays import plain_table
from sweeper.two_tower.data.table.feature_columns import feature_columns
from sweeper.two_tower.data.table.files import common_type

COLUMNS = ColumnsConfig("user_id", "item_id", None)
CODED = pa.dictionary(pa.int32(), pa.string())
U = UUID("7943326c-f9d2-5609-9584-d3cc0e4499a7")


def write(path: Path, **columns) -> Path:
    """Two rows with these columns."""
    table = pa.table({"user_id": ["u", "v"], "item_id": ["a", "b"], **columns})
    pyarrow.parquet.write_table(table, path)
    return path


def values(column) -> list:
    if isinstance(column, NumericColumn):
        return column.values.tolist()
    words = [column.categories[code] for code in column.codes]
    if isinstance(column, CategoricalColumn):
        return words
    return [words[a:b] for a, b in zip(column.offsets, column.offsets[1:], strict=False)]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([U.bytes, None], pa.binary(16)), [str(U), ""]),
        (pa.array([b"x", "ü".encode()], pa.binary()), ["x", "ü"]),
        (pa.array([b"xy", b"zz"], pa.binary(2)), ["xy", "zz"]),
        (pa.array(["x", None], pa.string_view()), ["x", ""]),
        (pa.array(["x", None], pa.large_string()), ["x", ""]),
        (pa.array(["x", None]).dictionary_encode(), ["x", ""]),
        (pa.array([b"x", None], pa.binary()).dictionary_encode(), ["x", ""]),
        (pa.RunEndEncodedArray.from_arrays([2], ["x"]), ["x", "x"]),
        (pa.array([2**64 - 1, 3], pa.uint64()), [2.0**64, 3.0]),
        (pa.array([2**63 - 1, 3], pa.uint64()), [2**63 - 1, 3]),
        (pa.array(np.array([0.5, 2], np.float16)), [0.5, 2.0]),
        (pa.array([Decimal("1.50"), Decimal("2")]), [1.5, 2.0]),
        (pa.array([Decimal("1.50"), Decimal("2")], pa.decimal256(60, 20)), [1.5, 2.0]),
        (pa.array([timedelta(seconds=90), timedelta(milliseconds=-500)]), [90, -0.5]),
        (pa.array([90, 91], pa.duration("s")), [90, 91]),
        (pa.array([True, None]), ["True", ""]),
        (pa.array([["x", "y"], None], pa.list_(pa.string())), [["x", "y"], []]),
        (pa.array([["x", "y"], None], pa.large_list(pa.large_string())), [["x", "y"], []]),
        (pa.array([["x", "y"], ["z", "x"]], pa.list_(pa.string(), 2)), [["x", "y"], ["z", "x"]]),
        (pa.array([["x", "y"], None], pa.list_view(pa.string())), [["x", "y"], []]),
        (pa.array([[2**64 - 1], []], pa.list_(pa.uint64())), [[str(2**64 - 1)], []]),
        (pa.array([["x"], ["y"]], pa.list_(CODED)), [["x"], ["y"]]),
        (pa.array([None, None]), ["", ""]),
    ],
)  # fmt: skip
def test_what_features_are_made_of(array, expected: list) -> None:
    table = plain_table(pa.table({"x": array}))
    said: list[str] = []
    found = feature_columns(table, ["x"], "error", said.append, {})
    assert values(found["x"]) == expected
    assert said[0].startswith("x: ")


NO_FEATURES = {
    "struct": pa.array([{"a": 1}, None]),
    "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    "list of structs": pa.array([[{"a": 1}], []]),
    "list of floats": pa.array([[0.5], []]),
    "vector": pa.array([[0.5, 1.0]] * 2, pa.list_(pa.float32(), 2)),
    "picture": pa.array([b"\xff\xd8", b"\x00"], pa.binary()),
    "hour": pa.array([time(1), time(2)]),
}


@pytest.mark.parametrize("name", NO_FEATURES)
def test_other_columns_are_left_out_by_name_of_both_tables(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    path = write(tmp_path / "r.parquet", **{name: NO_FEATURES[name]})
    found = load(path, said.append, columns=COLUMNS)
    assert list(found.query_columns) == ["user_id"]
    assert any(line.startswith(f"{name}: ") and "is left out: no feature" in line for line in said)
    rows = write(tmp_path / "rows.parquet")
    table = pa.table({"item_id": ["a", "b"], name: NO_FEATURES[name]})
    pyarrow.parquet.write_table(table, tmp_path / "items.parquet")
    items = SideTableConfig(path=str(tmp_path / "items.parquet"))
    found = load(rows, said.append, columns=COLUMNS, items=items)
    assert list(found.candidate_columns) == ["item_id"]
    assert any(line.startswith(f"items: {name}: ") for line in said)


def test_a_value_that_cannot_be_read_names_its_column(tmp_path: Path) -> None:
    text = pa.array([b"u", b"\xff"]).view(pa.string())
    with pytest.raises(DataError, match=r"r\.parquet\): the column 'note': a value can't be read"):
        load(write(tmp_path / "r.parquet", note=text), columns=COLUMNS)


def test_large_numbers_with_gaps_are_filled(tmp_path: Path) -> None:
    path = write(tmp_path / "r.parquet", x=pa.array([2**53 + 1, None]))
    found = load(path, columns=COLUMNS, filter=FilterConfig(missing_features="fill"))
    assert values(found.query_columns["x"]) == [2.0**53, 2.0**53]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            ["1", "2", "1,234"],
            "3 different words; not numbers, as row 4 has '1,234' (2 values are num",
        ),
        (
            ["12%", "3", "4.5e1"],
            "3 different words; not numbers, as row 2 has '12%' (2 values are numb",
        ),
        (
            ["007", "8", "n/a?", ""],
            "4 different words; not numbers, as row 4 has 'n/a?' (2 values are",
        ),
        (["a", "b", "1"], "3 different words"),
        (["a", "1"], "2 different words"),
        (["1", "NA", "nan"], "numbers, 1 to 1, 2 missing"),
    ],
)
def test_numbers_that_become_words_are_told_with_the_row(
    cells: list[str], told: str, tmp_path: Path
) -> None:
    """Rows are those of the file: the first is dropped."""
    lines = "".join(f'u,i{row},"{cell}"\n' for row, cell in enumerate(cells))
    (tmp_path / "r.csv").write_text(f"user_id,item_id,x\n,i0,5\n{lines}")
    said: list[str] = []
    filters = FilterConfig(missing_values="drop", missing_features="fill")
    load(tmp_path / "r.csv", said.append, columns=COLUMNS, filter=filters)
    line = next(line for line in said if line.startswith("x: "))
    assert line.startswith(f"x: {told}")
    assert ("no numbers" in line) == ("no numbers" in told)


@pytest.mark.parametrize(
    ("types", "common"),
    [
        ([pa.int32(), pa.int64()], pa.int64()),
        ([pa.int64(), pa.uint64()], pa.float64()),
        ([pa.uint8(), pa.uint64()], pa.uint64()),
        ([pa.decimal128(10, 2), pa.decimal128(12, 2)], pa.decimal128(12, 2)),
        ([pa.timestamp("us"), pa.timestamp("ns")], pa.timestamp("ns")),
        ([pa.string(), pa.large_string()], pa.large_string()),
        ([pa.dictionary(pa.int32(), pa.string()), pa.string()], pa.string()),
        ([pa.null(), pa.int64()], pa.int64()),
        ([pa.int64(), pa.string()], None),
        ([pa.bool_(), pa.int64()], None),
        ([pa.int64(), pa.timestamp("us")], None),
    ],
)
def test_the_type_that_files_have_in_common(types: list[pa.DataType], common) -> None:
    assert common_type(types) == common
    assert common_type(types[::-1]) == common


def test_shards_of_several_units_and_widths_stay_numbers_and_times(tmp_path: Path) -> None:
    moment = datetime(2024, 5, 31)
    write(
        tmp_path / "0.parquet", x=pa.array([Decimal("1.50"), Decimal("2.00")]),
        when=pa.array([moment] * 2, pa.timestamp("us")), n=pa.array([1, 2]),
        tags=pa.array([["x"], []]), m=pa.array(["a", "b"]),
    )  # fmt: skip
    write(
        tmp_path / "1.parquet", x=pa.array([Decimal("1000.25"), None]),
        when=pa.array([moment] * 2, pa.timestamp("ns")), n=pa.array([2**64 - 1, 1], pa.uint64()),
        tags=pa.array([["y"], None], pa.large_list(pa.string())), m=pa.array([1, 2]),
    )  # fmt: skip
    said: list[str] = []
    found = load(
        tmp_path, said.append, columns=COLUMNS, filter=FilterConfig(missing_features="fill")
    )
    query = found.query_columns
    assert values(query["x"])[:3] == [1.5, 2.0, 1000.25]
    assert values(query["when"]) == [1_717_113_600] * 4
    assert values(query["n"]) == [1.0, 2.0, 2.0**64, 1.0]
    assert isinstance(query["tags"], CategoricalListColumn)
    assert values(query["tags"]) == [["x"], [], ["y"], []]
    assert values(query["m"]) == ["a", "b", "1", "2"]
    assert "m: texts, as its type differs between the files: string and int64" in said
