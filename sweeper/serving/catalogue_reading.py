"""Reads a newer catalogue for an export: the same columns as before, for other items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.common.errors import ConfigError, DataError, closest, shortened
from sweeper.serving.tables import kind_of
from sweeper.two_tower.config import Config, CsvConfig, DataConfig, SideTableConfig
from sweeper.two_tower.data.column_names import listed_names
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn, Column
from sweeper.two_tower.data.table.arrays import is_text, naming
from sweeper.two_tower.data.table.feature_columns import feature_column
from sweeper.two_tower.data.table.files import find_files, format_of
from sweeper.two_tower.data.table.reading import error_context, read_table
from sweeper.two_tower.data.table.roles import NUMBER, delimiter_hint, ids
from sweeper.two_tower.data.table.side_tables import check_keys

# Separates the words of a list in a text, unless the trial's data sets another separator.
SEPARATOR = "|"
AS_TRAINED = "as in the catalogue that the model was trained with"
PLURALS = {"string": "strings", "strings": "lists of strings", "number": "numbers"}


@dataclass(frozen=True)
class ItemsFile:
    """A file of items, and how it is written.

    Attributes:
      path: of the file, or a folder of files.
      format: like `data.items.format`; None: given by the file's name, or as in the trial.
      csv: like `data.items.csv`; what it lacks is as in the trial.
    """

    path: str
    format: str | None = None
    csv: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, config: DataConfig) -> SideTableConfig:
        """Returns the settings for reading the file: the trial's, updated by the given ones."""
        trial = config.items if config.items.path is not None else SideTableConfig()
        by_name = "auto" if format_of(Path(self.path)) else trial.format
        csv: CsvConfig = replace(trial.csv, **self.csv)
        return replace(trial, path=self.path, format=self.format or by_name, csv=csv)


def read_catalogue(
    file: ItemsFile,
    old: pa.Table,
    item_column: str,
    config: DataConfig,
    say: Callable[[str], None],
) -> dict[str, Column]:
    """Reads the items of a newer catalogue, sorted by their ids.

    Args:
      old: the catalogue that the model was trained with, without its embeddings.
      item_column: the name of the column of ids in `old`.
      config: of the trial.
      say: called with messages about the file.

    Returns:
      The columns of `old` by name, each of the same kind as in `old`.

    Raises:
      ConfigError: there are settings of CSV files for another format.
      DataError: the file can't be read, holds no item, lacks a column or has one of another kind,
        or an item has no id or occurs twice.
    """
    settings = file.settings(config)
    files = find_files("items.path", file.path, settings.format)
    if file.csv and files.format != "csv":
        raise ConfigError(
            f"items.csv.{each}: is given, but {file.path} is read as {files.format}; only applies "
            "to CSV files, and must be left out"
            for each in file.csv
        )
    kinds = {name: _kind(old.schema.field(name).type) for name in old.column_names}
    key = settings.key or item_column
    texts = [name for name in kinds if name != item_column and _is_read_as_text(old[name])]
    if files.format == "csv":
        texts += [name for name, kind in kinds.items() if kind == "strings"]
    table = read_table(files, settings.csv, [key, item_column, *texts], say)
    # A table made from an export's own candidates names its ids as the interactions do.
    key = item_column if key not in table.column_names else key
    with error_context(f"items ({file.path})"):
        _check_columns(table, [key, *(name for name in kinds if name != item_column)])
        words = ids(table[key], key)
        check_keys(words, key)
        names = words.cast(pa.string()).to_pylist()
        order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
        columns: dict[str, Column] = {}
        for name, kind in kinds.items():
            if name == item_column:
                every = np.arange(len(names), dtype=np.int32)
                columns[name] = CategoricalColumn(every, [names[row] for row in order])
                continue
            separator = settings.lists.get(name, SEPARATOR) if kind == "strings" else None
            with naming(name):
                found = _column(table[name], name, kind, separator, config)
            columns[name] = found.take(order)
    return columns


def unknown_words(
    columns: Mapping[str, Column], old: pa.Table, config: Config, item_column: str
) -> dict[str, int]:
    """Counts the words that the old catalogue lacks, which the model can't distinguish.

    Returns:
      The counts above 0, by column whose features all read whole words, except the items' ids.
    """
    features = config.features.candidate
    by_column: dict[str, set[str]] = {}
    for each in features:
        by_column.setdefault(each.column, set()).add(each.kind)
    counts = {}
    for name, kinds in by_column.items():
        column = columns[name]
        if kinds != {"embedding"} or name == item_column:
            continue
        assert isinstance(column, CategoricalColumn | CategoricalListColumn)
        before = set(_words(old[name]).to_pylist())
        counts[name] = len(set(column.categories) - before - {""})
    return {name: count for name, count in counts.items() if count}


def _words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns the distinct words of a column of strings or of lists of strings."""
    is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    return pc.unique(pc.list_flatten(column) if is_list else column)


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return "strings"
    return "string" if is_text(type_) else "number"


def _is_read_as_text(old: pa.ChunkedArray) -> bool:
    """Returns whether a column is read as text, even if its values look like numbers.

    Arrow's booleans are the exception: their text is not as it was written.
    """
    return is_text(old.type) and not set(_words(old).to_pylist()) <= {"True", "False", ""}


def _check_columns(table: pa.Table, names: list[str]) -> None:
    for name in names:
        if name not in table.column_names:
            found = table.column_names
            hint = delimiter_hint(found, "items") or closest(name, found)
            raise DataError(
                f"has no column {name!r}; must have {listed_names(names)}, {AS_TRAINED}{hint}"
            )


def _column(
    column: pa.ChunkedArray, name: str, kind: str, separator: str | None, config: DataConfig
) -> Column:
    type_ = column.type
    inside = type_.value_type if pa.types.is_dictionary(type_) else type_
    separator = separator if is_text(inside) else None
    found = feature_column(column, name, config.filter.missing_features, separator)
    if found is not None and kind_of(found[0]) == kind:
        return found[0]
    if kind == "number" and found is not None and isinstance(found[0], CategoricalColumn):
        _check_numbers(found[0], name)
    hint = f", or strings with {SEPARATOR!r} between the words" if kind == "strings" else ""
    raise DataError(
        f"the column {name!r} has the type {inside}; must be {PLURALS[kind]}{hint}, {AS_TRAINED}"
    )


def _check_numbers(column: CategoricalColumn, name: str) -> None:
    """Raises a DataError that names the first word of a column that is not a number."""
    words = pc.utf8_trim_whitespace(pa.array(column.categories, pa.string()))
    fits = np.asarray(pc.or_(pc.match_substring_regex(words, NUMBER), pc.equal(words, "")))
    wrong = np.flatnonzero(~fits[column.codes])
    if len(wrong):
        row = int(wrong[0])
        word = shortened(repr(column.categories[column.codes[row]]))
        raise DataError(
            f"the column {name!r}, row {row + 1}: got {word}; must be a number, {AS_TRAINED}"
        )
