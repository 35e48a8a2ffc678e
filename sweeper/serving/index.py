"""Finds the best candidates in this process: what an index does, and the exact one.

The SavedModel searches by itself (`sweeper.serving.search`); a program in Python would wait longer
for its call than the search of a small catalogue takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

# What a candidate that is left out scores, as in the SavedModel.
LOWEST = np.finfo(np.float32).min
Found = tuple[np.ndarray, np.ndarray]

# So many of a query's scores are first looked through by their largest alone.
_BLOCK = 256


class Index(Protocol):
    """Finds the candidates that score highest: those of the largest inner products."""

    def search(self, queries: np.ndarray, k: int, left_out: Sequence[np.ndarray]) -> Found:
        """The k best of each query, best first; of equal ones the first in the catalogue first.

        Args:
          queries: [rows, dimensions] float32.
          left_out: for each query the candidates that are to score `LOWEST`.

        Returns:
          Scores [rows, k] float32 and candidates [rows, k].
        """
        ...


class ExactIndex:
    """Scores every candidate.

    Args:
      candidates: [candidates, dimensions] float32.

    Attributes:
      scores_at_once: how many are held, in 64 MB; several queries are faster together.
    """

    scores_at_once = 2**24

    def __init__(self, candidates: np.ndarray) -> None:
        self._candidates = candidates

    def search(self, queries: np.ndarray, k: int, left_out: Sequence[np.ndarray]) -> Found:
        found = []
        rows = max(1, self.scores_at_once // len(self._candidates))
        for start in range(0, len(queries), rows):
            scores = queries[start : start + rows] @ self._candidates.T
            for of_one, absent in zip(scores, left_out[start : start + rows], strict=True):
                of_one[absent] = LOWEST
                found.append(_best(of_one, k))
        return stacked(found)


def _best(scores: np.ndarray, k: int) -> Found:
    """The k largest of one query's scores, and where they are."""
    blocks = len(scores) // _BLOCK
    # The k blocks with the largest scores have one each that is at least the last one's.
    large = scores[: blocks * _BLOCK].reshape(-1, _BLOCK).max(axis=1) if blocks >= k else scores
    least = np.partition(large, len(large) - k)[len(large) - k]
    places = np.flatnonzero(scores >= least)
    places = places[np.argsort(-scores[places], kind="stable")[:k]]
    return scores[places], places


def stacked(found: Sequence[Found]) -> Found:
    """What was found for each query, as arrays of a row each."""
    scores, candidates = zip(*found, strict=True)
    return np.stack(scores), np.stack(candidates)
