"""Ids are the texts that are written, whatever else is in their column, table or file."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import decoded, load

from sweeper.common.errors import DataError
from sweeper.two_tower.config import ColumnsConfig, FilterConfig, SideTableConfig
from sweeper.two_tower.data.table.arrays import plain_column
from sweeper.two_tower.data.table.json_lines import read_json_lines
from sweeper.two_tower.data.table.roles import ids

COLUMNS = ColumnsConfig("user_id", "item_id", None)
LIKE_OTHERS = [
    "NULL", "null", "nan", "NaN", "NA", "n/a", "None", "1,234", "12%", "007", "7", "7.0", "1e5",
    "True", "true", "2020-01-13", "2020-01-13 00:00:00", "0x1F", "-0", "1_000", " 7", "#N/A", "-",
]  # fmt: skip


def write(folder: Path, name: str, values: list[str], start: int = 0) -> Path:
    """A table of these items; users are numbers."""
    rows = [{"user_id": start + row, "item_id": value} for row, value in enumerate(values)]
    path = folder / name
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        lines = [f'{row["user_id"]},"{row["item_id"]}"\n' for row in rows]
        path.write_text("user_id,item_id\n" + "".join(lines))
    return path


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
@pytest.mark.parametrize("reverse", [False, True])
def test_texts_that_look_like_something_else_are_ids(
    name: str, reverse: bool, tmp_path: Path
) -> None:
    values = LIKE_OTHERS[::-1] if reverse else LIKE_OTHERS
    found = load(write(tmp_path, name, values), columns=COLUMNS)
    assert decoded(found, "item_id") == values
    assert decoded(found, "user_id") == [str(row) for row in range(len(values))]
    catalogue = "item_id,genre\n" + "".join(f'"{value}",x\n' for value in LIKE_OTHERS)
    (tmp_path / "items.csv").write_text(catalogue)
    items = SideTableConfig(path=str(tmp_path / "items.csv"))
    joined = load(tmp_path / name, columns=COLUMNS, items=items)
    assert decoded(joined, "item_id") == values


@pytest.mark.parametrize("end", ["csv", "jsonl", "parquet"])
def test_ids_do_not_change_with_the_file_that_they_are_in(end: str, tmp_path: Path) -> None:
    for place, value in enumerate(LIKE_OTHERS):
        write(tmp_path, f"part-{place:02}.{end}", [value], start=place)
    assert decoded(load(tmp_path, columns=COLUMNS), "item_id") == LIKE_OTHERS


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
def test_only_what_is_empty_is_missing(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, name, ["a", "", "nan", "NULL"])
    found = load(path, columns=COLUMNS, filter=FilterConfig(missing_values="drop"))
    assert decoded(found, "item_id") == ["a", "nan", "NULL"]
    assert found.dropped == {"no item_id": 1}


def json_ids(path: Path, lines: str, name: str = "id") -> list[str | None]:
    path.write_text(lines)
    return read_json_lines(path, [name])[name].to_pylist()


def test_json_numbers_are_texts_as_they_are_written(tmp_path: Path) -> None:
    written = ["1.0", "1", "-2.50", "1e5", "1E+2", "12345678901234567890123", "true", "0.1", "-0"]
    lines = "".join(f'{{"id": {value}, "x": {value}}}\n' for value in written if value != "true")
    lines += (
        '{"x": 1, "id":true}\n{"id"  :\t"a\\u00fc \\"id\\": 7","x": 2}\n{"id": null}\n{"x":3}\n'
    )
    found = json_ids(tmp_path / "r.jsonl", lines + '{"id": NaN}\n{"id": ""}\n{"id":"NaN"}')
    written.remove("true")
    assert found == [*written, "true", 'aü "id": 7', None, None, None, "", "NaN"]


def test_json_keys_are_found_wherever_they_stand(tmp_path: Path) -> None:
    lines = [
        '{"other": {"id": 1, "deep": [{"id": 2}]}, "id": 3}',
        '{"text": "\\"id\\": 4, \\\\", "id": 5}',
        '{"\\"id": 6, "id": "7", "my id": 8, "id2": 9}',
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    table = read_json_lines(tmp_path / "r.jsonl", ["id"])
    assert table["id"].to_pylist() == ["3", "5", "7"]
    assert table["text"].to_pylist() == [None, '"id": 4, \\', None]
    assert table['"id'].to_pylist() == [None, None, 6]
    name = 'ключ "x" (a+b)'
    lines = [json.dumps({name: 1}), json.dumps({name: 2}, ensure_ascii=False)]
    assert json_ids(tmp_path / "r.jsonl", "\n".join(lines), name) == ["1", "2"]


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.text(st.characters(blacklist_categories=("Cs",)), max_size=8),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.booleans(),
            st.none(),
        ),
        min_size=1,
        max_size=8,
    ),
    ascii_=st.booleans(),
)
def test_any_json_value_is_an_id_as_written(values, ascii_, tmp_path_factory) -> None:
    rows = [{"a": place, "id": value, "z": "id"} for place, value in enumerate(values)]
    lines = "".join(json.dumps(row, ensure_ascii=ascii_) + "\n" for row in rows)
    found = json_ids(tmp_path_factory.getbasetemp() / "any.jsonl", lines)
    texts = [v if isinstance(v, str) or v is None else json.dumps(v) for v in values]
    assert found == texts


U = UUID("7943326c-f9d2-5609-9584-d3cc0e4499a7")
V = UUID("00000000-0000-0000-0000-0000000000ff")
BYTES = [U.bytes, None, V.bytes]
UUIDS = [str(U), None, str(V)]


def extension(storage: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (extension(pa.array(BYTES, pa.binary(16))), UUIDS),
        (
            extension(pa.array([b"sixteen letters!"], pa.binary(16))),
            [str(UUID(bytes=b"sixteen letters!"))],
        ),
        (pa.array(BYTES, pa.binary(16)), UUIDS),
        (pa.array(BYTES, pa.binary()), UUIDS),
        (pa.array(BYTES, pa.binary_view()), UUIDS),
        (pa.array(BYTES, pa.binary()).dictionary_encode(), UUIDS),
        (pa.array([b"sixteen letters!"], pa.binary(16)), ["sixteen letters!"]),
        (pa.array(["ü".encode(), b""], pa.binary()), ["ü", None]),
        (pa.array([b"a", b"b"], pa.large_binary()), ["a", "b"]),
        (pa.array(["a", None, "a"], pa.string_view()), ["a", None, "a"]),
        (pa.array(["a", None], pa.large_string()).dictionary_encode(), ["a", None]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]), ["a", "a", "b"]),
        (pa.array([2**64 - 1, 0, None], pa.uint64()), ["18446744073709551615", "0", None]),
        (pa.array([-(2**63), 2**63 - 1]), ["-9223372036854775808", "9223372036854775807"]),
        (pa.array([7, None], pa.int8()), ["7", None]),
        (pa.array([7.0, float("nan"), None, -0.0]), ["7", None, None, "0"]),
        (pa.array(np.array([7, 2047], np.float16)), ["7", "2047"]),
        (pa.array([Decimal("7.00"), Decimal("-12.00"), None]), ["7", "-12", None]),
        (pa.array([Decimal(10**37)], pa.decimal128(38, 0)), [str(10**37)]),
        (pa.array([Decimal("7.0")], pa.decimal256(50, 10)), ["7"]),
        (pa.array([date(2020, 1, 13), None]), ["2020-01-13", None]),
        (pa.array([date(2020, 1, 13)], pa.date64()), ["2020-01-13"]),
        (pa.array([True, None]), ["true", None]),
        (pa.array([None, None]), [None, None]),
        (pa.array([], pa.string_view()), []),
    ],
)
@pytest.mark.parametrize("chunks", [1, 2])
def test_ids_of_every_type_that_has_a_text(array: pa.Array, texts: list, chunks: int) -> None:
    column = pa.chunked_array([array] * chunks)
    assert ids(plain_column(column), "id").to_pylist() == texts * chunks


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (pa.array([b"a", b"\xff"], pa.binary()), "'id' has the type binary; ids must be texts, wh"),
        (pa.array([[1]]), "'id' has the type list<item: int64>; ids must be"),
        (pa.array([{"a": 1}]), "'id' has the type struct<a: int64>; ids must be"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "'id' has the type map<string"),
        (pa.array([datetime(2020, 1, 13)]), r"'id' has the type timestamp\[us\]; ids must be"),
        (pa.array([1], pa.duration("s")), r"'id' has the type duration\[s\]; ids must be"),
        (pa.array([1], pa.time32("s")), r"'id' has the type time32\[s\]; ids must be"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "'id' has the type month_day_nano"),
        (pa.array([1.0, 2.5]), r"'id', row 2: got 2\.5; ids must be texts or whole numbers"),
        (pa.array([1.0, 2.0**53]), r"'id', row 2: got 9.*; .*numbers below 9,007,199,"),
        (pa.array([2.0**24], pa.float32()), r"'id', row 1: got 16777216.0; .*below 16,777,216 in"),
        (pa.array(np.array([2048], np.float16)), "'id', row 1: got 2048.0; .*below 2,048"),
        (pa.array([float("inf")]), "'id', row 1: got inf; ids must be"),
        (pa.array([Decimal("1.00"), Decimal("1.50")]), r"'id', row 2: got 1\.50; ids must be"),
        (pa.array([b"\xff"]).view(pa.string()), "'id': a value can't be read: .*UTF8"),
    ],
)
def test_ids_of_other_types_are_refused_by_the_columns_name(array: pa.Array, words: str) -> None:
    with pytest.raises(DataError, match=f"^the column {words}"):
        ids(plain_column(pa.chunked_array([array])), "id")


def test_large_ids_of_shards_with_and_without_gaps_stay_apart(tmp_path: Path) -> None:
    """Pandas makes whole numbers floats where some are missing: one float for both of these."""
    shards = [pa.array([2**53, 2**53 + 1]), pa.array([7.0, None]), pa.array(["7", "007"])]
    for place, users in enumerate(shards):
        table = pa.table({"user_id": users, "item_id": ["a", "b"]})
        pyarrow.parquet.write_table(table, tmp_path / f"{place}.parquet")
    found = load(tmp_path, columns=COLUMNS, filter=FilterConfig(missing_values="drop"))
    assert decoded(found, "user_id") == [str(2**53), str(2**53 + 1), "7", "7", "007"]
    bad = pa.table({"user_id": [0.5, 1.0], "item_id": ["a", "b"]})
    pyarrow.parquet.write_table(bad, tmp_path / "3.parquet")
    with pytest.raises(DataError, match=r"3\.parquet: the column 'user_id', row 1: got 0\.5; ids"):
        load(tmp_path, columns=COLUMNS)
