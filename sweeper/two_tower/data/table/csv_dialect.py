"""Finds the dialect of a CSV file: its delimiter, and whether its quotes enclose values."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.common.errors import DataError
from sweeper.two_tower.config import AUTO, CsvConfig
from sweeper.two_tower.data.table.csv_lines import BOM, RowCount, count_lines, count_rows
from sweeper.two_tower.data.table.files import RewrittenLines, opened

# Tried in this order if the first line lacks the usual delimiter.
DELIMITERS = (",", "\t", ";", "::", "|")
QUOTE = '"'
# Replaces a delimiter of several bytes while the file is read.
STAND_IN = b"\x1f"
FIRST_BYTES = 1024 * 1024
# This share of the first lines has as many delimiters as the header, if the delimiter is right.
SOME_LINES, SHARE_OF_LINES = 100, 0.9


@dataclass(frozen=True)
class CsvDialect:
    """The format of a CSV file.

    Attributes:
      delimiter: what separates values in the file.
      quote: what encloses values; None if quotes are ordinary characters.
      spans_lines: whether a quoted value has several lines.
      skipped_bytes: the length of a first line that declares the delimiter.
      rows: the number of rows by the file's bytes, without the header.
      notes: findings for people, by kind.
    """

    delimiter: bytes
    quote: str | None
    spans_lines: bool
    skipped_bytes: int
    rows: int
    notes: dict[str, str]

    @property
    def byte(self) -> bytes:
        """The byte that separates values in the stream."""
        return self.delimiter if len(self.delimiter) == 1 else STAND_IN

    def open(self, file: Path) -> Any:
        """Opens a stream of the rows, in which one byte separates values."""
        return _rows_of(file, self.delimiter, self.skipped_bytes)


def find_dialect(file: Path, key: str, csv: CsvConfig) -> CsvDialect:
    """Reads a file to find what its configuration leaves open, and counts its rows.

    Args:
      key: the key of `csv` in YAML, for errors.

    Raises:
      DataError: quotes can be read in both ways or in none (the line is named), or the quote is
        part of the delimiter.
    """
    with opened(file) as stream:
        start = stream.read(FIRST_BYTES)
    declared = re.match(rb'(?:%s)?"?sep=([^\r\n"]+)"?(?:\r\n|\r|\n)' % BOM, start)
    skipped = len(declared.group(0)) if declared else 0
    notes: dict[str, str] = {}
    if csv.delimiter != AUTO:
        delimiter = csv.delimiter.replace("\\t", "\t").encode()
    elif declared:
        delimiter = declared.group(1)
    else:
        usual = "\t" if ".tsv" in (suffix.lower() for suffix in file.suffixes) else ","
        found = _delimiter_of(start.removeprefix(BOM), usual)
        delimiter = found.encode()
        if found != usual:
            notes["delimiter"] = f"{file}: {found!r} separates its values ({key}.delimiter)"
    if csv.quote_char not in (None, AUTO) and csv.quote_char.encode() in delimiter:
        raise DataError(
            f"{key}.quote_char: got {csv.quote_char!r}, and {delimiter.decode()!r} separates the "
            f"values of {file}; must be another character"
        )
    rows = _Rows(file, key, csv, delimiter, skipped)
    quote, count, lone = rows.quote()
    if lone is not None:
        notes["quotes"] = (
            f"{file}: quotes are ordinary characters, as the one in line {lone} doesn't enclose a "
            f"value ({key}.quote_char)"
        )
    number = count.rows - (csv.column_names is None)
    return CsvDialect(delimiter, quote, count.spanning, skipped, number, notes)


def _delimiter_of(start: bytes, usual: str) -> str:
    """Returns the delimiter of the first lines; the usual one is preferred.

    A delimiter that all lines have equally often is preferred to one in the header only, such as
    the comma in a column's name.
    """
    lines = re.split(rb"\r\n|\r|\n", start.lstrip(b"\r\n"))
    # The last one may be cut off.
    lines = [re.sub(rb'"[^"]*"', b"", line) for line in lines[:-1] or lines if line][:SOME_LINES]
    if not lines:
        return usual
    found = [each for each in dict.fromkeys((usual, *DELIMITERS)) if each.encode() in lines[0]]

    def is_regular(delimiter: str) -> bool:
        numbers = [line.count(delimiter.encode()) for line in lines]
        return numbers.count(numbers[0]) >= SHARE_OF_LINES * len(lines)

    return next(filter(is_regular, found), found[0] if found else usual)


def _rows_of(file: Path, delimiter: bytes, skipped: int) -> Any:
    stream = opened(file)
    stream.read(skipped)
    if len(delimiter) == 1:
        return stream

    def rewrite(lines: bytes) -> bytes:
        if STAND_IN in lines:
            raise DataError(
                f"{file}: has the control character U+001F, which stands for the delimiter "
                f"{delimiter.decode()!r} while the file is read; must not have it"
            )
        return lines.replace(delimiter, STAND_IN)

    return RewrittenLines(stream, rewrite)


@dataclass(frozen=True)
class _Rows:
    """The rows of a file whose quotes may be ordinary characters."""

    file: Path
    key: str
    csv: CsvConfig
    delimiter: bytes
    skipped: int

    def quote(self) -> tuple[str | None, RowCount, int | None]:
        """Returns the quote, the number of rows with it, and the line of a lone quote.

        Quotes enclose values, as in RFC 4180, if that is possible, and are ordinary characters if
        only that is. If the lines of a row could also be rows, the file is ambiguous, unless other
        values of several lines show what the quotes are.

        Raises:
          DataError: neither is possible, or the file is ambiguous.
        """
        is_open = self.csv.quote_char == AUTO
        quote = QUOTE if is_open else self.csv.quote_char
        count = self._count(count_rows, quote)
        wrong = count.broken or (count.ragged if is_open else None)
        if wrong:
            lines = self._count(count_lines, quote)
            if is_open and lines.unequal is None and lines.enclosed is None:
                return None, lines, wrong + self._lines_skipped
            if count.broken:
                raise self._broken(count.broken, lines)
        elif is_open and count.ambiguous and not count.enclosing:
            raise self._ambiguous(count.ambiguous)
        # The reader names rows with another number of columns.
        return quote if count.has_quotes else None, count, None

    def _ambiguous(self, line: int) -> DataError:
        override = f"{self.key}.quote_char={json.dumps(QUOTE)}"
        return DataError(
            f"{self._where(line)}: a value begins with a quote that is closed in a later line, but "
            f"each of these lines has all columns; set {self._letters}, or (on a "
            f"command line) {shlex.quote(override)} if they enclose values of several lines"
        )

    def _broken(self, line: int, lines: RowCount) -> DataError:
        """`lines`: the count with all quotes as ordinary characters, which may rule that out."""
        other = "quotes are said to enclose values"
        if lines.enclosed:
            other = f"line {lines.enclosed + self._lines_skipped} has a value in quotes"
        elif lines.unequal:
            other = (
                f"line {lines.unequal + self._lines_skipped} has another number of columns than "
                "the first, if quotes are ordinary characters"
            )
        return DataError(
            f"{self._where(line)}: a value begins with a quote that doesn't enclose it, and "
            f"{other}; must end with a quote right before the delimiter or the line's end, and "
            f"have each quote inside twice; or {self._letters}"
        )

    def _where(self, line: int) -> str:
        return f"{self.file}, line {line + self._lines_skipped}"

    @property
    def _letters(self) -> str:
        return f"{self.key}.quote_char=null if all quotes are ordinary characters"

    @property
    def _lines_skipped(self) -> int:
        return int(self.skipped > 0)

    def _count(self, count: Any, quote: str | None) -> RowCount:
        byte = self.delimiter if len(self.delimiter) == 1 else STAND_IN
        columns = None if self.csv.column_names is None else len(self.csv.column_names)
        with _rows_of(self.file, self.delimiter, self.skipped) as stream:
            return count(stream, byte, quote and quote.encode(), columns)
