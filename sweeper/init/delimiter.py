"""What separates the values of a CSV file, by its first lines."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice

import pyarrow as pa

from sweeper.config import CsvConfig
from sweeper.data.table.files import TableFiles, compression_of

SOME_BYTES, SOME_LINES = 65_536, 100
OTHERS = (";", "\t", "|")
# Of the lines, so many must have as many values as most; of a file with commas, all.
SHARE_OF_LINES = 0.9


def guess_delimiter(files: TableFiles) -> str:
    """The character that divides the first lines into as many values each, two or more.

    It is the comma wherever the comma does; also where no character does, so that reading the
    file tells what is wrong with it. The default of a `.tsv` is a tab, which it leaves.
    """
    default = CsvConfig().delimiter
    file = files.files[0] if files.files else None
    if files.format != "csv" or file is None or ".tsv" in map(str.lower, file.suffixes):
        return default
    try:
        with pa.input_stream(str(file), compression=compression_of(file)) as stream:
            block = stream.read(SOME_BYTES)
    except (pa.ArrowException, OSError):
        return default
    lines = block.decode(errors="replace").splitlines()
    lines = lines[:-1] if len(block) == SOME_BYTES else lines
    lines = [line for line in islice(lines, SOME_LINES) if line]
    if _values(lines, default, 1.0) > 1:
        return default
    best = max(OTHERS, key=lambda each: _values(lines, each, SHARE_OF_LINES))
    return best if _values(lines, best, SHARE_OF_LINES) > 1 else default


def _values(lines: list[str], delimiter: str, share: float) -> int:
    """How many values a line has; 0 where fewer than a share of them have as many."""
    try:
        numbers = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return 0
    if not numbers:
        return 0
    most, lines_with_most = numbers.most_common(1)[0]
    return most if lines_with_most >= share * numbers.total() else 0
