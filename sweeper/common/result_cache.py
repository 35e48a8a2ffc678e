"""Keeps the last results of a computation, so that the next trial of a process finds them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np
from cachetools import LRUCache

Result = TypeVar("Result")

# With more rows of data, set-up is short beside the training, and memory counts.
MAX_ROWS = 500_000


def get_or_compute(
    cache: LRUCache[Hashable, Result],
    key: Hashable,
    compute: Callable[[], Result],
    num_rows: int,
    max_rows: float = MAX_ROWS,
) -> Result:
    """Returns the result in `cache` under `key`; computes and keeps it where there is none.

    Callers share the result and must not change it.

    Args:
      key: all values that decide the result.
      num_rows: the number of rows of the data that it is computed from.
      max_rows: results from more rows than this are not kept.
    """
    if num_rows > max_rows:
        return compute()
    if key not in cache:
        cache[key] = compute()
    return cache[key]


def freeze(*arrays: np.ndarray) -> None:
    """Makes the arrays read-only, since several trials share them."""
    for array in arrays:
        array.setflags(write=False)
