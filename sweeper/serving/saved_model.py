"""The served model: from raw columns to the best titles, in plain TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from sweeper.common.errors import OutputError
from sweeper.serving.input_names import EXCLUDE, HISTORY, UNSEEN, K
from sweeper.serving.query_tower import DEFAULT, Inputs, QueryTower, SavedQueryTower
from sweeper.serving.tables import EMBEDDING, QUERY_TOWER
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.evaluation.ranking import SeenItems
from sweeper.two_tower.model.feature_graphs import StringLookup
from sweeper.two_tower.model.history_graphs import UNKNOWN

K_SPEC = tf.TensorSpec([], tf.int32, K)
EXCLUDE_SPEC = tf.TensorSpec([None, None], tf.string, EXCLUDE)


# The score of a candidate that is left out: JSON has no infinity.
LOWEST = tf.float32.min


class ExactSearch(tf.Module):
    """Scores every candidate: the product of its embedding with the query's.

    Args:
      candidates: [candidates, dim] float32.
    """

    def __init__(self, candidates: np.ndarray) -> None:
        super().__init__()
        self.candidates = tf.Variable(candidates, trainable=False, name="candidates")

    def __call__(
        self,
        queries: tf.Tensor,
        k: tf.Tensor,
        left_out: tf.Tensor | None = None,
        biased: tuple[tf.Tensor, tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the k best of each query, best first; equal ones in the catalogue's order.

        Args:
          queries: [rows, dim].
          left_out: [n, 2] int32, pairs of (row, candidate) that score `LOWEST`.
          biased: a scalar, and the pairs of (row, candidate), [n, 2] int32, to whose scores it is
            added once, even if a pair occurs twice.

        Returns:
          Scores [rows, k] float32 and candidates [rows, k] int32.
        """
        scores = tf.matmul(queries, self.candidates, transpose_b=True)
        if biased is not None:
            bias, pairs = biased
            biases = tf.fill([tf.shape(pairs)[0]], bias)
            scores += tf.tensor_scatter_nd_update(tf.zeros_like(scores), pairs, biases)
        if left_out is not None:
            lowest = tf.fill([tf.shape(left_out)[0]], LOWEST)
            scores = tf.tensor_scatter_nd_update(scores, left_out, lowest)
        return tf.math.top_k(scores, k)


