"""The last results of a computation, so that the next trial of a process finds them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

Result = TypeVar("Result")

# With more rows of data, set-up is nothing beside the training, and memory counts.
MAX_ROWS = 500_000


class Recent(Generic[Result]):
    """Keeps a few results, each under all values that decide it; drops the one unused longest.

    Args:
      entries: how many are kept.
      most_rows: of data of more rows nothing is kept; None: of any.
    """

    def __init__(self, entries: int = 8, most_rows: int | None = MAX_ROWS) -> None:
        self._entries, self._most_rows = entries, most_rows
        self._results: OrderedDict[Hashable, Result] = OrderedDict()

    def get(self, num_rows: int, key: Hashable, compute: Callable[[], Result]) -> Result:
        """The result kept under `key`, or what `compute` gives now. Nobody may change it.

        Args:
          num_rows: of the data.
        """
        if self._most_rows is not None and num_rows > self._most_rows:
            return compute()
        if key in self._results:
            self._results.move_to_end(key)
            return self._results[key]
        result = self._results[key] = compute()
        if len(self._results) > self._entries:
            self._results.popitem(last=False)
        return result


def freeze(*arrays: np.ndarray) -> None:
    """Makes the arrays refuse to be written to: more than one trial reads them."""
    for array in arrays:
        array.setflags(write=False)
