"""Finds the best candidates in this process: exactly, or by an approximate index of FAISS.

The SavedModel searches by itself (`sweeper.serving.saved_model`); a program in Python would wait
longer for its call than the search of a small catalogue takes.

The approximate index scores only the candidates of those clusters whose centres score highest
(IVF): Johnson, Douze and Jégou, "Billion-scale similarity search with GPUs", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from sweeper.common.console import print_status
from sweeper.common.errors import ConfigError, OutputError, install_command

# The score of a candidate that is left out, as in the SavedModel.
LOWEST = np.finfo(np.float32).min
SearchResult = tuple[np.ndarray, np.ndarray]

# A query's scores are first compared by the largest of each block of this many.
_BLOCK = 256

# The recall of an approximate index is measured on the exact top K of this many queries.
K, QUERIES = 100, 1_000
# FAISS's own bounds: a cluster has at least this many candidates, and this many place its centre.
_MIN_CLUSTER_SIZE, _TRAINING_SAMPLES_PER_CLUSTER = 39, 50
# With fewer candidates no index with the recall is faster than the exact search: see
# benchmarks.serving.
MIN_CANDIDATES = 100_000
# Looking through more of the clusters is hardly faster than looking through all of them.
_MAX_PROBED_SHARE = 1 / 4


class ExactIndex:
    """Scores every candidate.

    Args:
      candidates: [candidates, dimensions] float32.

    Attributes:
      scores_at_once: how many scores are held, in 64 MB; queries are faster in batches.
    """

    scores_at_once = 2**24

    def __init__(self, candidates: np.ndarray) -> None:
        self._candidates = candidates

    def search(self, queries: np.ndarray, k: int, left_out: Sequence[np.ndarray]) -> SearchResult:
        """Finds the k best of each query, best first; equal ones in the catalogue's order.

        Args:
          queries: [rows, dimensions] float32.
          left_out: for each query the candidates that are to score `LOWEST`.

        Returns:
          Scores [rows, k] float32 and candidates [rows, k].
        """
        found = []
        rows = max(1, self.scores_at_once // len(self._candidates))
        for start in range(0, len(queries), rows):
            scores = queries[start : start + rows] @ self._candidates.T
            for of_one, absent in zip(scores, left_out[start : start + rows], strict=True):
                of_one[absent] = LOWEST
                found.append(_best(of_one, k))
        return stack_results(found)


def _best(scores: np.ndarray, k: int) -> SearchResult:
    """The k largest of one query's scores, and where they are."""
    blocks = len(scores) // _BLOCK
    # The k blocks with the largest scores have one each that is at least the last one's.
    large = scores[: blocks * _BLOCK].reshape(-1, _BLOCK).max(axis=1) if blocks >= k else scores
    least = np.partition(large, len(large) - k)[len(large) - k]
    places = np.flatnonzero(scores >= least)
    places = places[np.argsort(-scores[places], kind="stable")[:k]]
    return scores[places], places


def stack_results(found: Sequence[SearchResult]) -> SearchResult:
    """What was found for each query, as arrays of a row each."""
    scores, candidates = zip(*found, strict=True)
    return np.stack(scores), np.stack(candidates)


class NoSpeedup(Exception):  # noqa: N818, not an error: the exact search has the recall
    """An index would have to look through too many clusters for the recall that is wanted."""


class ApproximateIndex:
    """Searches by FAISS, and exactly for queries of which that finds fewer than k.

    Args:
      index: FAISS's, of all candidates.
      exact: of the same candidates.
    """

    def __init__(self, index: Any, exact: ExactIndex) -> None:
        self._index, self._exact = index, exact

    def search(self, queries: np.ndarray, k: int, left_out: Sequence[np.ndarray]) -> SearchResult:
        """Like `ExactIndex.search`, but may miss some of the best."""
        # This leaves k candidates once those that are left out are removed.
        most = min(k + max(map(len, left_out)), self._index.ntotal)
        scores, candidates = self._index.search(queries, most)
        rows = zip(scores, candidates, queries, left_out, strict=True)
        return stack_results([self._kept(*row, k) for row in rows])

    def _kept(
        self,
        scores: np.ndarray,
        candidates: np.ndarray,
        query: np.ndarray,
        left_out: np.ndarray,
        k: int,
    ) -> SearchResult:
        is_kept = (candidates >= 0) & ~np.isin(candidates, left_out)
        if is_kept.sum() < k:
            (scores,), (candidates,) = self._exact.search(query[None], k, [left_out])
            return scores, candidates
        scores, candidates = scores[is_kept], candidates[is_kept]
        order = np.lexsort([candidates, -scores])[:k]
        return scores[order], candidates[order]


