"""Quotes in CSV files: those that enclose values (RFC 4180), and those that are letters."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import decoded, load

from sweeper.common.errors import DataError
from sweeper.two_tower.config import CsvConfig, SideTableConfig
from sweeper.two_tower.data.table import csv_lines
from sweeper.two_tower.data.table.csv_dialect import CsvDialect
from sweeper.two_tower.data.table.csv_files import CsvFile
from sweeper.two_tower.data.table.csv_lines import count_lines, count_rows

HEAD = "user_id,item_id,when\n"
ORDER = 'user_id,item_id,when\nu,"one\ntwo, ""three""\n\nfour",1\nv,"x",2\n'


def read(path: Path, text: str | bytes, **keys) -> list[tuple[str, ...]]:
    """The rows of a CSV file, all of them texts."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    file = CsvFile(path, "data.csv", CsvConfig(**keys))
    names = file.first_rows().column_names
    table = file.read(names)
    assert table.column_names == names
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def refused(path: Path, text: str, **keys) -> str:
    with pytest.raises(DataError) as told:
        read(path, text, **keys)
    return str(told.value).removeprefix(f"{path}, ")


def titles(*lone: str) -> str:
    """A hundred rows without a value in quotes, some of whose titles have lone ones."""
    lines = [f"u{row},t{row},{row}" for row in range(1, 101)]
    for row, title in enumerate(lone):
        lines[9 + 30 * row] = f"u,{title},1"
    return HEAD + "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz"])
@pytest.mark.parametrize(
    "lone", ['"Hero', '"Hero" live', '""Hero', '"a""', '"Hero"s', '12" mix', 'Hero"']
)
def test_a_lone_quote_is_a_letter_and_swallows_no_row(lone: str, name: str, tmp_path: Path) -> None:
    text = titles(lone, lone, 'the "end').replace(",", "\t" if "tsv" in name else ",")
    data = text.encode()
    rows = read(tmp_path / name, gzip.compress(data) if name.endswith(".gz") else data)
    assert len(rows) == 100
    assert [rows[place][1] for place in (9, 39, 69)] == [lone, lone, 'the "end']
    assert rows[99] == ("u100", "t100", "100")


def test_quotes_as_letters_are_said_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(titles('"Hero').replace("t5", "sep").replace("\n", "\n\n"))
    said: list[str] = []
    assert '"Hero' in decoded(load(tmp_path / "r.csv", said.append), "item_id")
    path = tmp_path / "r.csv"
    assert (
        f"{path}: quotes are ordinary characters, as the one in line 21 doesn't enclose a value "
        "(data.csv.quote_char)" in said
    )


def test_values_in_quotes_may_have_several_lines(tmp_path: Path) -> None:
    rows = read(tmp_path / "r.csv", ORDER)
    assert rows == [("u", 'one\ntwo, "three"\n\nfour', "1"), ("v", "x", "2")]
    assert read(tmp_path / "r.csv", ORDER.replace("\n", "\r\n"))[1] == ("v", "x", "2")


def test_what_can_be_read_both_ways_is_asked_about(tmp_path: Path) -> None:
    text = titles('"Hero', '7"')
    told = refused(tmp_path / "r.csv", text)
    assert told.startswith("line 11: a value begins with a quote that is closed in a later line,")
    assert "data.csv.quote_char=null if all quotes are ordinary characters" in told
    assert """'data.csv.quote_char="\\""' if they enclose""" in told
    assert len(read(tmp_path / "r.csv", text, quote_char=None)) == 100
    enclosed = read(tmp_path / "r.csv", text, quote_char='"')
    assert len(enclosed) == 70
    assert enclosed[9][1].startswith("Hero,1\nu11,t11,11\n")


def test_other_values_of_several_lines_tell_what_quotes_are(tmp_path: Path) -> None:
    text = 'item,text\na,"two\nlines, each as a row"\n'
    assert "line 2: " in refused(tmp_path / "r.csv", text)
    rows = read(tmp_path / "r.csv", text + 'b,"three\nor four\nlines"\n')
    assert rows == [("a", "two\nlines, each as a row"), ("b", "three\nor four\nlines")]


def test_rows_of_other_lengths_are_no_values_of_several_lines(tmp_path: Path) -> None:
    """Read so the first row would have two columns; so the quotes are letters."""
    rows = read(tmp_path / "r.csv", HEAD + 'u,"a,1\nv,b,2"\n')
    assert rows == [("u", '"a', "1"), ("v", "b", '2"')]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            'u,"a,b",1\nv,"Hero,2\n',
            "line 3: a value begins with a quote that doesn't enclose it, a",
        ),
        ('u,"a,b",1\nv,"Hero,2\n', "line 2 has a value in quotes; must end with a quote right bef"),
        (
            'u,"a" b,1\nv,c\n',
            "line 2: a value begins with a quote that doesn't enclose it, and lin",
        ),
        ('u,"a" b,1\nv,c\n', "line 3 has another number of columns than the first, if quotes are"),
        ('u,"say \\"hi\\", x",1\n', "line 2: a value begins with a quote that doesn't enclose it"),
    ],
)
def test_what_can_be_read_in_no_way_is_refused_with_the_line(
    rows: str, words: str, tmp_path: Path
) -> None:
    assert words in refused(tmp_path / "r.csv", HEAD + rows)


