"""Indexes of the candidates: a contract of both, and what an approximate one finds."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console

from sweeper.common.errors import ConfigError, OutputError
from sweeper.serving.index import (
    LOWEST,
    ApproximateIndex,
    ExactIndex,
    K,
    NoSpeedup,
    SearchResult,
    build,
    index_text,
    read_index,
    recall,
    tune,
    write_index,
)

NONE = np.empty(0, int)


def every_cluster(candidates: np.ndarray) -> ApproximateIndex:
    index = build(candidates)
    index.nprobe = index.nlist
    return ApproximateIndex(index, ExactIndex(candidates))


INDEXES = {"exact": ExactIndex, "approximate": every_cluster}


@pytest.fixture(params=INDEXES)
def make(request: pytest.FixtureRequest):
    return INDEXES[request.param]


def plainly(
    candidates: np.ndarray, query: np.ndarray, k: int, left_out: np.ndarray
) -> SearchResult:
    """By sorting everything."""
    scores = candidates @ query
    scores[left_out] = LOWEST
    order = np.argsort(-scores, kind="stable")[:k]
    return scores[order], order


def clustered(count: int, dimensions: int = 8, seed: int = 0) -> np.ndarray:
    """Candidates, or queries, around 20 centres: with as little order as learnt ones have."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((20, dimensions))
    places = centres[rng.integers(0, 20, count)] + rng.standard_normal((count, dimensions)) / 2
    return places.astype(np.float32)


def test_the_best_come_first_and_of_equal_ones_the_first(make) -> None:
    candidates = np.array([[1, 0], [0, 1], [1, 0], [2, 2], [-1, 5]], np.float32)
    queries = np.array([[1, 0], [0, 1]], np.float32)
    scores, found = make(candidates).search(queries, 3, [NONE, NONE])
    np.testing.assert_array_equal(found, [[3, 0, 2], [4, 3, 1]])
    np.testing.assert_array_equal(scores, [[2, 1, 1], [5, 2, 1]])
    assert scores.dtype == np.float32


def test_what_is_left_out_comes_last_where_nothing_else_is_left(make) -> None:
    candidates = np.array([[1], [2], [3]], np.float32)
    scores, found = make(candidates).search(
        np.array([[1], [1]], np.float32), 3, [np.array([2]), NONE]
    )
    np.testing.assert_array_equal(found, [[1, 0, 2], [2, 1, 0]])
    np.testing.assert_array_equal(scores, [[2, 1, LOWEST], [3, 2, 1]])


@settings(max_examples=60, deadline=None)
@given(
    candidates=st.integers(1, 2_000).flatmap(
        lambda count: arrays(np.float32, (count, 2), elements=st.integers(-3, 3).map(float))
    ),
    queries=arrays(np.float32, (3, 2), elements=st.integers(-3, 3).map(float)),
    data=st.data(),
)
@pytest.mark.parametrize("name", INDEXES)
def test_it_finds_what_sorting_everything_finds(name, candidates, queries, data) -> None:
    count = len(candidates)
    k = data.draw(st.integers(1, min(count, 20)) | st.integers(1, count))
    most = st.integers(0, count - 1)
    left_out = [np.array(sorted(data.draw(st.sets(most, max_size=30))), int) for _ in queries]
    scores, found = INDEXES[name](candidates).search(queries, k, left_out)
    for row, query in enumerate(queries):
        wanted, places = plainly(candidates, query, k, left_out[row])
        np.testing.assert_array_equal(scores[row], wanted)
        if name == "exact":
            np.testing.assert_array_equal(found[row], places)
        # Of equal ones at the end FAISS may have found others, each of them once.
        np.testing.assert_array_equal(
            np.where(scores[row] == LOWEST, LOWEST, candidates[found[row]] @ query), wanted
        )
        assert len(set(found[row])) == k


def test_more_queries_than_fit_at_once_are_each_answered() -> None:
    candidates, queries = clustered(3_000), clustered(7, seed=1)
    left_out = [np.array([row, 5]) for row in range(7)]
    index = ExactIndex(candidates)
    index.scores_at_once = 2 * len(candidates)
    found = index.search(queries, 50, left_out)[1]
    assert found.shape == (7, 50)
    for row, query in enumerate(queries):
        assert set(found[row]) == set(plainly(candidates, query, 50, left_out[row])[1])


def test_where_the_clusters_have_too_few_the_exact_index_is_asked() -> None:
    candidates = clustered(2_000)
    index = build(candidates)
    index.nprobe = 1
    approximate = ApproximateIndex(index, ExactIndex(candidates))
    query = clustered(1, seed=2)
    scores, found = approximate.search(query, 1_500, [NONE])
    np.testing.assert_array_equal(found[0], plainly(candidates, query[0], 1_500, NONE)[1])
    assert (np.diff(scores[0]) <= 0).all()


def test_as_few_clusters_are_looked_through_as_have_the_recall() -> None:
    candidates, queries = clustered(20_000), clustered(100, seed=1)
    index, exact = build(candidates), ExactIndex(candidates)
    found = tune(index, exact, queries, 100, least=0.9)
    chosen = index.nprobe
    assert found >= 0.9
    assert 1 < chosen <= index.nlist // 4
    # By hand: what share of the exact best is among what is found.
    shares = []
    for query in queries:
        best = set(np.argsort(-(candidates @ query))[:100])
        ours = set(index.search(query[None], 100)[1][0])
        shares.append(len(best & ours) / 100)
    assert found == pytest.approx(np.mean(shares), abs=0.002)
    index.nprobe = chosen // 2
    best, _ = exact.search(queries, 100, [NONE] * len(queries))
    assert recall(index, queries, best) < 0.9


def test_a_recall_that_saves_no_time_is_refused() -> None:
    candidates = np.random.default_rng(0).standard_normal((2_000, 64)).astype(np.float32)
    with pytest.raises(NoSpeedup) as caught:
        tune(build(candidates), ExactIndex(candidates), candidates[:50] * -1, 100, least=1.0)
    assert str(caught.value).startswith("12 of 51 clusters, the most that save time, find 0.")
    assert str(caught.value).endswith(" of the exact top 100, less than 1.0")


def test_candidates_that_are_all_alike_are_all_found() -> None:
    """As items of ids alone are that no training row has: any hundred of them are the best."""
    candidates = np.ones((5_000, 4), np.float32)
    index = build(candidates)
    assert tune(index, ExactIndex(candidates), candidates[:10], 100, least=0.95) == 1.0


def test_it_is_read_as_it_was_written(tmp_path) -> None:
    candidates, queries = clustered(5_000), clustered(40, seed=1)
    path = tmp_path / "index"
    written = write_index(path, candidates, queries, 0.9, Console(quiet=True))
    assert written["recall"] >= 0.9
    assert (written["k"], written["queries"]) == (K, 40)
    index = read_index(path)
    assert (index.nlist, index.nprobe) == (written["clusters"], written["probes"])
    best, _ = ExactIndex(candidates).search(queries, K, [NONE] * len(queries))
    assert recall(index, queries, best) == pytest.approx(written["recall"], abs=1e-4)
    assert index_text(written).startswith(f"approximate: {written['recall']:.3f} of the exact top")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(OutputError, match="no index can be read from it"):
        read_index(path)
    with pytest.raises(OutputError, match="can't be written"):
        write_index(tmp_path / "none" / "index", candidates, queries, 0.1, Console(quiet=True))


def test_without_faiss_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfigError, match=r"pip install -c constraints.txt -e '\.\[faiss\]'"):
        build(clustered(100))