def import_faiss() -> Any:
    """Imports FAISS, which is an optional dependency.

    Raises:
      ConfigError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            "faiss: is not installed; must be, for an approximate index (--exact asks an export "
            f"without): {install_command('faiss')}"
        ) from error
    return faiss


def build(candidates: np.ndarray) -> Any:
    """Builds FAISS's index of the candidates, in 4 √n clusters, or fewer if those are too small.

    Args:
      candidates: [candidates, dimensions] float32.
    """
    faiss, (count, dimensions) = import_faiss(), candidates.shape
    clusters = max(1, min(int(4 * count**0.5), count // _MIN_CLUSTER_SIZE))
    centres = faiss.IndexFlatIP(dimensions)
    index = faiss.IndexIVFFlat(centres, dimensions, clusters, faiss.METRIC_INNER_PRODUCT)
    # The same sample each time.
    sample = np.random.default_rng(0).permutation(count)[: _TRAINING_SAMPLES_PER_CLUSTER * clusters]
    index.train(candidates[sample])
    index.add(candidates)
    return index


def tune(index: Any, exact: ExactIndex, queries: np.ndarray, k: int, least: float) -> float:
    """Sets how many clusters a query looks through: doubles the number until it has the recall.

    Args:
      queries: [rows, dimensions], typical ones.
      k: how many candidates each asks for.
      least: the recall that is wanted.

    Returns:
      The recall with that number of clusters.

    Raises:
      SavesNothing: so many clusters would have to be looked through.
    """
    most = max(1, int(_MAX_PROBED_SHARE * index.nlist))
    index.nprobe = 1
    best, _ = exact.search(queries, k, [np.empty(0, int)] * len(queries))
    while (found := recall(index, queries, best)) < least:
        if index.nprobe == most:
            raise NoSpeedup(
                f"{most:,} of {index.nlist:,} clusters, the most that save time, find {found:.3f} "
                f"of the exact top {k}, less than {least}"
            )
        index.nprobe = min(2 * index.nprobe, most)
    return found


def recall(index: Any, queries: np.ndarray, best: np.ndarray) -> float:
    """The mean share of the exact best that FAISS's index finds, any of equal ones.

    Args:
      best: their scores, [queries, k].
    """
    # FAISS fills up with the lowest score where it finds too few.
    found, _ = index.search(queries, best.shape[1])
    return share_found(found, best)


def share_found(found: np.ndarray, best: np.ndarray) -> float:
    """The share of `found` that scores as the worst of `best` or higher; both [queries, k]."""
    least = best[:, -1:]
    # Sums in a different order differ in their last bits.
    return float((found >= least - 1e-5 * np.abs(least)).mean())


def write_index(
    path: Path, candidates: np.ndarray, queries: np.ndarray, least: float, console: Console
) -> dict[str, Any] | None:
    """Builds, tunes and writes an index, and prints what it is like.

    Args:
      queries: [rows, dimensions], typical ones; the index is tuned to them.
      least: the recall of the best `K` that is wanted.

    Returns:
      What `Manifest.index` holds; None if no index was written because it would not be faster. The
      exact search has any recall, so the model, which may have taken long to train, is exported
      all the same.

    Raises:
      OutputError: there is no room.
    """
    index, k = build(candidates), min(K, len(candidates))
    try:
        found = tune(index, ExactIndex(candidates), queries, k, least)
    except NoSpeedup as reason:
        print_status(console, "index", f"none is written: {reason}; the export searches exactly")
        return None
    try:
        import_faiss().write_index(index, str(path))
    except RuntimeError as error:
        raise OutputError(f"{path}: can't be written ({error})") from error
    sizes = {"clusters": index.nlist, "probes": index.nprobe}
    written = {"recall": round(found, 4), "least": least, "k": k, "queries": len(queries), **sizes}
    print_status(console, "index", index_text(written))
    return written


def index_text(index: dict[str, Any]) -> str:
    """Describes an approximate index, given `Manifest.index`."""
    return (
        f"approximate: {index['recall']:.3f} of the exact top {index['k']} for "
        f"{index['queries']:,} queries, in {index['probes']:,} of {index['clusters']:,} clusters"
    )


def read_index(path: Path) -> Any:
    """Reads FAISS's index.

    Raises:
      ConfigError: FAISS is not installed.
      OutputError: the file can't be read.
    """
    try:
        return import_faiss().read_index(str(path))
    except RuntimeError as error:
        raise OutputError(f"{path}: no index can be read from it ({error})") from error
