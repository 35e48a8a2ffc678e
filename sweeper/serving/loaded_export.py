"""Loads an export: its manifest at once, its tables and its model when they are needed."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sweeper.common.runtime import set_threads, start_tensorflow
from sweeper.serving.index import ApproximateIndex, ExactIndex, read_index
from sweeper.serving.input_names import GAP, HISTORY, TRAINING_ROWS
from sweeper.serving.manifest import Manifest, read_manifest
from sweeper.serving.tables import (
    CANDIDATES,
    HISTORY_ITEMS,
    INDEX,
    QUERY_TOWER,
    SEEN,
    USERS,
    read_schema,
    read_table,
)
from sweeper.serving.titles import DisplayTitles, display_texts, title_column
from sweeper.serving.versions import find_version

# The kinds of a history's inputs, as in `Manifest.inputs`.
HISTORY_INPUT_KINDS = {HISTORY: "strings", GAP: "number"}
# The number of queries that are embedded at once.
ROWS_A_BATCH = 256


class LoadedExport:
    """One version of an export, with the checksums of all files verified.

    Args:
      directory: of the export, or of one version of it.
      version: None: the newest.
      exact: whether to ignore its approximate index, if it has one.
      title_column: the catalogue's column that is shown beside ids, or "" for none; None: chosen
        by `sweeper.serving.titles.title_column`.

    Raises:
      OutputError: there is no such version, it is damaged, or a newer sweeper wrote it.
    """

    def __init__(
        self,
        directory: Path,
        version: int | None = None,
        exact: bool = False,
        title_column: str | None = None,
    ) -> None:
        self.directory = find_version(directory, version)
        self.manifest: Manifest = read_manifest(self.directory)
        self._exact_alone, self._title_column = exact, title_column

    @cached_property
    def titles(self) -> list[str]:
        """The candidates' names, in the catalogue's order."""
        return self._candidates(self.manifest.item_column)

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Each candidate's position in the catalogue, by name."""
        return {title: place for place, title in enumerate(self.titles)}

    @cached_property
    def display_titles(self) -> DisplayTitles | None:
        """The candidates' titles, if candidates are ids and the catalogue has titles.

        Raises:
          ConfigError: the catalogue lacks the column that was asked for.
        """
        schema = read_schema(self.directory / CANDIDATES)
        columns = schema.remove(schema.get_field_index(self.manifest.embedding_column))
        item_column = self.manifest.item_column
        column = title_column(columns, item_column, self._title_column)
        if column is None:
            return None
        texts = display_texts(self._candidates(column))
        return DisplayTitles(item_column, column, dict(zip(self.titles, texts, strict=True)))

    def _candidates(self, column: str) -> list[Any]:
        return read_table(self.directory / CANDIDATES, [column])[column].to_pylist()

    @cached_property
    def embeddings(self) -> np.ndarray:
        """[candidates, dimensions] float32."""
        column = self.manifest.embedding_column
        vectors = read_table(self.directory / CANDIDATES, [column])[column]
        flat = vectors.combine_chunks().flatten().to_numpy()
        return flat.reshape(self.manifest.candidates, self.manifest.dimensions)

    def approximation(self, k: int) -> dict[str, Any] | None:
        """Returns `Manifest.index` if the index is used to find k candidates, None if it is not.

        The index is not used for a larger k than its recall was measured with.
        """
        index = self.manifest.index
        return None if self._exact_alone or index is None or k > index["k"] else index

    def index(self, k: int) -> ExactIndex | ApproximateIndex:
        """Returns the index that finds the k best candidates of an embedded query.

        Raises:
          ConfigError: it is approximate, and FAISS is not installed.
          OutputError: it can't be read.
        """
        return self._approximate if self.approximation(k) else self._exact

    @cached_property
    def _exact(self) -> ExactIndex:
        return ExactIndex(self.embeddings)

    @cached_property
    def _approximate(self) -> ApproximateIndex:
        return ApproximateIndex(read_index(self.directory / INDEX), self._exact)

    @cached_property
    def _users(self) -> pa.Table:
        return read_table(self.directory / USERS)

    @cached_property
    def _row_of_user(self) -> dict[str, int]:
        users = self._users[self.manifest.input_names[self.manifest.user_column]].to_pylist()
        return {name: row for row, name in enumerate(users)}

    @property
    def users(self) -> list[str]:
        """The users with `Manifest.known_rows`."""
        return list(self._row_of_user)

    def user(self, name: str) -> dict[str, Any] | None:
        """Returns the user's last row of `Manifest.known_rows` by column; None without one."""
        row = self._row_of_user.get(name)
        if row is None:
            return None
        names = self.manifest.input_names
        (values,) = self._users.select(list(names.values())).slice(row, 1).to_pylist()
        return {column: values[name] for column, name in names.items()}

    def seen(self, name: str) -> list[int]:
        """Returns the candidates of the user's `Manifest.known_rows` once each, the latest last."""
        return self._of_user(SEEN, name) or []

    @cached_property
    def history_items(self) -> dict[str, int]:
        """The position of each item that the model knows in a history, by name.

        These are the items of the catalogue that it was trained with, even if the export has a
        newer one.
        """
        if self.manifest.catalogue is None:
            return self.place_of
        column = self.manifest.item_column
        items = read_table(self.directory / HISTORY_ITEMS, [column])[column].to_pylist()
        return {item: place for place, item in enumerate(items)}

    def history(self, name: str) -> list[str]:
        """Returns the items of all the user's rows, the last chosen last."""
        items = self._history_names
        return [items[place] for place in self._of_user(HISTORY, name) or []]

    @cached_property
    def _history_names(self) -> list[str]:
        return list(self.history_items)

    def seconds_since_last(self, name: str) -> float | None:
        """Returns the time from the user's last row to the newest of all; None without a row."""
        return self._of_user(GAP, name)  # type: ignore[no-any-return]

    def training_rows(self, name: str) -> int:
        """Returns how many training rows the user has; only for an export that reads histories."""
        return self._of_user(TRAINING_ROWS, name) or 0

    def _of_user(self, column: str, name: str) -> Any:
        row = self._row_of_user.get(name)
        return None if row is None else self._users[column][row].as_py()

    @cached_property
    def _query_tower(self) -> Any:
        start_serving()
        import tensorflow as tf

        self._model = tf.saved_model.load(str(self.directory / QUERY_TOWER))
        return self._model.signatures["serving_default"]

    def embed(self, queries: list[dict[str, Any]]) -> np.ndarray:
        """Embeds queries.

        Args:
          queries: a value by input of the model: a string, a list of strings, or a number (NaN:
            missing).

        Returns:
          [queries, dimensions] float32.
        """
        # This starts TensorFlow, so it comes first.
        query_tower, embedded = self._query_tower, []
        names = self.manifest.input_names
        kinds = {names[column]: kind for column, kind in self.manifest.inputs.items()}
        kinds |= {name: HISTORY_INPUT_KINDS[name] for name in self.manifest.reads}
        for start in range(0, len(queries), ROWS_A_BATCH):
            batch = queries[start : start + ROWS_A_BATCH]
            inputs = {
                name: _tensor(kind, [query[name] for query in batch])
                for name, kind in kinds.items()
            }
            embedded.append(query_tower(**inputs)["embedding"].numpy())
        return np.concatenate(embedded)


def start_serving() -> None:
    """Starts TensorFlow on all cores; if it runs already, it keeps the threads that it has."""
    if "tensorflow" not in sys.modules:
        set_threads(None)
    start_tensorflow()


def _tensor(kind: str, values: list[Any]) -> Any:
    """Converts the values of one column to the tensor of a signature's input."""
    import tensorflow as tf

    if kind == "number":
        return tf.constant(values, tf.float64)
    if kind == "string":
        return tf.constant([value.encode() for value in values])
    longest = max(map(len, values))
    padded = [[*value, *[""] * (longest - len(value))] for value in values]
    encoded = [[word.encode() for word in value] for value in padded]
    return tf.constant(encoded, tf.string, [len(values), longest])
