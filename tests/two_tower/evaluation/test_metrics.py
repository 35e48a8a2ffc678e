"""The metrics by hand, their names, and the hints at what others call them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sweeper.two_tower.config import METRICS, MRR, TOP_K, metric_hint, metric_name, with_same_filter
from sweeper.two_tower.evaluation.metrics import NEVER_SHOWN, row_values
from sweeper.two_tower.evaluation.ranking import Ranks

# The relevant item is first, third, tenth, eleventh, and never shown.
RANKS = np.array([0, 2, 9, 10, NEVER_SHOWN], np.int32)


def test_ndcg_by_hand():
    # 1 / log2(1 + 1) = 1, 1 / log2(3 + 1) = 1/2, 1 / log2(10 + 1) = 0.289.
    tenth = 1 / math.log2(11)
    assert row_values("ndcg_10", RANKS).tolist() == pytest.approx([1, 0.5, tenth, 0, 0])
    assert tenth == pytest.approx(0.28906, abs=1e-5)
    assert row_values("ndcg_5", RANKS).tolist() == pytest.approx([1, 0.5, 0, 0, 0])
    assert row_values("ndcg_100", RANKS).tolist() == pytest.approx(
        [1, 0.5, tenth, 1 / math.log2(12), 0]
    )


def test_mrr_by_hand():
    # Over the whole catalogue: no rank is too late, and what is never shown has none.
    assert row_values("mrr", RANKS).tolist() == pytest.approx([1, 1 / 3, 1 / 10, 1 / 11, 0])


def test_top_k_is_the_hit_rate_by_hand():
    assert row_values("top_10", RANKS).tolist() == [True, True, True, False, False]
    assert row_values("top_1", RANKS).tolist() == [True, False, False, False, False]


def test_all_metrics_are_the_means_over_the_rows():
    metrics = Ranks(np.array([0, 2, 9, 10, 3], np.int32), RANKS).metrics()
    assert tuple(metrics) == METRICS
    assert metrics["top_10"] == pytest.approx(4 / 5)
    assert metrics["seen_filtered_top_10"] == pytest.approx(3 / 5)
    assert metrics["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 10 + 1 / 11 + 1 / 4) / 5)
    assert metrics["seen_filtered_mrr"] == pytest.approx((1 + 1 / 3 + 1 / 10 + 1 / 11) / 5)
    # An NDCG at 1 is a hit at 1, and grows with k, up to the top-k accuracy at most.
    for prefix in ("", "seen_filtered_"):
        assert metrics[f"{prefix}ndcg_1"] == metrics[f"{prefix}top_1"]
        ndcg = [metrics[f"{prefix}ndcg_{k}"] for k in TOP_K]
        assert ndcg == sorted(ndcg)
        assert all(
            value <= metrics[f"{prefix}top_{k}"] for k, value in zip(TOP_K, ndcg, strict=True)
        )


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("top_100", "top-100"),
        ("seen_filtered_top_5", "seen-filtered top-5"),
        ("ndcg_10", "NDCG@10"),
        ("seen_filtered_ndcg_50", "seen-filtered NDCG@50"),
        ("mrr", "MRR"),
        ("seen_filtered_mrr", "seen-filtered MRR"),
    ],
)
def test_a_metric_in_words(metric, words):
    assert metric_name(metric) == words


def test_names_in_words_tell_all_metrics_apart():
    assert len({metric_name(metric) for metric in METRICS}) == len(METRICS)


def test_the_same_filter():
    assert with_same_filter(MRR, "seen_filtered_top_5") == "seen_filtered_mrr"
    assert with_same_filter(MRR, "ndcg_10") == "mrr"


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("recall_100", "called 'top_100' here"),
        ("Recall@10", "called 'top_10' here"),
        ("hit_rate_10", "called 'top_10' here"),
        ("hr_10", "called 'top_10' here"),
        ("HR@5", "called 'top_5' here"),
        ("seen_filtered_recall_100", "called 'seen_filtered_top_100' here"),
        ("recall_20", "called 'top_K' with K one of 1, 5, 10, 50, 100 here"),
        ("recall", "called 'top_K' with K one of 1, 5, 10, 50, 100 here"),
        ("NDCG@10", "Did you mean 'ndcg_10'?"),
        ("top100", "Did you mean 'top_100'?"),
        ("ndcg_20", "'ndcg_K' with K one of 1, 5, 10, 50, 100"),
        ("mrr_10", "over the whole catalogue here: 'mrr'"),
        ("seen_filtered_mrr@10", "over the whole catalogue here: 'seen_filtered_mrr'"),
    ],
)
def test_another_librarys_name_is_hinted_at(given, right):
    assert right in metric_hint(given)


@pytest.mark.parametrize("given", ["", "loss", "precision_10", "topology", "map_10"])
def test_what_is_no_name_of_a_metric_gets_no_hint(given):
    assert metric_hint(given) == ""
