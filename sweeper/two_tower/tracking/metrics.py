"""The parameters and metrics that all trackers log of a trial, and their names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sweeper.two_tower.config import SEEN_FILTERED, flatten
from sweeper.two_tower.record import Metrics, TrialRecord


def parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration by dotted key; lists and dictionaries become JSON."""
    return {
        key: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for key, value in flatten(config).items()
    }


def evaluation_metrics(loss: float, metrics: Metrics, rows: str) -> dict[str, float]:
    """Returns the loss and the metrics of one evaluation on "validation" or "test" rows."""
    return {"loss": loss, **_by_section(metrics, rows)}


def final_metrics(record: TrialRecord) -> dict[str, float]:
    """Returns the metrics of the weights that were kept, and the values of the whole trial."""
    found: dict[str, float] = {}
    for rows, metrics in record.metrics.items():
        found |= _by_section(metrics, f"final/{rows}")
    others = {
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "num_parameters": record.num_parameters,
        "train_seconds": record.seconds.get("train"),
        "milliseconds_per_query": record.milliseconds_per_query,
    }
    return found | {f"trial/{name}": value for name, value in others.items() if value is not None}


def _by_section(metrics: Metrics, section: str) -> dict[str, float]:
    """Names the metrics; seen-filtered ones, NDCG and MRR get sections of their own.

    TensorBoard's table opens with the first five names; so these are top-1 to top-100.
    """
    named = {}
    for name, value in metrics.items():
        bare = name.removeprefix(SEEN_FILTERED)
        filtered = "" if bare == name else "_seen_filtered"
        rank_aware = "" if bare.startswith("top_") else "_rank_aware"
        named[f"{section}{filtered}{rank_aware}/{bare}"] = value
    return named
