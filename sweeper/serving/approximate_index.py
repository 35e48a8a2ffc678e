"""An approximate index of a large catalogue: FAISS's, tuned to a recall and measured.

It scores the candidates of those clusters alone whose centres score highest (IVF): Johnson, Douze
and Jégou, "Billion-scale similarity search with GPUs", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.common.errors import ConfigError, OutputError, install_command
from sweeper.serving.index import ExactIndex, Found, stacked

# An index is held to the exact top K of so many queries.
K, QUERIES = 100, 1_000
# Fewer are no cluster, and so many of each are enough to place its centre: FAISS's own bounds.
_FEWEST, _ENOUGH = 39, 50
# Of fewer candidates none with the recall saves time against the exact search: benchmarks.serving.
LARGE = 100_000
# Looking through more of the clusters saves little against looking through all.
_LARGEST_SHARE = 1 / 4


class SavesNothing(Exception):  # noqa: N818, no error: the exact search has the recall
    """An index would have to look through too many clusters for the recall that is wanted."""


class ApproximateIndex:
    """Asks FAISS, and the exact index where that finds fewer than k.

    Args:
      index: FAISS's, of all candidates.
      exact: of the same candidates.
    """

    def __init__(self, index: Any, exact: ExactIndex) -> None:
        self._index, self._exact = index, exact

    def search(self, queries: np.ndarray, k: int, left_out: Sequence[np.ndarray]) -> Found:
        """As `sweeper.serving.index.Index` has it, but that not all of the best may be found."""
        # So many, that k are there without those that are left out.
        most = min(k + max(map(len, left_out)), self._index.ntotal)
        scores, candidates = self._index.search(queries, most)
        rows = zip(scores, candidates, queries, left_out, strict=True)
        return stacked([self._kept(*row, k) for row in rows])

    def _kept(
        self,
        scores: np.ndarray,
        candidates: np.ndarray,
        query: np.ndarray,
        left_out: np.ndarray,
        k: int,
    ) -> Found:
        is_kept = (candidates >= 0) & ~np.isin(candidates, left_out)
        if is_kept.sum() < k:
            (scores,), (candidates,) = self._exact.search(query[None], k, [left_out])
            return scores, candidates
        scores, candidates = scores[is_kept], candidates[is_kept]
        order = np.lexsort([candidates, -scores])[:k]
        return scores[order], candidates[order]


def faiss() -> Any:
    """The library, which is an extra.

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
    """FAISS's index of the candidates, in 4 √n clusters where so many are not too small.

    Args:
      candidates: [candidates, dimensions] float32.
    """
    library, (count, dimensions) = faiss(), candidates.shape
    clusters = max(1, min(int(4 * count**0.5), count // _FEWEST))
    centres = library.IndexFlatIP(dimensions)
    index = library.IndexIVFFlat(centres, dimensions, clusters, library.METRIC_INNER_PRODUCT)
    # The same ones each time.
    sample = np.random.default_rng(0).permutation(count)[: _ENOUGH * clusters]
    index.train(candidates[sample])
    index.add(candidates)
    return index


def tune(index: Any, exact: ExactIndex, queries: np.ndarray, k: int, least: float) -> float:
    """Sets how many clusters a query looks through: as few as have the recall, by doubling.

    Args:
      queries: [rows, dimensions], such as will be asked.
      k: how many each asks for.
      least: the recall that is wanted.

    Returns:
      The recall that it has with them.

    Raises:
      SavesNothing: so many clusters would have to be looked through.
    """
    most = max(1, int(_LARGEST_SHARE * index.nlist))
    index.nprobe = 1
    best, _ = exact.search(queries, k, [np.empty(0, int)] * len(queries))
    while (found := recall(index, queries, best)) < least:
        if index.nprobe == most:
            raise SavesNothing(
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
    # What it doesn't find scores the least that there is.
    found, _ = index.search(queries, best.shape[1])
    return share_found(found, best)


def share_found(found: np.ndarray, best: np.ndarray) -> float:
    """The share of `found` that scores as the worst of `best` or higher; both [queries, k]."""
    least = best[:, -1:]
    # Sums in another order differ in their last bits.
    return float((found >= least - 1e-5 * np.abs(least)).mean())


def write(
    path: Path, candidates: np.ndarray, queries: np.ndarray, k: int, least: float
) -> dict[str, Any]:
    """Builds, tunes and writes an index; returns what it is like, as `Manifest.index` has it.

    Raises:
      SavesNothing: as `tune`.
      OutputError: there is no room.
    """
    index, k = build(candidates), min(k, len(candidates))
    found = tune(index, ExactIndex(candidates), queries, k, least)
    try:
        faiss().write_index(index, str(path))
    except RuntimeError as error:
        raise OutputError(f"{path}: can't be written ({error})") from error
    sizes = {"clusters": index.nlist, "probes": index.nprobe}
    return {"recall": round(found, 4), "least": least, "k": k, "queries": len(queries), **sizes}


def small_words(candidates: int) -> str:
    """That an index of so few candidates saves nothing."""
    return (
        f"the exact search of {candidates:,} titles is as fast: an approximate index pays from "
        f"some {LARGE:,} on"
    )


def index_words(index: dict[str, Any]) -> str:
    """What `write` returns, for people."""
    return (
        f"approximate: {index['recall']:.3f} of the exact top {index['k']} for "
        f"{index['queries']:,} queries, in {index['probes']:,} of {index['clusters']:,} clusters"
    )


def read_index(path: Path) -> Any:
    """Raises OutputError if it can't be read."""
    try:
        return faiss().read_index(str(path))
    except RuntimeError as error:
        raise OutputError(f"{path}: no index can be read from it ({error})") from error
