"""Counts the rows of a CSV file by its bytes, and finds how its quotes can be read.

It uses no parser, so that what a parser reads can be compared with it. The rules are those of RFC
4180: a quoted field begins with a quote and ends with the next one that isn't doubled, which is
right before a delimiter or the end of a line. A quote within a field that begins otherwise is an
ordinary character. As in Arrow, lone carriage returns end lines, and empty lines are not rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

LF, CR = 10, 13
BOM = b"\xef\xbb\xbf"
BLOCK_BYTES = 512 * 1024
# Arrow has no longer rows, so no more than this is read after a quote that is never closed.
LONGEST_ROW = 16 * 1024 * 1024


@dataclass
class RowCount:
    """The rows of a file by its bytes; lines are counted from 1, including empty ones.

    Attributes:
      delimiters: the number in each row; None until the first row decides it.
      rows: the number of rows, including the header.
      lines: the number of lines.
      has_quotes: whether the file has any quote.
      enclosed: the first line in which a quoted field begins and ends.
      spanning: whether a row has several lines.
      enclosing: whether such a row has all delimiters, while one of its lines can't be a row.
      ambiguous: the first line of the first such row each of whose lines has as many delimiters
        as a row.
      broken: the first line of the first row whose quotes aren't those of RFC 4180.
      ragged: the first line of the first row of several lines that has another number of
        delimiters.
      unequal: the first line that has another number of delimiters if all quotes are ordinary
        characters.
    """

    delimiters: int | None
    rows: int = 0
    lines: int = 0
    has_quotes: bool = False
    spanning: bool = False
    enclosing: bool = False
    enclosed: int | None = None
    ambiguous: int | None = None
    broken: int | None = None
    ragged: int | None = None
    unequal: int | None = None


def count_rows(
    stream: Any, delimiter: bytes, quote: bytes | None, columns: int | None = None
) -> RowCount:
    """Counts the rows of a file, up to the first whose quotes aren't those of RFC 4180.

    Args:
      delimiter, quote: one byte each; without a quote each line is a row.
      columns: the number in each row; None for the number in the first row.
    """
    count = RowCount(None if columns is None else columns - 1)
    for block in _blocks(stream, delimiter, quote):
        block.check_rows(count)
        if count.broken is not None:
            break
        block.count(count)
    return count


def count_lines(
    stream: Any, delimiter: bytes, quote: bytes, columns: int | None = None
) -> RowCount:
    """Counts the lines as rows, with all quotes as ordinary characters, up to a contradiction.

    Args:
      columns: as in `count_rows`.
    """
    count = RowCount(None if columns is None else columns - 1)
    for block in _blocks(stream, delimiter, None):
        block.check_lines(count, quote[0])
        if count.unequal is not None or count.enclosed is not None:
            break
        block.count(count)
    return count


def _blocks(stream: Any, delimiter: bytes, quote: bytes | None) -> Iterator[_Block]:
    """Yields the file in blocks of whole rows."""
    rest, is_first = b"", True
    # For a row that doesn't end, more is read each time, so that no byte is read often.
    while more := stream.read(max(BLOCK_BYTES, len(rest))):
        rest += more.removeprefix(BOM) if is_first else more
        is_first = False
        block = _Block(rest, delimiter[0], quote[0] if quote else None)
        end = block.last_row()
        if not end and len(rest) > LONGEST_ROW:
            end = len(rest)
        if end:
            block.end = end
            yield block
            rest = rest[end:]
    if rest:
        yield _Block(rest, delimiter[0], quote[0] if quote else None)


class _Block:
    """Some bytes of a file that begin with a row.

    Attributes:
      end: where the last whole row ends.
    """

    def __init__(self, data: bytes, delimiter: int, quote: int | None) -> None:
        self.end = len(data)
        self._bytes = np.frombuffer(data, np.uint8)
        self._delimiter = delimiter
        is_break = np.concatenate([[True], (self._bytes == LF) | (self._bytes == CR)])
        # The first byte of each line that isn't empty.
        self._starts = np.flatnonzero(is_break[:-1] & ~is_break[1:])
        self._quotes = None if quote is None or quote not in data else self._find(quote)
        self._is_row = np.ones(len(self._starts), bool)
        if self._quotes is not None:
            self._is_row = ~self._quotes.is_inside(self._starts)

    def _find(self, quote: int, lines: np.ndarray | None = None) -> _Quotes:
        return _Quotes(self._bytes, self._delimiter, quote, lines)

    def last_row(self) -> int:
        """Returns where the last row begins, which may continue in the next block."""
        rows = self._starts[self._is_row]
        return int(rows[-1]) if len(rows) else 0

    def count(self, count: RowCount) -> None:
        """Adds the block's whole rows, and its lines."""
        count.rows += int(self._is_row[self._starts < self.end].sum())
        count.lines += self._lines(self.end)

    def check_rows(self, count: RowCount) -> None:
        """Checks the quotes of the block's whole rows."""
        number = int(np.searchsorted(self._starts, self.end))
        starts, is_row = self._starts[:number], self._is_row[:number]
        if not number:
            return
        if count.delimiters is None:
            count.delimiters = int(self._delimiters_of(starts[is_row][:2], outside=True)[0])
        if self._quotes is None:
            return
        count.has_quotes = True
        if broken := self._quotes.first_broken(self.end):
            count.broken = self._line(count, broken[0])
        if not is_row.all():
            count.spanning = True
            self._check_spanning(count, starts, np.flatnonzero(is_row))

    def _check_spanning(self, count: RowCount, starts: np.ndarray, rows: np.ndarray) -> None:
        """Checks the rows of several lines; `rows` are the lines that begin a row."""
        spanning = np.diff(np.append(rows, len(starts))) > 1
        is_ragged = self._delimiters_of(starts[rows], outside=True) != count.delimiters
        are_full = self._delimiters_of(starts) == count.delimiters
        is_ambiguous = np.logical_and.reduceat(are_full, rows)
        ragged = starts[rows][spanning & is_ragged]
        ambiguous = starts[rows][spanning & is_ambiguous]
        count.enclosing |= bool((spanning & ~is_ragged & ~is_ambiguous).any())
        if len(ragged) and count.ragged is None:
            count.ragged = self._line(count, int(ragged[0]))
        if len(ambiguous) and count.ambiguous is None:
            count.ambiguous = self._line(count, int(ambiguous[0]))

    def check_lines(self, count: RowCount, quote: int) -> None:
        """Finds lines that can't be rows, and fields in quotes within a line."""
        starts = self._starts[self._starts < self.end]
        if count.delimiters is None and len(starts):
            count.delimiters = int(self._delimiters_of(starts[:2])[0])
        unequal = starts[self._delimiters_of(starts) != count.delimiters]
        if len(unequal):
            count.unequal = self._line(count, int(unequal[0]))
        if quote in self._bytes:
            enclosed = self._find(quote, self._starts).first_enclosed(self.end)
            if enclosed:
                count.enclosed = self._line(count, enclosed[0])

    def _line(self, count: RowCount, place: int) -> int:
        """Returns the number of a byte's line in the file."""
        return count.lines + self._lines(place) + 1

    def _delimiters_of(self, starts: np.ndarray, outside: bool = False) -> np.ndarray:
        """Counts the delimiters from each start to the next, or to the end."""
        places = np.flatnonzero(self._bytes[: self.end] == self._delimiter)
        if outside and self._quotes is not None:
            places = places[~self._quotes.is_inside(places)]
        return np.diff(np.append(np.searchsorted(places, starts), len(places)))

    def _lines(self, end: int) -> int:
        """Counts the lines that end before a byte; the last line of a file ends with it."""
        part = self._bytes[:end]
        returns = np.flatnonzero(part == CR)
        after = self._bytes[np.minimum(returns + 1, len(self._bytes) - 1)]
        return int(np.count_nonzero(part == LF) + np.count_nonzero(after != LF))


