"""A request's titles and seconds are read as the histories of the same rows are."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from small_trials import skewed_interactions

from sweeper.two_tower.data.columns import NumericColumn
from sweeper.two_tower.data.histories import find_histories
from sweeper.two_tower.model.features import HistoryNumberFeature, ScaledFeature
from sweeper.two_tower.model.history_graphs import HistoryLengths, HistoryReader, TimeGaps

TITLES = ["a", "b, c", 'd "e"', "é: (f)"]


def read(*histories: list[str]):
    longest = max(map(len, histories), default=0)
    rows = [
        [title.encode() for title in each] + [b""] * (longest - len(each)) for each in histories
    ]
    reader = tf.function(
        HistoryReader(TITLES), input_signature=[tf.TensorSpec([None, None], tf.string)]
    )
    return reader(tf.constant(rows, tf.string, [len(rows), longest]))


def ranges(history) -> list[list[int]]:
    return [history.items.numpy()[start:stop].tolist() for start, stop in history.ranges.numpy()]


def test_known_titles_keep_their_order_and_the_others_are_counted() -> None:
    history = read(
        ["é: (f)", "a", "a"], [], ["", "?", 'd "e"', "", "b, c", "A", ""], ["x", "y"], ["", ""]
    )
    assert ranges(history) == [[3, 0, 0], [], [2, 1], [], []]
    assert history.unknown.numpy().tolist() == [0, 0, 2, 2, 0]
    assert history.lengths.numpy().tolist() == [3, 0, 2, 0, 0]


def test_a_history_may_be_0_wide_and_there_may_be_no_rows() -> None:
    history = read([], [])
    assert ranges(history) == [[], []]
    assert ranges(read()) == []


def feature(numbers: np.ndarray) -> HistoryNumberFeature:
    return HistoryNumberFeature("x", np.log1p(numbers), ScaledFeature("x", 2.3, 1.7, missing=2.3))


def test_lengths_and_gaps_are_the_features_to_the_last_bit() -> None:
    interactions = skewed_interactions()
    rows = np.arange(len(interactions))
    histories = find_histories(interactions)
    lengths = feature(histories.lengths(rows))
    titles = interactions.item_names
    longest = int(histories.lengths(rows).max())
    asked = np.full((len(rows), longest), "", object)
    for row in rows:
        items = histories.items[histories.starts[row] : histories.stops[row]]
        asked[row, longest - len(items) :] = [titles[item] for item in items]
    history = HistoryReader(titles)(tf.constant(asked.tolist()))
    encoded = lengths.encode(interactions.query_columns["user_id"])
    np.testing.assert_array_equal(HistoryLengths(lengths)(history), encoded)
    seconds = histories.seconds_since_last(rows, interactions.timestamps)
    gaps = feature(seconds)
    encoded = gaps.encode(interactions.query_columns["timestamp"])
    assert np.isnan(seconds).any()
    np.testing.assert_array_equal(TimeGaps(gaps)(tf.constant(seconds)), encoded)


def test_any_number_of_seconds_is_rounded_as_numpy_does() -> None:
    seconds = np.concatenate([np.arange(20_000.0), np.geomspace(1, 1e10, 50_000)])
    gaps = feature(seconds)
    encoded = gaps.scaled.encode(NumericColumn(gaps.numbers))
    np.testing.assert_array_equal(TimeGaps(gaps)(tf.constant(seconds)), encoded)


def test_a_negative_gap_counts_as_none() -> None:
    gaps = TimeGaps(feature(np.zeros(1)))
    nothing, *others = gaps(tf.constant([np.nan, -1.0, -0.5, -1e9], tf.float64)).numpy()
    assert others == [nothing] * 3
