"""Finds which candidates a row's user has chosen before: in a training step, and in general."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sweeper.two_tower.data.histories import Histories

# The number of training rows, evenly spaced, from whose histories the log odds are computed.
ROWS_OF_LOG_ODDS = 5_000


def repeat_log_odds(
    histories: Histories, rows: np.ndarray, items: np.ndarray, num_candidates: int
) -> float:
    """Computes how much more often people choose items again than by popularity, in log odds.

    With r the share of rows whose item is in the row's history, and m the mean share of training
    rows that have an item of a history, it is logit(r) - logit(m). A model that knows popularity
    alone has to add this to the scores of these items. Each share counts one more row with, and
    one more without.

    Args:
      rows: the training rows.
      items: the candidate of each row of the data.
    """
    places = np.linspace(0, len(rows) - 1, min(ROWS_OF_LOG_ODDS, len(rows))).astype(np.int64)
    asked = rows[np.unique(places)]
    popularity = np.bincount(items[rows], minlength=num_candidates) / len(rows)
    of, seen = histories.pairs(asked)
    pairs = np.unique(of * num_candidates + seen)
    of, seen = np.divmod(pairs, num_candidates)
    repeated = (seen == items[asked][of]).sum()
    expected = popularity[seen].sum()

    def logit(number: float) -> float:
        return float(np.log((number + 1) / (len(asked) - number + 1)))

    return logit(repeated) - logit(expected)


class SeenCandidates:
    """Marks the candidates of a batch that are in the history of each of its rows.

    Args:
      histories: of every row of the data.
      num_candidates: the size of the catalogue.
      length: the number of latest items before a row that count.
    """

    def __init__(self, histories: Histories, num_candidates: int, length: int) -> None:
        self._items = tf.constant(histories.items)
        self._starts = tf.constant(histories.starts)
        self._stops = tf.constant(histories.stops)
        self._num_candidates, self._length = num_candidates, length

    def __call__(self, rows: tf.Tensor, candidates: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        """Returns which candidates are in each row's history, booleans [batch, width].

        Args:
          rows: [batch], rows of the data.
          candidates: [width], distinct, then padding.
          counts: [width]; 0 marks padding.
        """
        stops = tf.gather(self._stops, rows)[:, None]
        positions = stops - tf.range(self._length, 0, -1, dtype=stops.dtype)
        is_there = positions >= tf.gather(self._starts, rows)[:, None]
        seen = tf.gather(self._items, tf.where(is_there, positions, 0))
        seen = tf.where(is_there, seen, self._num_candidates)
        batch, width = rows.shape[0], candidates.shape[0]
        # The column of each candidate of the catalogue; `width` for those that the batch lacks.
        real = tf.where(counts > 0, candidates, self._num_candidates)
        columns = tf.tensor_scatter_nd_update(
            tf.fill([self._num_candidates + 1], width), real[:, None], tf.range(width)
        )
        columns = tf.tensor_scatter_nd_update(columns, [[self._num_candidates]], [width])
        places = tf.gather(columns, seen)
        of = tf.broadcast_to(tf.range(batch)[:, None], places.shape)
        marks = tf.scatter_nd(
            tf.stack([of, places], axis=2), tf.ones(places.shape), [batch, width + 1]
        )
        return marks[:, :width] > 0
