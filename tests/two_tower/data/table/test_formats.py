"""Every format gives the same interactions, and every value that the table has."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import COLUMNS, ROWS, WRITERS, decoded, load, write_csv, write_parquet

from sweeper.two_tower.config import ColumnsConfig, CsvConfig, DataConfig, FilterConfig
from sweeper.two_tower.data.columns import CategoricalListColumn, NumericColumn
from sweeper.two_tower.data.loading import load_interactions


@pytest.mark.parametrize("write", WRITERS)
def test_a_format_gives_back_what_was_written(write, tmp_path: Path) -> None:
    interactions = load(write(tmp_path, pa.table(ROWS)))
    for name, values in ROWS.items():
        assert decoded(interactions, name) == values
    # Sorted by code point: "007", "7", 'a,"b"\nc', "ü 😀".
    assert interactions.users.tolist() == [0, 3, 1, 0, 2, 1]
    assert interactions.timestamps.tolist() == ROWS["when"]
    assert (interactions.weights, interactions.dropped) == (None, {})


# Texts that CSV can hold: Arrow's writer and reader don't agree on lone carriage returns.
WORDS = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r"), min_size=1, max_size=8
)


@pytest.mark.parametrize("write", WRITERS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(
    rows=st.lists(
        st.tuples(WORDS, WORDS, st.integers(-(2**33), 2**33)), min_size=2, max_size=12
    ).filter(lambda rows: len({row[1] for row in rows}) > 1)
)
def test_nothing_is_lost_in_any_format_nor_in_the_cache(write, rows) -> None:
    users, items, times = map(list, zip(*rows, strict=True))
    table = pa.table({"user_id": users, "item_id": items, "when": times})
    with tempfile.TemporaryDirectory() as folder:
        config = DataConfig(
            name="table",
            path=str(write(Path(folder), table)),
            columns=COLUMNS,
            cache_dir=folder,
            # Lines of a value may happen to have as many commas as a row.
            csv=CsvConfig(quote_char='"'),
            timestamp_unit="seconds",
            filter=FilterConfig(implausible_times="keep"),
        )
        for _ in range(2):  # The second comes from the cache.
            interactions = load_interactions(config, lambda text: None)
            assert decoded(interactions, "user_id") == users
            assert decoded(interactions, "item_id") == items
            assert decoded(interactions, "when") == times


def test_whole_numbers_of_parquet_and_json_are_ids_in_decimal(tmp_path: Path) -> None:
    rows = {"user_id": [10, 9, 10], "item_id": [3, 2**40, 3], "when": [1, 2, 3]}
    (tmp_path / "j").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in pa.table(rows).to_pylist())
    (tmp_path / "j" / "rows.jsonl").write_text(lines)
    for path in (write_parquet(tmp_path, pa.table(rows)), tmp_path / "j"):
        interactions = load(path)
        assert decoded(interactions, "user_id") == ["10", "9", "10"]
        assert decoded(interactions, "item_id") == ["3", str(2**40), "3"]


def test_whole_ids_that_pandas_made_floats_are_whole_again(tmp_path: Path) -> None:
    rows = {"user_id": [12.0, 7.0], "item_id": ["a", "b"], "when": [1, 2]}
    assert decoded(load(write_parquet(tmp_path, pa.table(rows))), "user_id") == ["12", "7"]


def test_the_folders_of_a_partitioned_parquet_are_a_column(tmp_path: Path) -> None:
    table = pa.table({**ROWS, "country": ["de", "fr", "de", "de", "fr", "fr"]})
    pyarrow.dataset.write_dataset(
        table, tmp_path / "all", format="parquet", partitioning=["country"],
        partitioning_flavor="hive",
    )  # fmt: skip
    interactions = load(tmp_path / "all")
    given = list(zip(ROWS["user_id"], ROWS["when"], table["country"].to_pylist(), strict=True))
    found = zip(
        *(decoded(interactions, name) for name in ("user_id", "when", "country")), strict=True
    )
    assert sorted(found) == sorted(given)


def test_a_file_without_names_and_with_another_delimiter(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    interactions = load(
        tmp_path / "u.data",
        columns=ColumnsConfig("user", "item", "time", "stars"),
        csv=CsvConfig("\t", ["user", "item", "stars", "time"]),
    )
    assert decoded(interactions, "user") == ["196", "186"]
    assert interactions.timestamps.tolist() == [881250949, 891717742]


SECONDS = int(datetime(2024, 5, 31, 18, 30, tzinfo=UTC).timestamp())
DAY = int(datetime(2024, 5, 31, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (["2024-05-31", "1969-12-31"], [DAY, -86_400]),
        (["2024-05-31 18:30", "2024-05-31"], [SECONDS, DAY]),
        (["2024-05-31T18:30:00.999", "2024-05-31T18:30:01"], [SECONDS, SECONDS + 1]),
        (["2024-05-31T18:30:00Z", "2024-05-31T20:30:00+02:00"], [SECONDS, SECONDS]),
        (["2024-05-31T18:30:00Z", "2024-05-31 18:30:00"], [SECONDS, SECONDS]),
        ([SECONDS, DAY], [SECONDS, DAY]),
        ([1_000 * SECONDS + 999, 1_000 * DAY], [SECONDS, DAY]),
        ([SECONDS + 0.75, -0.25], [SECONDS, -1]),
        ([str(SECONDS), str(DAY)], [SECONDS, DAY]),
    ],
)
@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_times_are_whole_seconds(write, values, seconds, tmp_path: Path) -> None:
    rows = {"user_id": ["u", "v"], "item_id": ["a", "b"], "when": values}
    assert load(write(tmp_path, pa.table(rows))).timestamps.tolist() == seconds


def test_milliseconds_by_order(tmp_path: Path) -> None:
    rows = pa.table({"user_id": ["u", "v"], "item_id": ["a", "b"], "when": [1_999, 86_400_000]})
    path = write_csv(tmp_path, rows)
    assert load(path, timestamp_unit="milliseconds").timestamps.tolist() == [1, 86_400]
    assert load(path).timestamps.tolist() == [1_999, 86_400_000]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([date(2024, 5, 31), date(1970, 1, 2)]),
        pa.array([datetime(2024, 5, 31), datetime(1970, 1, 2)], pa.timestamp("ns")),
        pa.array(
            [datetime(2024, 5, 31, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)],
            pa.timestamp("ms", "Europe/Berlin"),
        ),
    ],
)
def test_times_of_parquet_are_seconds(values, tmp_path: Path) -> None:
    rows = {"user_id": ["u", "v"], "item_id": ["a", "b"], "when": values}
    assert load(write_parquet(tmp_path, pa.table(rows))).timestamps.tolist() == [DAY, 86_400]


def test_columns_become_words_numbers_and_lists(tmp_path: Path) -> None:
    said: list[str] = []
    rows = pa.table(
        {
            **ROWS,
            "device": ["tv", None, "tv", "web", "web", ""],
            "price": [1, 2, 3, 4, 5, 6],
            "share": [0.5, 1.0, 1.5, 2.0, 2.5, 3.0],
            "is_new": [True, False, True, True, None, False],
            "day": [date(1970, 1, 2)] * 6,
            "tags": [["a", "b"], [], None, ["b"], ["c"], ["a"]],
            "picture": [{"width": 1}] * 6,
        }
    )
    interactions = load(write_parquet(tmp_path, rows), said.append)
    assert decoded(interactions, "device") == ["tv", "", "tv", "web", "web", ""]
    assert decoded(interactions, "price") == [1, 2, 3, 4, 5, 6]
    assert interactions.query_columns["price"].values.dtype == np.int64
    assert decoded(interactions, "share") == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert decoded(interactions, "is_new") == ["True", "False", "True", "True", "", "False"]
    assert decoded(interactions, "day") == [86_400] * 6
    tags = interactions.query_columns["tags"]
    assert isinstance(tags, CategoricalListColumn)
    assert (tags.categories, tags.offsets.tolist()) == (["a", "b", "c"], [0, 2, 2, 2, 3, 4, 5])
    assert tags.codes.tolist() == [0, 1, 1, 2, 0]
    assert "picture" not in interactions.query_columns
    assert "device: 3 different words, 1 missing" in said
    assert "price: whole numbers, 1 to 6" in said
    assert any(line.startswith("picture: struct") and "left out" in line for line in said)


def test_a_column_that_is_text_only_in_later_rows_is_text(tmp_path: Path) -> None:
    """Arrow guesses types by a file's first block, and each file's by itself."""
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "1.csv").write_text("user_id,item_id,code\nu,a,007\nv,b,8\n")
    (folder / "2.csv").write_text("user_id,item_id,code\nu,b,x\n")
    interactions = load(folder, columns=ColumnsConfig("user_id", "item_id", None))
    assert decoded(interactions, "code") == ["007", "8", "x"]
    assert interactions.timestamps is None


def test_only_the_others_that_are_named_are_read(tmp_path: Path) -> None:
    table = pa.table({**ROWS, "device": ["tv"] * 6, "note": ["long"] * 6})
    columns = ColumnsConfig("user_id", "item_id", "when", others=["device"])
    interactions = load(write_csv(tmp_path, table), columns=columns)
    assert list(interactions.query_columns) == ["user_id", "when", "device"]


def test_ratings_and_weights_are_no_features(tmp_path: Path) -> None:
    table = pa.table({**ROWS, "stars": [1, 2, 3, 4, 5, 5], "count": [0, 1, 2.5, 3, 4, 5]})
    columns = ColumnsConfig("user_id", "item_id", "when", "stars", "count")
    interactions = load(write_csv(tmp_path, table), columns=columns)
    assert list(interactions.query_columns) == ["user_id", "when"]
    assert interactions.weights.dtype == np.float32
    assert interactions.weights.tolist() == [0, 1, 2.5, 3, 4, 5]
    assert isinstance(interactions.query_columns["when"], NumericColumn)


def test_the_cache_has_weights_and_what_was_dropped_and_knows_a_changed_file(
    tmp_path: Path,
) -> None:
    table = pa.table({**ROWS, "stars": [1, 2, 3, 4, 5, 5], "count": [0.0, 1, 2, 3, 4, 5]})
    path = write_parquet(tmp_path, table)
    config = DataConfig(
        name="table",
        path=str(path),
        cache_dir=str(tmp_path / "cache"),
        columns=ColumnsConfig("user_id", "item_id", None, "stars", "count"),
    )
    config.filter.min_rating = 2.0
    said: list[str] = []
    first, second = (load_interactions(config, said.append) for _ in range(2))
    assert sum(line.startswith("Reading") for line in said) == 1
    for each in (first, second):
        assert each.dropped == {"rated below 2": 1}
        assert each.weights.tolist() == [1, 2, 3, 4, 5]
        assert (each.timestamps, each.timestamp_column) == (None, None)
    assert first.fingerprint == second.fingerprint
    write_parquet(tmp_path, table.slice(1))
    assert len(load_interactions(config, said.append)) == 5
    assert sum(line.startswith("Reading") for line in said) == 2
    config.filter.min_rating = 4.0
    assert len(load_interactions(config, said.append)) == 3


def test_ids_in_the_names_of_folders_are_texts(tmp_path: Path) -> None:
    for user, item in (("007", "a"), ("7", "b")):
        folder = tmp_path / "all" / f"user_id={user}" / "year=2024"
        folder.mkdir(parents=True)
        pyarrow.parquet.write_table(pa.table({"item_id": [item]}), folder / "0.parquet")
    interactions = load(tmp_path / "all", columns=ColumnsConfig("user_id", "item_id", None))
    assert decoded(interactions, "user_id") == ["007", "7"]
    assert decoded(interactions, "year") == ["2024", "2024"]


def test_pandas_gap_in_ids_is_a_missing_value(tmp_path: Path) -> None:
    rows = {"user_id": [1.0, float("nan"), 2.0], "item_id": ["a", "b", "b"], "when": [1, 2, 3]}
    path = write_parquet(tmp_path, pa.table(rows))
    interactions = load(path, filter=FilterConfig(missing_values="drop"))
    assert decoded(interactions, "user_id") == ["1", "2"]
    assert interactions.dropped == {"no user_id": 1}