def test_the_quote_may_be_given(tmp_path: Path) -> None:
    text = HEAD + "u,'a,\"b',1\nv,it's,2\n"
    assert read(tmp_path / "r.csv", text, quote_char="'") == [
        ("u", 'a,"b', "1"),
        ("v", "it's", "2"),
    ]
    told = refused(tmp_path / "r.csv", HEAD + 'u,"a,1\n', quote_char='"')
    assert told.startswith(
        "line 2: a value begins with a quote that doesn't enclose it, and quotes are"
    )


def test_a_side_table_has_its_own_quotes(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(HEAD + 'u,a,1\nv,b,2\nu,"c",3\n')
    (tmp_path / "items.csv").write_text('item_id;title\na;"One\nb;Two\nc;"Three"\n')
    items = SideTableConfig(path=str(tmp_path / "items.csv"))
    with pytest.raises(DataError, match=r"items\.csv, line 2: .* data\.items\.csv\.quote_char=nu"):
        load(tmp_path / "r.csv", items=items)
    items.csv.quote_char = None
    said: list[str] = []
    found = load(tmp_path / "r.csv", said.append, items=items)
    assert decoded(found, "title") == ['"One', "Two", '"Three"']
    assert (
        f"items: {tmp_path / 'items.csv'}: ';' separates its values (data.items.csv."
        in " ".join(said)
    )


def test_rows_that_are_missing_are_told(tmp_path: Path, monkeypatch) -> None:
    """Whatever may be wrong with a parser: its rows are held to the bytes' own."""
    path = tmp_path / "r.csv"
    path.write_text(HEAD + 'u,"a,1\nv,b"c,2\nw,d,3\n')
    file = CsvFile(path, "data.csv", CsvConfig())
    wrong = CsvDialect(b",", '"', True, 0, 3, {})
    monkeypatch.setattr(file, "_dialect", wrong)
    path.write_text(HEAD + 'u,"a,1\nv,b",2\nw,d,3\n')
    with pytest.raises(DataError, match=r"r\.csv: has 3 rows .*of which 2 were read"):
        file.read(["user_id"])


VALUES = st.text(
    st.one_of(st.sampled_from('"\n,;:\t '), st.characters(blacklist_categories=("Cs", "Cc"))),
    max_size=8,
)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=6), data=st.data())
def test_what_a_writer_of_rfc_4180_writes_is_read(quoting, rows, data, tmp_path_factory) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    delimiter = data.draw(st.sampled_from([",", ";", "\t"]))
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=end, delimiter=delimiter)
    writer.writerows([("one", "two", "three"), *rows])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    found = read(path, text.getvalue(), delimiter=delimiter, quote_char='"')
    # Of a value outside of quotes Arrow and the csv module leave nothing out.
    assert found == rows
    with open(path, newline="") as file:
        assert found == [tuple(row) for row in csv.reader(file, delimiter=delimiter)][1:]


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.text('"" abü', min_size=1, max_size=6)] * 3), min_size=1, max_size=8
    )
)
def test_files_without_enclosed_values_are_read_or_refused(rows, tmp_path_factory) -> None:
    """No line of them is ever lost, and each value is as written, or in quotes."""
    path = tmp_path_factory.getbasetemp() / "plain.csv"
    text = "one,two,three\n" + "".join(",".join(row) + "\n" for row in rows)
    assert read(path, text, quote_char=None) == rows
    with contextlib.suppress(DataError):
        found = read(path, text)
        assert len(found) == len(rows)
        values = zip(sum(found, ()), sum(rows, ()), strict=True)
        assert all(f'"{v.replace(QUOTE, QUOTE * 2)}"' == w or v == w for v, w in values)


QUOTE = '"'


def rows_by_hand(text: str) -> tuple[int, bool]:
    """How many rows a text has as RFC 4180 reads it, letter by letter; whether it is broken."""
    rows, place = 0, 0
    while place < len(text):
        if text[place] in "\r\n":
            place += 1
            continue
        rows += 1
        while place < len(text) and text[place] not in "\r\n":
            if text[place] == QUOTE and (place == 0 or text[place - 1] in ",\r\n"):
                end = place + 1
                while (text[end : end + 1] == QUOTE and text[end : end + 2] == QUOTE * 2) or (
                    end < len(text) and text[end] != QUOTE
                ):
                    end += 2 if text[end] == QUOTE else 1
                if end >= len(text) or text[end + 1 : end + 2] not in ("", ",", "\r", "\n"):
                    return rows, True
                place = end + 1
            else:
                place += 1
    return rows, False


@settings(max_examples=200, deadline=None)
@given(st.text('""",\n\r a', max_size=30), st.integers(1, 40))
def test_rows_are_counted_as_by_hand_whatever_the_blocks(text: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_lines, "BLOCK_BYTES", block)
        count = count_rows(io.BytesIO(text.encode()), b",", b'"')
        lines = count_lines(io.BytesIO(text.encode()), b",", b'"')
    rows, is_broken = rows_by_hand(text)
    if count.broken is None:
        assert (count.rows, is_broken) == (rows, False)
    assert count.broken is not None or not is_broken
    if lines.unequal is None and lines.enclosed is None:
        assert lines.rows == sum(bool(line) for line in text.splitlines())


def test_a_quote_that_is_never_closed_is_not_looked_for_forever(monkeypatch) -> None:
    monkeypatch.setattr(csv_lines, "LONGEST_ROW", 1_000)
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 100)
    stream = io.BytesIO(b'a,b\n"x,1\n' + b"y,2\n" * 10_000)
    count = count_rows(stream, b",", b'"')
    assert count.broken == 2
    assert stream.tell() < 10_000