class ServedModel(tf.Module):
    """Answers queries, given as raw columns, with the titles that score highest.

    Args:
      tower: embeds queries.
      search: of the candidates, in the catalogue's order.
      items: the candidates, in the catalogue's order.
      seen: what each user has chosen; None if requests have no user.
      lookup: the candidates by name, if the tower has such a table already.
    """

    def __init__(
        self,
        tower: QueryTower | SavedQueryTower,
        search: ExactSearch,
        items: Sequence[str],
        seen: SeenTable | None,
        lookup: StringLookup | None = None,
    ) -> None:
        super().__init__()
        self._tower, self._search, self._seen = tower, search, seen
        self.num_candidates = len(items)
        self._titles = tf.constant([item.encode() for item in items])
        self._candidates = lookup or StringLookup(items, 0, UNKNOWN)

    @classmethod
    def of_rows(
        cls,
        tower: QueryTower,
        search: ExactSearch,
        interactions: Interactions,
        training_rows: np.ndarray,
    ) -> ServedModel:
        """Makes the model of a tower that was trained on these rows of the data.

        If the tower reads histories, what a known user has seen is made of all rows of the data,
        as in `sweeper.serving.tables.history_table`.
        """
        history = tower.inputs.history
        has_user = tower.user is not None
        known = np.arange(len(interactions)) if tower.inputs.reads else training_rows
        return cls(
            tower,
            search,
            interactions.item_names,
            SeenTable.of_rows(interactions, known) if has_user else None,
            None if history is None else history.lookup,
        )

    def recommend(self, **inputs: tf.Tensor) -> Inputs:
        """Returns the `k` best of all candidates."""
        k = self._checked(inputs.pop(K))
        outputs = self._tower.embed(**inputs)
        scores, candidates = self._search(outputs.pop(EMBEDDING), k, biased=self._biased(inputs))
        return {"titles": tf.gather(self._titles, candidates), "scores": scores} | outputs

    def unseen(self, **inputs: tf.Tensor) -> Inputs:
        """Returns the `k` best candidates that the user has not seen, and that `exclude` lacks.

        A user has seen the titles of the request's history, and those of the user's training rows,
        or of all the user's rows if the model reads histories. `exclude` is [rows, n] titles,
        padded with ""; titles that are not candidates are ignored. If fewer than k are left, ""
        with the lowest float32 fills the end.
        """
        k, exclude = self._checked(inputs.pop(K)), inputs.pop(EXCLUDE)
        outputs = self._tower.embed(**inputs)
        queries = outputs.pop(EMBEDDING)
        as_many = tf.debugging.assert_equal(
            tf.shape(exclude)[0], tf.shape(queries)[0], f"{EXCLUDE}: must have a row for each query"
        )
        with tf.control_dependencies([] if as_many is None else [as_many]):
            left_out = [self._pairs_of(tf.identity(exclude)), *self._seen_in(inputs)]
        # The bias on what was seen is not needed: all of it is left out.
        scores, candidates = self._search(queries, k, tf.concat(left_out, axis=0))
        titles = tf.where(scores > LOWEST, tf.gather(self._titles, candidates), "")
        return {"titles": titles, "scores": scores} | outputs

    def _biased(self, inputs: Inputs) -> tuple[tf.Tensor, tf.Tensor] | None:
        """Returns the bias, if there is one, and the pairs of (row, candidate) that get it."""
        bias = self._tower.seen_bias
        return None if bias is None else (bias, self._pairs_of(inputs[HISTORY]))

    def _pairs_of(self, titles: tf.Tensor) -> tf.Tensor:
        """Looks up [rows, n] titles; returns the pairs of (row, candidate), [pairs, 2] int32."""
        # Padding is never a candidate, not even one with an empty name.
        found = tf.where(titles == "", UNKNOWN, self._candidates(titles))
        pairs = tf.where(found != UNKNOWN)
        return tf.stack([tf.cast(pairs[:, 0], tf.int32), tf.gather_nd(found, pairs)], axis=1)

    def _seen_in(self, inputs: Inputs) -> Iterator[tf.Tensor]:
        """Yields the pairs of (row, candidate) that a request's users have seen; [n, 2] int32."""
        if HISTORY in inputs:
            yield self._pairs_of(inputs[HISTORY])
        if self._seen is not None and self._tower.user is not None:
            yield self._seen(inputs[self._tower.user])

    def _checked(self, k: tf.Tensor) -> tf.Tensor:
        message = f"k: must be from 1 to {self.num_candidates}, the number of candidates"
        checks = [
            tf.debugging.assert_greater_equal(k, 1, message),
            tf.debugging.assert_less_equal(k, self.num_candidates, message),
        ]
        with tf.control_dependencies([check for check in checks if check is not None]):
            return tf.identity(k)

    def save(self, directory: Path) -> None:
        """Writes the SavedModel, and in `query_tower/` that of the query tower alone.

        Raises:
          OutputError: there is no space left, or no permission to write.
        """
        columns = dict(self._tower.specs)

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
    """A table of what each user has chosen.

    Args:
      users: distinct ids.
      seen: what these users have chosen, in the same order.
    """

    def __init__(self, users: Sequence[str], seen: SeenItems) -> None:
        super().__init__()
        # The last entry is the unknown user, who has seen nothing.
        self.users = StringLookup(users, first=0, unknown=len(users))
        offsets = np.append(seen.offsets, seen.offsets[-1])
        self.offsets = tf.Variable(offsets.astype(np.int64), trainable=False, name="seen_offsets")
        self.items = tf.Variable(seen.items.astype(np.int32), trainable=False, name="seen_items")

    @classmethod
    def of_rows(cls, interactions: Interactions, rows: np.ndarray) -> SeenTable:
        """Makes the table from rows of the data, such as the training rows."""
        users = interactions.query_columns[interactions.user_column].categories  # type: ignore[union-attr]
        seen = SeenItems.from_rows(
            interactions.users[rows],
            interactions.items[rows],
            len(users),
            interactions.num_items,
        )
        return cls(users, seen)

    def __call__(self, users: tf.Tensor) -> tf.Tensor:
        """Looks up [rows] users; returns the pairs of (row, candidate) seen, [n, 2] int32."""
        table = tf.RaggedTensor.from_row_splits(
            tf.convert_to_tensor(self.items), tf.convert_to_tensor(self.offsets), validate=False
        )
        seen = tf.gather(table, self.users(users))
        return tf.stack([tf.cast(seen.value_rowids(), tf.int32), seen.flat_values], axis=1)
