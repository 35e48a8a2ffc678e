"""What separates values, told by the first lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sweeper.data.table.files import find_files
from sweeper.init.delimiter import guess_delimiter


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.csv.gz"])
def test_each_is_known(tmp_path: Path, delimiter: str, name: str) -> None:
    rows = [["user", "item", "title"], *([f"u{n}", "b", '"a, b; c | d"'] for n in range(200))]
    text = "\n".join(delimiter.join(row) for row in rows).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    assert guess_delimiter(find_files("data.path", str(tmp_path / name))) == delimiter


@pytest.mark.parametrize(
    ("name", "text", "delimiter"),
    [
        # Decimal commas divide the rows, too, but not the names.
        ("a.csv", "user;item;price\nu;i;1,5\nu;j;2,5\n", ";"),
        ("a.csv", "user;item\n" + "u;i\n" * 30 + "u;i;j\n", ";"),
        ("a.csv", "user\nu\n", ","),
        ("a.csv", "", ","),
        # Of a .tsv the comma stands for a tab.
        ("a.tsv", "user\titem\nu\ti\n", ","),
        ("a.jsonl", '{"a": 1}\n', ","),
    ],
)
def test_what_is_no_table_of_values_is_left_to_the_reader(
    tmp_path: Path, name: str, text: str, delimiter: str
) -> None:
    (tmp_path / name).write_text(text)
    assert guess_delimiter(find_files("data.path", str(tmp_path / name))) == delimiter


def test_a_line_that_is_cut_off_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user;item\n" + f"{'u' * 40_000};i\n" * 2)
    assert guess_delimiter(find_files("data.path", str(tmp_path / "a.csv"))) == ";"
