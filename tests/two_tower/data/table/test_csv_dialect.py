"""What separates the values of a CSV file: given, declared by the file, or seen in it."""

from __future__ import annotations

import gzip
import shlex
from pathlib import Path

import pyarrow as pa
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from tables import COLUMNS, decoded, load

from sweeper.common.errors import DataError
from sweeper.two_tower.config import ColumnsConfig, Config, CsvConfig, DataConfig
from sweeper.two_tower.data.table import files
from sweeper.two_tower.data.table.csv_dialect import find_dialect
from sweeper.two_tower.data.table.files import RewrittenLines, find_files
from sweeper.two_tower.data.table.reading import first_rows
from sweeper.two_tower.data.table.roles import column_of
from sweeper.two_tower.validation import data_problems

TEXT = "user_id,item_id,when\nu,a b,1700000000\nv,ü,1700000060\n"


def items(path: Path, data: bytes, **csv) -> tuple[list[str], list[str]]:
    """The items' ids, and what was said of the delimiter."""
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    said: list[str] = []
    found = load(path, said.append, csv=CsvConfig(**csv))
    first = first_rows(find_files("data.path", str(path)), CsvConfig(**csv))
    assert first["item_id"].to_pylist() == decoded(found, "item_id")
    assert decoded(found, "when") == [1_700_000_000, 1_700_000_060]
    return decoded(found, "item_id"), [line for line in said if "separates" in line]


@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.dat", "r.csv.gz"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "::"])
def test_what_the_first_line_has_is_taken_and_said(
    name: str, delimiter: str, tmp_path: Path
) -> None:
    data = TEXT.replace(",", delimiter).encode()
    found, said = items(tmp_path / name, data)
    assert found == ["a b", "ü"]
    usual = "\t" if name == "r.tsv" else ","
    words = f"{tmp_path / name}: {delimiter!r} separates its values (data.csv.delimiter)"
    assert said == ([] if delimiter == usual else [words])


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["user_id;device, or channel", "u;web", "v;shop"], ";"),
        (["user_id;price", "u;1,5", "v;2,25"], ";"),
        # Values of several lines have no regular lines: the usual one is taken.
        (["user_id,note; more", 'u,"a', ' b"', 'v,"c', 'd"'], ","),
        (["user_id,note|more", "u,a", "v,b|c"], ","),
    ],
)
def test_what_all_lines_have_goes_before_what_names_have(
    lines: list[str], delimiter: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text("\n".join(lines))
    found = find_dialect(tmp_path / "r.csv", "data.csv", CsvConfig())
    assert found.delimiter == delimiter.encode()


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "::"])
def test_a_line_of_spreadsheets_declares_it(
    delimiter: str, end: str, bom: bytes, tmp_path: Path
) -> None:
    text = f"sep={delimiter}\n{TEXT.replace(',', delimiter)}".replace("\n", end)
    assert items(tmp_path / "r.csv", bom + text.encode()) == (["a b", "ü"], [])


def test_a_given_delimiter_is_taken(tmp_path: Path) -> None:
    data = TEXT.replace(",", "\t").encode()
    assert items(tmp_path / "r.csv", data, delimiter="\\t") == (["a b", "ü"], [])
    data = TEXT.replace("a b", "a,b").replace("d,", "d;").replace("u,", "u;").replace("v,", "v;")
    data = data.replace(",1", ";1").replace("ü,", "ü;")
    assert items(tmp_path / "r.csv", data.encode())[0] == ["a,b", "ü"]
    data = TEXT.replace(",", "§").encode()
    assert items(tmp_path / "r.csv", data, delimiter="§")[0] == ["a b", "ü"]


def test_movielens_own_way_with_names_given(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_text('1::Up: a, b|c::5::978300760\n2::"Hero::3::978302109\n')
    names = ["user_id", "item_id", "stars", "when"]
    columns = ColumnsConfig("user_id", "item_id", "when", "stars")
    found = load(tmp_path / "r.dat", csv=CsvConfig("::", names), columns=columns)
    assert decoded(found, "item_id") == ["Up: a, b|c", '"Hero']
    assert decoded(found, "when") == [978300760, 978302109]


def test_a_delimiter_of_two_characters_may_be_in_quotes(tmp_path: Path) -> None:
    data = b'user_id::item_id::when\nu::"a::b"::1700000000\nv::"c:""d"::1700000060\n'
    assert items(tmp_path / "r.csv", data)[0] == ["a::b", 'c:"d']
    with pytest.raises(DataError, match=r"r\.csv: has the control character U\+001F, which stands"):
        items(tmp_path / "r.csv", data.replace(b"b", b"\x1f"))


@pytest.mark.parametrize(("names", "found"), [(["a;b"], ";"), (["a\tb"], "\t"), (["a::b"], "::")])
def test_a_wrong_delimiter_is_told_as_the_command_line_takes_it(
    names: list[str], found: str
) -> None:
    with pytest.raises(DataError) as told:
        column_of(pa.table({name: ["x"] for name in names}), "a", "data.columns.user")
    override = str(told.value).partition("Then give ")[2]
    parsed = OverridesParser.create().parse_override(*shlex.split(override))
    assert parsed.key_or_group == "data.csv.delimiter"
    assert CsvConfig(str(parsed.value())).delimiter.replace("\\t", "\t") == found


@pytest.mark.parametrize("size", [1, 2, 5, 1_000])
def test_rewritten_lines_are_whole_ones(size: int, monkeypatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 3)
    seen: list[bytes] = []

    def rewrite(lines: bytes) -> bytes:
        seen.append(lines)
        return lines.replace(b"::", b"-")

    stream = RewrittenLines(pa.BufferReader(b"a::b\n\nccc::d\ne::"), rewrite)
    read = b""
    while part := stream.read(size):
        read += part
    assert read == b"a-b\n\nccc-d\ne-"
    assert all(lines.endswith(b"\n") for lines in seen if lines and lines != b"e::")


def test_the_quote_is_no_part_of_the_delimiter(tmp_path: Path) -> None:
    data = DataConfig(name="table", path=str(tmp_path), columns=COLUMNS)
    config = Config(data=data)
    assert data_problems(config) == []
    data.csv = CsvConfig("';", quote_char="'")
    (problem,) = data_problems(config)
    assert problem.startswith('data.csv.quote_char: got "\'", which is part of data.csv.delimiter')
    # "auto" has no letters of its own: what the file has is told when it is read.
    data.csv = CsvConfig(quote_char="a")
    assert data_problems(config) == []
    (tmp_path / "r.csv").write_text(TEXT)
    with pytest.raises(DataError, match=r"data\.csv\.quote_char: got ',', and ',' separates the "):
        find_dialect(tmp_path / "r.csv", "data.csv", CsvConfig(quote_char=","))
