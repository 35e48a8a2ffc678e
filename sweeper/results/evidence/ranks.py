"""The rank of each scored row's true candidate, as trials left them in their directories."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from sweeper.common.errors import OutputError
from sweeper.two_tower.config import SEEN_FILTERED
from sweeper.two_tower.evaluation.metrics import row_values

ACCURACY = re.compile(rf"({SEEN_FILTERED})?((?:top|ndcg)_\d+|mrr)")
MODEL = "model"
COLUMNS = ("user", "item", "user_rows", "item_rows", "model_rank", "model_seen_filtered_rank")


def read_ranks(path: Path) -> pyarrow.Table:
    """See `sweeper.two_tower.evaluation.rows.row_table`.

    Raises:
      OutputError: there are none, or they can't be read.
    """
    if not path.exists():
        raise OutputError(f"{path}: is missing")
    try:
        ranks = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise OutputError(f"{path}: no ranks can be read from it: {error}") from error
    missing = [name for name in COLUMNS if name not in ranks.column_names]
    if missing:
        raise OutputError(f"{path}: has no column {', '.join(missing)}; not of this version")
    return ranks


def is_accuracy(metric: str) -> bool:
    """Whether a metric is a mean over the scored rows, and not such as a number of parameters."""
    return ACCURACY.fullmatch(metric) is not None


def hits(ranks: pyarrow.Table, metric: str, scorer: str = MODEL) -> np.ndarray:
    """What each row contributes to a metric, [rows]: of `top_k` whether it is a hit.

    See `sweeper.two_tower.evaluation.metrics`.
    """
    found = ACCURACY.fullmatch(metric)
    assert found is not None, metric
    return row_values(found[2], np.asarray(ranks[f"{scorer}_{found[1] or ''}rank"]))
