"""Reads JSON lines with Arrow; columns of texts are read as they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from sweeper.common.errors import DataError, shortened
from sweeper.two_tower.data.table import files
from sweeper.two_tower.data.table.files import UNREADABLE, RewrittenLines, opened, unreadable

# Values without quotes that can be read as text; NaN is a missing value of pandas.
VALUE = rb"(-?[0-9][^\s,}\]]*|true|false)"
TEXTS = ("text", "number", "truth")


def read_json_lines(file: Path, texts: Collection[str]) -> pa.Table:
    """Reads all rows; `texts` are columns to be read as text: `1.0` becomes "1.0".

    Columns that mix texts, numbers and booleans are read as text as well.

    Raises:
      DataError: the file can't be read, or a column has values that can't be text, with the row.
    """
    chosen = dict.fromkeys(texts)
    while True:
        try:
            return _parse(file, list(chosen))
        except UNREADABLE as error:
            column = _mixed_column(file, chosen) if "JSON" in str(error) else None
            if column is None:
                raise unreadable(file, "JSON lines", error) from error
            chosen[column] = None


def first_json_lines(file: Path) -> pa.Table:
    """Reads the whole lines of a file's first block.

    Raises:
      DataError: they can't be read.
    """
    try:
        with opened(file) as stream:
            block = stream.read(files.BLOCK_BYTES)
        if len(block) == files.BLOCK_BYTES:
            block = block[: block.rfind(b"\n") + 1]
        return pyarrow.json.read_json(
            pa.BufferReader(block), pyarrow.json.ReadOptions(block_size=files.BLOCK_BYTES)
        )
    except UNREADABLE as error:
        raise unreadable(file, "JSON lines", error) from error


def _parse(file: Path, texts: list[str]) -> pa.Table:
    options = pyarrow.json.ParseOptions(
        explicit_schema=pa.schema([(name, pa.string()) for name in texts]) if texts else None,
        newlines_in_values=False,
    )
    with opened(file) as stream:
        source = RewrittenLines(stream, _as_texts(texts)) if texts else stream
        table = pyarrow.json.read_json(
            source, pyarrow.json.ReadOptions(block_size=files.BLOCK_BYTES), options
        )
    # Arrow adds columns of its schema that the file lacks.
    empty = [name for name in texts if table[name].null_count == len(table)]
    gone = set(empty) - {name for row in _rows(file) for name in row} if empty else set()
    return table.drop_columns(list(gone)) if gone else table


def _as_texts(names: Collection[str]) -> Callable[[bytes], bytes]:
    """Returns a function that puts quotes around the values of some keys, where they have none.

    A quote within a text follows a backslash, so that only keys are found. Keys of objects within a
    row change as well, but these are not columns.
    """
    spellings = dict.fromkeys(
        json.dumps(name, ensure_ascii=is_ascii).encode()
        for name in names
        for is_ascii in (True, False)
    )
    patterns = []
    for spelling in spellings:
        # The pattern begins with fixed letters, which are found fast.
        name = re.escape(spelling)
        key = rb"(%s(?<!\\%s)\s*:\s*)" % (name, name)
        patterns.append((re.compile(key + VALUE), re.compile(key + rb"NaN\b")))

    def rewrite(lines: bytes) -> bytes:
        for value, gap in patterns:
            if b"NaN" in lines:
                lines = gap.sub(rb"\1null", lines)
            lines = value.sub(rb'\1"\2"', lines)
        return lines

    return rewrite


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows as Python reads them; rows that aren't JSON objects are empty."""
    with opened(file) as stream:
        for line in stream.read().removeprefix(b"\xef\xbb\xbf").splitlines():
            if not line.strip():
                continue
            try:
                row = json.loads(line, strict=False)
            except (ValueError, RecursionError):
                row = {}
            yield row if isinstance(row, dict) else {}


def _mixed_column(file: Path, texts: Collection[str]) -> str | None:
    """Returns the first column with several kinds of values that can all be text.

    Raises:
      DataError: a column has kinds that can't be text, with the row.
    """
    first: dict[str, str] = dict.fromkeys(texts, "text")
    mixed: str | None = None
    for number, row in enumerate(_rows(file), start=1):
        for name, value in row.items():
            kind = _kind(value)
            if kind is None or kind == first.setdefault(name, kind):
                continue
            if kind not in TEXTS or first[name] not in TEXTS:
                raise DataError(
                    f"{file}: the column {name!r}, row {number}: got "
                    f"{shortened(json.dumps(value))} ({kind}); must be of type {first[name]}"
                )
            if name not in texts:
                mixed = mixed or name
    return mixed


def _kind(value: Any) -> str | None:
    """Returns the kind of a value; None for null and an empty list, which fit all kinds."""
    if isinstance(value, list):
        kinds = sorted({kind for each in value if (kind := _kind(each)) is not None})
        return f"list of {' and '.join(kinds)}s" if kinds else None
    if value is None:
        return None
    named = {str: "text", bool: "truth", dict: "object"}
    return next((name for type_, name in named.items() if isinstance(value, type_)), "number")
