"""What the trackers log of a trial, and under which names; the same for all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sweeper.two_tower.config import SEEN_FILTERED, flatten
from sweeper.two_tower.record import Metrics, TrialRecord


def parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration by dotted key; what is no single value as JSON."""
    return {
        key: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for key, value in flatten(config).items()
    }


def evaluation_figures(loss: float, metrics: Metrics, rows: str) -> dict[str, float]:
    """The loss and the metrics of one evaluation on "validation" or "test" rows."""
    return {"loss": loss, **_by_section(metrics, rows)}


def final_figures(record: TrialRecord) -> dict[str, float]:
    """The metrics of the weights that were kept, and what there is besides, of any trial."""
    figures: dict[str, float] = {}
    for rows, metrics in record.metrics.items():
        figures |= _by_section(metrics, f"final/{rows}")
    others = {
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "num_parameters": record.num_parameters,
        "train_seconds": record.seconds.get("train"),
        "milliseconds_per_query": record.milliseconds_per_query,
    }
    return figures | {f"trial/{name}": value for name, value in others.items() if value is not None}


def _by_section(metrics: Metrics, section: str) -> dict[str, float]:
    """Seen-filtered metrics in a section of their own, and so NDCG and MRR.

    TensorBoard's table shows the first five names at first: so these are top-1 to top-100.
    """
    figures = {}
    for name, value in metrics.items():
        bare = name.removeprefix(SEEN_FILTERED)
        filtered = "" if bare == name else "_seen_filtered"
        rank_aware = "" if bare.startswith("top_") else "_rank_aware"
        figures[f"{section}{filtered}{rank_aware}/{bare}"] = value
    return figures
