"""The k that tells models of a catalogue apart."""

from __future__ import annotations

import pytest

from sweeper.two_tower.config import DEFAULT_METRIC, METRICS
from sweeper.two_tower.evaluation.metrics import default_metric


@pytest.mark.parametrize(
    ("candidates", "metric"),
    [
        (2, "top_1"), (5, "top_1"), (24, "top_1"), (25, "top_5"), (40, "top_5"), (49, "top_5"),
        (50, "top_10"), (249, "top_10"), (250, "top_50"), (499, "top_50"), (500, "top_100"),
        (1_664, DEFAULT_METRIC), (62_000, DEFAULT_METRIC),
    ],
)  # fmt: skip
def test_the_largest_k_that_is_at_most_a_fifth_of_the_catalogue(candidates: int, metric: str):
    assert default_metric(candidates) == metric


def test_it_is_a_metric_whose_k_is_below_the_catalogue_if_that_has_two_items():
    for candidates in range(2, 1_000):
        metric = default_metric(candidates)
        assert metric in METRICS
        assert int(metric.removeprefix("top_")) < candidates
