"""Whatever a user's table has become: it is read, or an error says why not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from bounds import bounded
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nasty import NASTY_NUMBERS, NASTY_TEXTS, OFTEN, damages, made_new

from sweeper.common.errors import ConfigError, DataError
from sweeper.two_tower.config import ColumnsConfig, DataConfig, SideTableConfig
from sweeper.two_tower.data.loading import load_interactions

ROWS = [
    {
        "user": f"u{n}",
        "item": f"i{n % 7}",
        "when": 1_600_000_000 + n,
        "stars": n % 5,
        "w": n / 4,
    }
    for n in range(40)
]


def original(name: str) -> bytes:
    if name == "t.parquet":
        sink = pa.BufferOutputStream()
        pa.parquet.write_table(pa.Table.from_pylist(ROWS), sink)
        return sink.getvalue().to_pybytes()
    if name.startswith("t.jsonl"):
        text = "".join(json.dumps(row) + "\n" for row in ROWS)
    else:
        lines = [",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)]
        text = "\n".join(lines) + "\n"
    return gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()


def check(path: Path) -> int:
    """As interactions with every role, and as a table of items; in how many ways it was read."""
    ways = 0
    columns = ColumnsConfig("user", "item", "when", "stars", "w")
    cache = str(path.parent / "cache")
    config = DataConfig(name="table", path=str(path), columns=columns, cache_dir=cache)
    items = DataConfig(
        name="table", path=str(path.parent / "rows.csv"),
        columns=ColumnsConfig("who", "what", None),
        items=SideTableConfig(path=str(path), key="user"), cache_dir=cache,
    )  # fmt: skip
    items.filter.unknown_items = "keep"
    (path.parent / "rows.csv").write_text("who,what\nx,u1\nx,u2\n")
    for each in (config, items):
        try:
            with bounded(20, gigabytes=4):
                read = load_interactions(each, lambda line: None)
        except (DataError, ConfigError) as error:
            assert len(str(error)) < 2_000  # noqa: PT017, whether it is raised depends
            continue
        ways += 1
        assert len(read) > 0
        assert read.weights is None or (np.isfinite(read.weights) & (read.weights >= 0)).all()
    return ways


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_what_is_damaged_below_can_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(original(name))
    assert check(tmp_path / name) == 2


NAMES = ["t.csv", "t.csv.gz", "t.jsonl", "t.jsonl.gz", "t.parquet"]


@settings(max_examples=60, **OFTEN)
@given(st.sampled_from(NAMES), damages())
@example("t.csv", lambda content: content.replace(b"1600000000", b"9" * 400))
@example("t.csv", lambda content: content.replace(b"1600000000", b"12:30"))
@example("t.csv", lambda content: content.replace(b",when,", b",when,when,"))
@example("t.csv", lambda content: content.decode().encode("utf-16"))
@example("t.jsonl", lambda content: content.replace(b"1600000000", b'{"a":[]}'))
@example("t.jsonl", lambda content: b"[" * 100_000)
def test_a_table_of_other_bytes(tmp_path: Path, name: str, damage) -> None:
    path = made_new(tmp_path / "work") / name
    path.write_bytes(damage(original(name)))
    check(path)


cells = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NASTY_NUMBERS), st.sampled_from(NASTY_TEXTS),
    st.lists(st.integers(0, 3), max_size=2), st.dictionaries(st.just("a"), st.integers(0, 3)),
)  # fmt: skip


@settings(max_examples=80, **OFTEN)
@given(st.lists(st.tuples(st.integers(0, 39), st.sampled_from(list(ROWS[0])), cells), max_size=3))
def test_json_lines_of_other_values(tmp_path: Path, changes) -> None:
    rows = [dict(row) for row in ROWS]
    for index, column, value in changes:
        rows[index][column] = value
    path = made_new(tmp_path / "work") / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    check(path)


KINDS = [
    pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.string(), pa.large_string(), pa.binary(),
    pa.bool_(), pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("s", "UTC"),
    pa.time32("s"), pa.duration("s"), pa.decimal128(20, 2), pa.null(), pa.list_(pa.string()),
    pa.list_(pa.float32()),
    pa.struct([("a", pa.int64())]), pa.dictionary(pa.int8(), pa.string()), pa.binary(4),
    pa.large_list(pa.string()), pa.list_(pa.string(), 2), pa.map_(pa.string(), pa.int8()),
    pa.dictionary(pa.int8(), pa.int64()), pa.string_view(),
]  # fmt: skip


@pytest.mark.parametrize("column", ROWS[0])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_parquet_with_a_column_of_any_type(tmp_path: Path, column: str, kind: pa.DataType) -> None:
    """With values of the type's own, made from zeros, and with none at all."""
    table = pa.Table.from_pylist(ROWS)
    zeros = pa.nulls(len(ROWS), kind)
    try:
        zeros = pa.array([0] * len(ROWS)).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        zeros = pa.array([None, *([{"a": 1}] if pa.types.is_struct(kind) else [None])] * 20, kind)
    for array in (zeros, pa.nulls(len(ROWS), kind)):
        path = made_new(tmp_path / "work") / "t.parquet"
        index = table.column_names.index(column)
        try:
            pa.parquet.write_table(table.set_column(index, column, array), path)
        except pa.ArrowNotImplementedError:
            pytest.skip("Parquet has no such type")
        check(path)
