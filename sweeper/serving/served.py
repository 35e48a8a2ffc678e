"""What an export serves: its signatures, as a module of TensorFlow alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sweeper.data.interactions import Interactions
from sweeper.errors import OutputError
from sweeper.evaluation.ranking import SeenItems
from sweeper.model.feature_graphs import StringLookup
from sweeper.model.history_graphs import UNKNOWN
from sweeper.serving.input_names import EXCLUDE, HISTORY, UNSEEN, K
from sweeper.serving.query_tower import DEFAULT, Inputs, QueryTower
from sweeper.serving.search import LOWEST, ExactSearch
from sweeper.serving.tables import QUERY_TOWER

K_SPEC = tf.TensorSpec([], tf.int32, K)
EXCLUDE_SPEC = tf.TensorSpec([None, None], tf.string, EXCLUDE)


class ServedModel(tf.Module):
    """Queries, as raw columns, to the titles that score highest, with their scores.

    Args:
      search: of the candidates, in the catalogue's order.
      training_rows: what a user has in these, counts as seen.
    """

    def __init__(
        self,
        tower: QueryTower,
        search: ExactSearch,
        interactions: Interactions,
        training_rows: np.ndarray,
    ) -> None:
        super().__init__()
        self._tower, self._search = tower, search
        self.num_candidates = interactions.num_items
        items = interactions.item_names
        self._titles = tf.constant([item.encode() for item in items])
        history, has_user = tower.inputs.history, tower.inputs.user is not None
        self._candidates = history.lookup if history else StringLookup(items, 0, UNKNOWN)
        self._seen = SeenTable(interactions, training_rows) if has_user else None

    def recommend(self, **inputs: tf.Tensor) -> Inputs:
        """The `k` best of all candidates."""
        k = self._checked(inputs.pop(K))
        values = self._tower.inputs.read(inputs)
        scores, candidates = self._search(self._tower(values), k, biased=self._biased(values))
        titles = tf.gather(self._titles, candidates)
        return {"titles": titles, "scores": scores} | self._tower.inputs.unknown(values)

    def unseen(self, **inputs: tf.Tensor) -> Inputs:
        """As `recommend`, without what the user has seen, and without `exclude`.

        Seen is what the request's history holds and, where it names a user, what that user has in
        the training rows. `exclude` is [rows, n] titles, filled up with ""; titles that are no
        candidates are none to exclude. Where fewer than k are left, "" with the lowest float32
        fills the end.
        """
        k, exclude = self._checked(inputs.pop(K)), inputs.pop(EXCLUDE)
        values = self._tower.inputs.read(inputs)
        queries = self._tower(values)
        left_out = [self._excluded(exclude, tf.shape(queries)[0]), *self._seen_in(values)]
        # No score needs the model's bias on what was seen: all of it is left out.
        scores, candidates = self._search(queries, k, tf.concat(left_out, axis=0))
        titles = tf.where(scores > LOWEST, tf.gather(self._titles, candidates), "")
        return {"titles": titles, "scores": scores} | self._tower.inputs.unknown(values)

    def _excluded(self, exclude: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """The pairs of (row, candidate) that `exclude` names; [n, 2] int32."""
        as_many = tf.debugging.assert_equal(
            tf.shape(exclude)[0], rows, f"{EXCLUDE}: must have a row for each query"
        )
        with tf.control_dependencies([] if as_many is None else [as_many]):
            # What fills a row up excludes nothing, not even a candidate of no name.
            excluded = tf.where(exclude == "", UNKNOWN, self._candidates(exclude))
        found = tf.where(excluded >= 0)
        of = tf.cast(found[:, 0], tf.int32)
        return tf.stack([of, tf.gather_nd(excluded, found)], axis=1)

    def _biased(self, values: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor] | None:
        """What the model adds to which scores, as `ExactSearch` takes it."""
        bias = self._tower.seen_bias
        return None if bias is None else (bias, values[HISTORY].pairs)

    def _seen_in(self, values: dict[str, Any]) -> Iterator[tf.Tensor]:
        """The pairs of (row, candidate) that a request says were chosen before; [n, 2] int32."""
        inputs = self._tower.inputs
        if inputs.history is not None:
            yield values[HISTORY].pairs
        if self._seen is not None and inputs.user is not None:
            yield self._seen(values[inputs.user])

    def _checked(self, k: tf.Tensor) -> tf.Tensor:
        words = f"k: must be from 1 to {self.num_candidates}, the number of candidates"
        checks = [
            tf.debugging.assert_greater_equal(k, 1, words),
            tf.debugging.assert_less_equal(k, self.num_candidates, words),
        ]
        with tf.control_dependencies([check for check in checks if check is not None]):
            return tf.identity(k)

    def save(self, directory: Path) -> None:
        """Writes the SavedModel, and in `query_tower/` that of the query tower alone.

        Raises:
          OutputError: there is no room, or no right to write.
        """
        columns = self._tower.inputs.specs

        def graph(method, specs):  # type: ignore[no-untyped-def]
            return tf.function(method).get_concrete_function(**specs)

        signatures = {
            DEFAULT: graph(self.recommend, columns | {K: K_SPEC}),
            UNSEEN: graph(self.unseen, columns | {EXCLUDE: EXCLUDE_SPEC, K: K_SPEC}),
        }
        try:
            tf.saved_model.save(self, str(directory), signatures)
            self._tower.save(directory / QUERY_TOWER)
        except tf.errors.OpError as error:
            reason = re.sub(r"^({{.*}} )*", "", error.message.removesuffix(" [Op:SaveV2]"))
            raise OutputError(
                f"output: a SavedModel can't be written ({reason}); must be a directory that can "
                "be written and has room"
            ) from error


class SeenTable(tf.Module):
    """What each user has in the training rows."""

    def __init__(self, interactions: Interactions, training_rows: np.ndarray) -> None:
        super().__init__()
        users = interactions.query_columns[interactions.user_column].categories  # type: ignore[union-attr]
        seen = SeenItems.from_rows(
            interactions.users[training_rows],
            interactions.items[training_rows],
            len(users),
            interactions.num_items,
        )
        # An unknown user comes last, and has seen nothing.
        self.users = StringLookup(users, first=0, unknown=len(users))
        offsets = np.append(seen.offsets, seen.offsets[-1])
        self.offsets = tf.Variable(offsets.astype(np.int64), trainable=False, name="seen_offsets")
        self.items = tf.Variable(seen.items.astype(np.int32), trainable=False, name="seen_items")

    def __call__(self, users: tf.Tensor) -> tf.Tensor:
        """[rows] users to [n, 2] int32, the pairs of (row, candidate) that are seen."""
        table = tf.RaggedTensor.from_row_splits(
            tf.convert_to_tensor(self.items), tf.convert_to_tensor(self.offsets), validate=False
        )
        seen = tf.gather(table, self.users(users))
        return tf.stack([tf.cast(seen.value_rowids(), tf.int32), seen.flat_values], axis=1)
