"""The rank of each scored row's true candidate, as trials left them in their directories."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from sweeper.errors import OutputError

ACCURACY = re.compile(r"(seen_filtered_)?top_(\d+)")
MODEL = "model"


def read_ranks(path: Path) -> pyarrow.Table:
    """See `sweeper.evaluation.rows.row_table`.

    Raises:
      OutputError: there are none, or they can't be read.
    """
    try:
        return pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise OutputError(f"{path}: no ranks can be read from it: {error}") from error


def is_accuracy(metric: str) -> bool:
    """Whether a metric is a share of rows, and not such as a number of parameters."""
    return ACCURACY.fullmatch(metric) is not None


def hits(ranks: pyarrow.Table, metric: str, scorer: str = MODEL) -> np.ndarray:
    """Whether each row's true candidate is among the first k of `top_k`, [rows]."""
    found = ACCURACY.fullmatch(metric)
    assert found is not None, metric
    return np.asarray(ranks[f"{scorer}_{found[1] or ''}rank"]) < int(found[2])
