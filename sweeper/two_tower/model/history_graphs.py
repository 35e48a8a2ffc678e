"""The history features of an exported model, as TensorFlow graphs of the titles in a request.

`model.feature_graphs` has the features of the columns of the data. These graphs read the same
histories as `data.histories` does; tests/two_tower/model/test_history_graphs.py compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from sweeper.two_tower.model.feature_graphs import Scaled, StringLookup
from sweeper.two_tower.model.features import HistoryNumberFeature

UNKNOWN = -1


class KnownHistory(NamedTuple):
    """The candidates of each row's history, without padding and without unknown titles.

    Attributes:
      items: int32 [known + 1], the candidates of all rows, row after row, the most recent of a
        row last; the last element belongs to no row, so that there is always one.
      ranges: int32 [rows, 2], where each row's candidates begin in `items`, and where they end.
      unknown: int32 [rows], the number of titles that the catalogue lacks.
    """

    items: tf.Tensor
    ranges: tf.Tensor
    unknown: tf.Tensor

    @property
    def lengths(self) -> tf.Tensor:
        """The number of known titles; int32 [rows]."""
        return self.ranges[:, 1] - self.ranges[:, 0]


class HistoryReader(tf.Module):
    """Looks titles up in the catalogue and drops those that it lacks.

    Args:
      items: the candidates' names, in the catalogue's order.
    """

    def __init__(self, items: Sequence[str]) -> None:
        super().__init__()
        self.lookup = StringLookup(items, first=0, unknown=UNKNOWN)

    def __call__(self, titles: tf.Tensor) -> KnownHistory:
        """Reads [rows, longest] strings, the most recent last; "" is padding wherever it is."""
        is_title = titles != ""
        candidates = tf.where(is_title, self.lookup(titles), UNKNOWN)
        is_known = candidates != UNKNOWN
        lengths = tf.reduce_sum(tf.cast(is_known, tf.int32), axis=1)
        stops = tf.cumsum(lengths)
        items = tf.concat([tf.boolean_mask(candidates, is_known), [0]], axis=0)
        unknown = tf.reduce_sum(tf.cast(is_title & ~is_known, tf.int32), axis=1)
        return KnownHistory(items, tf.stack([stops - lengths, stops], axis=1), unknown)


class HistoryLengths(tf.Module):
    """The `HistoryNumberFeature.encode` of the number of earlier rows: [rows] float32."""

    def __init__(self, feature: HistoryNumberFeature) -> None:
        super().__init__()
        self.scaled = Scaled(feature.scaled)

    def __call__(self, history: KnownHistory) -> tf.Tensor:
        return self.scaled(tf.math.log1p(tf.cast(history.lengths, tf.float64)))


class TimeGaps(tf.Module):
    """The `HistoryNumberFeature.encode` of seconds: [rows] float64 to float32.

    NaN and negative numbers mean that a row has no earlier one.
    """

    def __init__(self, feature: HistoryNumberFeature) -> None:
        super().__init__()
        self.scaled = Scaled(feature.scaled)

    def __call__(self, seconds: tf.Tensor) -> tf.Tensor:
        nothing = tf.constant(float("nan"), tf.float64)
        return self.scaled(tf.math.log1p(tf.where(seconds >= 0, seconds, nothing)))