class _Quotes:
    """The runs of quotes of some bytes, and which of their quotes enclose fields.

    An odd run at a field's start opens or ends a quoted field. Another odd run can only end one,
    and leaves nothing open. Even runs change nothing. So the number of runs of the first kind since
    the last of the second decides whether a run is inside, and no loop is needed.
    """

    def __init__(
        self, bytes_: np.ndarray, delimiter: int, quote: int, lines: np.ndarray | None
    ) -> None:
        """`lines`: where lines begin, if no quoted field may span lines."""
        places = np.flatnonzero(bytes_ == quote)
        is_first = np.concatenate([[True], np.diff(places) > 1])
        self._first = places[is_first]
        self._last = places[np.append(is_first[1:], True)]
        edge = np.array([LF], np.uint8)
        before = np.concatenate([edge, bytes_])[self._first]
        after = np.concatenate([bytes_, edge])[self._last + 1]
        self._at_start, self._at_end = (
            (byte == delimiter) | (byte == LF) | (byte == CR) for byte in (before, after)
        )
        self._is_odd = (self._last - self._first) % 2 == 0
        swaps = np.append(self._is_odd & self._at_start, False)
        # Nothing is open after these.
        is_outside = np.concatenate([[True], self._is_odd & ~self._at_start])
        if lines is not None:
            line = np.searchsorted(lines, self._first, "right")
            is_outside[1:-1] |= line[1:] != line[:-1]
        # The number before each run, and after the last; only the last bit matters.
        number = np.cumsum(swaps, dtype=np.uint8) - swaps
        if is_outside[1:].any():
            last = np.maximum.accumulate(np.where(is_outside, np.arange(len(swaps)), 0))
            number -= number[last]
        self._inside = number % 2 == 1

    def is_inside(self, places: np.ndarray) -> np.ndarray:
        """Tells which bytes (other than quotes) are in quoted fields."""
        return self._inside[np.searchsorted(self._first, places)]

    def first_broken(self, end: int) -> list[int]:
        """Returns where the first quoted field with a wrong end begins, before `end`, if any."""
        wrong = np.flatnonzero(self._ends() & ~self._at_end & (self._first < end))
        if len(wrong):
            return [self._opening(int(wrong[0]))]
        number = int(np.searchsorted(self._first, end))
        return [self._opening(number)] if self._inside[number] else []

    def first_enclosed(self, end: int) -> list[int]:
        """Returns where the first quoted field with a right end ends, before `end`, if any."""
        places = self._first[self._ends() & self._at_end & (self._first < end)]
        return [int(place) for place in places[:1]]

    def _ends(self) -> np.ndarray:
        """Tells which runs end a quoted field; the run of an empty field also begins it."""
        inside = self._inside[:-1]
        return (inside & self._is_odd) | (~inside & ~self._is_odd & self._at_start)

    def _opening(self, run: int) -> int:
        """Returns where the quoted field of a run begins."""
        if not self._inside[run]:
            return int(self._first[run])
        return int(self._first[np.flatnonzero(~self._inside[:run])[-1]])
