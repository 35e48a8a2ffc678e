"""Small tables, written in each format that `data=table` reads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet

from sweeper.two_tower.config import ColumnsConfig, DataConfig
from sweeper.two_tower.data.columns import CategoricalColumn
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.table import table as tables

COLUMNS = ColumnsConfig(user="user_id", item="item_id", timestamp="when")
# Three users, three items; ids that look like numbers, hold commas, quotes, emoji, a new line.
ROWS: dict[str, list[Any]] = {
    "user_id": ["007", "ü 😀", "7", "007", 'a,"b"\nc', "7"],
    "item_id": ["1.0", "x,y", "1.0", 'say "z"', "x,y", 'say "z"'],
    "when": [
        1_700_000_000,
        1_700_000_060,
        1_700_000_120,
        1_700_000_180,
        1_700_000_240,
        1_700_000_300,
    ],
}


def write_csv(folder: Path, table: pa.Table) -> Path:
    pyarrow.csv.write_csv(table, folder / "rows.csv")
    return folder / "rows.csv"


def write_gzip(folder: Path, table: pa.Table) -> Path:
    plain = write_csv(folder, table)
    place = folder / "rows.csv.gz"
    place.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return place


def write_zstd(folder: Path, table: pa.Table) -> Path:
    plain = write_csv(folder, table)
    place = folder / "rows.csv.zst"
    with pa.output_stream(str(place), compression="zstd") as stream:
        stream.write(plain.read_bytes())
    plain.unlink()
    return place


def write_shards(folder: Path, table: pa.Table, write: Callable) -> Path:
    """The two halves of a table, in files of their own."""
    place = folder / "shards"
    place.mkdir()
    middle = len(table) // 2
    for number, rows in enumerate([table.slice(0, middle), table.slice(middle)]):
        written = write(place, rows)
        written.rename(place / f"part-{number}{written.suffix}")
    return place


def write_csv_folder(folder: Path, table: pa.Table) -> Path:
    return write_shards(folder, table, write_csv)


def write_parquet(folder: Path, table: pa.Table) -> Path:
    pyarrow.parquet.write_table(table, folder / "rows.parquet")
    return folder / "rows.parquet"


def write_parquet_shards(folder: Path, table: pa.Table) -> Path:
    place = write_shards(folder, table, write_parquet)
    (place / "_SUCCESS").touch()
    return place


def write_json_lines(folder: Path, table: pa.Table) -> Path:
    place = folder / "rows.jsonl"
    place.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
    return place


def write_json_lines_gzip(folder: Path, table: pa.Table) -> Path:
    place = folder / "rows.jsonl.gz"
    place.write_bytes(gzip.compress(write_json_lines(folder, table).read_bytes()))
    return place


WRITERS: list[Callable[[Path, pa.Table], Path]] = [
    write_csv, write_gzip, write_zstd, write_csv_folder, write_parquet, write_parquet_shards,
    write_json_lines, write_json_lines_gzip,
]  # fmt: skip


def load(
    path: Path | str, say: Callable[[str], None] = lambda text: None, **keys: Any
) -> Interactions:
    """What a table gives, without the cache; `keys` are of `data`."""
    settings = {"columns": COLUMNS, **keys}
    return tables.load(DataConfig(name="table", path=str(path), **settings), say)


def decoded(interactions: Interactions, name: str) -> list[Any]:
    """A column of the interactions, or of each row's candidate, as it was in the table."""
    if name in interactions.query_columns:
        column, codes = interactions.query_columns[name], None
    else:
        column, codes = interactions.candidate_columns[name], interactions.items
    if isinstance(column, CategoricalColumn):
        values = [column.categories[code] for code in column.codes]
    else:
        values = column.values.tolist()
    return values if codes is None else [values[code] for code in codes]
