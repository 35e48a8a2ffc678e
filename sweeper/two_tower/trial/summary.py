"""Summarizes the record of a trial for the study's storage, which leaderboards read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.common.errors import OutputError
from sweeper.two_tower import record as records
from sweeper.two_tower.trial.result_tables import seen_by


def summarize(directory: Path) -> dict[str, Any] | None:
    """Returns the results in a trial's record, or None if no record can be read."""
    try:
        record = records.read(directory)
    except OutputError:
        return None
    rows = record.rows
    return {
        "metrics": record.metrics.get(rows, {}),
        "deviations": record.deviations.get(rows),
        "seeds": [
            {
                "split_seed": repeat["split_seed"],
                "metrics": repeat["metrics"].get(rows, {}),
                "best_epoch": repeat.get("best_epoch"),
            }
            for repeat in record.repeats
        ],
        "seen": seen_by(record.config),
        "baselines": {name: scores.get(rows, {}) for name, scores in record.baselines.items()},
        "fingerprint": record.data.get("fingerprint"),
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "num_parameters": record.num_parameters,
        "milliseconds_per_query": record.milliseconds_per_query,
        "seconds": record.seconds.get("total"),
        "untracked": record.untracked,
    }


def has_collapsed(result: Mapping[str, Any]) -> bool:
    """Returns whether the model scores all candidates alike: a tie is a miss, so all are missed."""
    accuracies = [value for name, value in result["metrics"].items() if "top_" in name]
    return bool(accuracies) and max(accuracies) == 0
