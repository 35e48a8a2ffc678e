"""Reads CSV files with Arrow, and compares the number of rows with that of their bytes."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sweeper.common.errors import DataError
from sweeper.two_tower.config import CsvConfig
from sweeper.two_tower.data.table.csv_dialect import STAND_IN, CsvDialect, find_dialect
from sweeper.two_tower.data.table.files import BLOCK_BYTES, UNREADABLE, not_utf8, unreadable

TEXT = pa.dictionary(pa.int32(), pa.string())


class CsvFile:
    """A CSV file whose dialect is known.

    Attributes:
      notes: see `CsvDialect`.
    """

    def __init__(self, file: Path, key: str, csv: CsvConfig) -> None:
        """Reads through the whole file to find its dialect.

        Raises:
          DataError: it can't be read, or its quotes are ambiguous.
        """
        self._file, self._key, self._names = file, key, csv.column_names
        try:
            self._dialect: CsvDialect = find_dialect(file, key, csv)
        except UNREADABLE as error:
            raise unreadable(file, "CSV", error) from error
        self.notes = self._dialect.notes

    def read(self, texts: Collection[str]) -> pa.Table:
        """Reads all rows; `texts` are columns to be read as text, whatever their values look like.

        Raises:
          DataError: the file can't be read (the row is named), or rows are missing.
        """
        try:
            table = self._read(texts, threads=True)
        except pa.ArrowInvalid as error:
            if "parse error" not in str(error):
                raise self._unreadable(error) from error
            try:
                table = self._read(
                    texts, threads=False
                )  # Without threads, the error names the row.
            except UNREADABLE as error:
                raise self._unreadable(error) from error
        except UNREADABLE as error:
            raise self._unreadable(error) from error
        if any(pa.types.is_binary(type_) for type_ in table.schema.types):
            # Arrow reads texts that are not UTF-8 as bytes.
            raise not_utf8(self._file)
        if len(table) != self._dialect.rows:
            raise DataError(
                f"{self._file}: has {self._dialect.rows:,} rows by its line ends and quotes, of "
                f"which {len(table):,} were read; must be written as RFC 4180 has it"
            )
        return self._with_delimiters(table)

    def first_rows(self) -> pa.Table:
        """Reads the first block, with the types that Arrow infers from it.

        Raises:
          DataError: as `read`.
        """
        try:
            with pyarrow.csv.open_csv(
                self._dialect.open(self._file),
                pyarrow.csv.ReadOptions(column_names=self._names),
                self._parsing(),
            ) as reader:
                table = pa.Table.from_batches(islice(reader, 1), reader.schema)
        except UNREADABLE as error:
            raise self._unreadable(error) from error
        return self._with_delimiters(table)

    def _read(self, texts: Collection[str], threads: bool) -> pa.Table:
        with self._dialect.open(self._file) as stream:
            return pyarrow.csv.read_csv(
                stream,
                pyarrow.csv.ReadOptions(
                    column_names=self._names, block_size=BLOCK_BYTES, use_threads=threads
                ),
                self._parsing(),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(texts, TEXT), strings_can_be_null=False
                ),
            )

    def _parsing(self) -> pyarrow.csv.ParseOptions:
        return pyarrow.csv.ParseOptions(
            delimiter=self._dialect.byte.decode("latin-1"),
            quote_char=self._dialect.quote or False,
            newlines_in_values=self._dialect.spans_lines,
        )

    def _with_delimiters(self, table: pa.Table) -> pa.Table:
        """Restores the delimiters in quoted texts."""
        if self._dialect.quote is None or self._dialect.byte != STAND_IN:
            return table
        for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
            if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
                words = pc.replace_substring(
                    column.cast(pa.string()), STAND_IN.decode(), self._dialect.delimiter.decode()
                )
                table = table.set_column(place, name, words)
        return table

    def _unreadable(self, error: Exception) -> DataError:
        is_other = isinstance(error, UnicodeDecodeError) or "invalid UTF8" in str(error)
        if is_other:
            return not_utf8(self._file)
        problem = unreadable(self._file, "CSV", error)
        if "parse error" in str(error) and self._dialect.quote is not None:
            return DataError(
                f"{problem}. {self._key}.quote_char=null reads all quotes as ordinary characters"
            )
        return problem
