"""What an export serves: its signatures, as a module of TensorFlow alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from sweeper.common.errors import OutputError
from sweeper.serving.input_names import EXCLUDE, HISTORY, UNSEEN, K
from sweeper.serving.query_tower import DEFAULT, Inputs, QueryTower
from sweeper.serving.search import LOWEST, ExactSearch
from sweeper.serving.tables import EMBEDDING, QUERY_TOWER
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.evaluation.ranking import SeenItems
from sweeper.two_tower.model.feature_graphs import StringLookup
from sweeper.two_tower.model.history_graphs import UNKNOWN

K_SPEC = tf.TensorSpec([], tf.int32, K)
EXCLUDE_SPEC = tf.TensorSpec([None, None], tf.string, EXCLUDE)


class Tower(Protocol):
    """Embeds queries.

    Attributes:
      specs: the shape and type of each input, by its name.
      user: the name of the input of users; None: there is none.
      seen_bias: what is added to the scores of what a request's history holds; None: nothing.
    """

    @property
    def specs(self) -> Mapping[str, tf.TensorSpec]: ...

    @property
    def user(self) -> str | None: ...

    @property
    def seen_bias(self) -> tf.Tensor | None: ...

    def embed(self, **inputs: tf.Tensor) -> Inputs:
        """Returns `embedding`, [rows, width], and what else there is to say of each row."""
        ...

    def save(self, directory: Path) -> None:
        """Writes the tower as a SavedModel."""
        ...


class ServedModel(tf.Module):
    """Queries, as raw columns, to the titles that score highest, with their scores.

    Args:
      tower: embeds queries.
      search: of the candidates, in the catalogue's order.
      items: the candidates, in the catalogue's order.
      seen: what each user has chosen; None if a request names no user.
      lookup: the candidates by their names, if the tower has them already.
    """

    def __init__(
        self,
        tower: Tower,
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

        A tower that reads what was done before is asked by all rows of the data, as
        `sweeper.serving.tables.history_table` has them: what a known user has seen is made of all
        rows, too.
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
        """The `k` best of all candidates."""
        k = self._checked(inputs.pop(K))
        told = self._tower.embed(**inputs)
        scores, candidates = self._search(told.pop(EMBEDDING), k, biased=self._biased(inputs))
        return {"titles": tf.gather(self._titles, candidates), "scores": scores} | told

    def unseen(self, **inputs: tf.Tensor) -> Inputs:
        """As `recommend`, without what the user has seen, and without `exclude`.

        Seen is what the request's history holds and, where it names a user, what that user has in
        the training rows, or in all rows where the model reads what was done before. `exclude` is
        [rows, n] titles, filled up with ""; titles that are no candidates are none to exclude.
        Where fewer than k are left, "" with the lowest float32 fills the end.
        """
        k, exclude = self._checked(inputs.pop(K)), inputs.pop(EXCLUDE)
        told = self._tower.embed(**inputs)
        queries = told.pop(EMBEDDING)
        as_many = tf.debugging.assert_equal(
            tf.shape(exclude)[0], tf.shape(queries)[0], f"{EXCLUDE}: must have a row for each query"
        )
        with tf.control_dependencies([] if as_many is None else [as_many]):
            left_out = [self._named(tf.identity(exclude)), *self._seen_in(inputs)]
        # No score needs the model's bias on what was seen: all of it is left out.
        scores, candidates = self._search(queries, k, tf.concat(left_out, axis=0))
        titles = tf.where(scores > LOWEST, tf.gather(self._titles, candidates), "")
        return {"titles": titles, "scores": scores} | told

    def _biased(self, inputs: Inputs) -> tuple[tf.Tensor, tf.Tensor] | None:
        """What the model adds to which scores, as `ExactSearch` takes it."""
        bias = self._tower.seen_bias
        return None if bias is None else (bias, self._named(inputs[HISTORY]))

    def _named(self, titles: tf.Tensor) -> tf.Tensor:
        """The pairs of (row, candidate) that [rows, n] titles name; [pairs, 2] int32."""
        # What fills a row up names nothing, not even a candidate of no name.
        named = tf.where(titles == "", UNKNOWN, self._candidates(titles))
        found = tf.where(named != UNKNOWN)
        return tf.stack([tf.cast(found[:, 0], tf.int32), tf.gather_nd(named, found)], axis=1)

    def _seen_in(self, inputs: Inputs) -> Iterator[tf.Tensor]:
        """The pairs of (row, candidate) that a request says were chosen before; [n, 2] int32."""
        if HISTORY in inputs:
            yield self._named(inputs[HISTORY])
        if self._seen is not None and self._tower.user is not None:
            yield self._seen(inputs[self._tower.user])

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
    """What each user has chosen.

    Args:
      users: distinct ids.
      seen: of these users, in their order.
    """

    def __init__(self, users: Sequence[str], seen: SeenItems) -> None:
        super().__init__()
        # An unknown user comes last, and has seen nothing.
        self.users = StringLookup(users, first=0, unknown=len(users))
        offsets = np.append(seen.offsets, seen.offsets[-1])
        self.offsets = tf.Variable(offsets.astype(np.int64), trainable=False, name="seen_offsets")
        self.items = tf.Variable(seen.items.astype(np.int32), trainable=False, name="seen_items")

    @classmethod
    def of_rows(cls, interactions: Interactions, rows: np.ndarray) -> SeenTable:
        """Makes the table of these rows, such as the training rows."""
        users = interactions.query_columns[interactions.user_column].categories  # type: ignore[union-attr]
        seen = SeenItems.from_rows(
            interactions.users[rows],
            interactions.items[rows],
            len(users),
            interactions.num_items,
        )
        return cls(users, seen)

    def __call__(self, users: tf.Tensor) -> tf.Tensor:
        """[rows] users to [n, 2] int32, the pairs of (row, candidate) that are seen."""
        table = tf.RaggedTensor.from_row_splits(
            tf.convert_to_tensor(self.items), tf.convert_to_tensor(self.offsets), validate=False
        )
        seen = tf.gather(table, self.users(users))
        return tf.stack([tf.cast(seen.value_rowids(), tf.int32), seen.flat_values], axis=1)
