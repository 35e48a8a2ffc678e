"""The means of the records of several trials that differ only in their split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from sweeper.two_tower.record import Metrics, TrialRecord

Statistic = Callable[[Sequence[float]], float]


def statistic_of(statistic: Statistic, scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Computes the statistic of each value that all scores have, at any depth of dictionaries."""
    result = {}
    for key in scores[0]:
        values = [score[key] for score in scores if key in score]
        if len(values) == len(scores):
            is_nested = isinstance(values[0], Mapping)
            result[key] = statistic_of(statistic, values) if is_nested else statistic(values)
    return result


def mean(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Computes the mean of each value that all scores have."""
    return statistic_of(fmean, scores)


def repeat_directory(split_seed: int) -> str:
    """Returns the name of a repeat's directory, within the directory of the summary."""
    return f"split_seed_{split_seed}"


def describe_repeats(summary: TrialRecord, repeats: Mapping[int, TrialRecord]) -> None:
    """Fills the summary with each repeat, with what all share, and with their sums.

    Args:
      repeats: the records of all repeats that were started, by split seed.
    """
    summary.repeats = [
        {
            "split_seed": seed,
            "directory": repeat_directory(seed),
            "state": record.state,
            "epochs": record.epochs,
            "best_epoch": record.best_epoch,
            "metrics": record.metrics,
        }
        for seed, record in repeats.items()
    ]
    first = next(iter(repeats.values()))
    summary.data, summary.num_parameters = first.data, first.num_parameters
    summary.machine, summary.versions = first.machine, first.versions
    summary.git_commit = first.git_commit
    summary.untracked = {
        f"{tracker}, split_seed {seed}": reason
        for seed, record in repeats.items()
        for tracker, reason in record.untracked.items()
    }
    epochs = [record.epochs for record in repeats.values() if record.epochs is not None]
    summary.epochs = sum(epochs) if epochs else None
    summary.stopped_early = all(record.stopped_early for record in repeats.values())
    for record in repeats.values():
        for stage, seconds in record.seconds.items():
            summary.seconds[stage] = summary.seconds.get(stage, 0.0) + seconds


def aggregate(summary: TrialRecord, records: Sequence[TrialRecord]) -> None:
    """Fills the summary with the means of the records and, of two or more, the deviations."""
    summary.metrics = mean([record.metrics for record in records])
    summary.baselines = mean([record.baselines for record in records])
    summary.by_cold_start = mean_by_part([record.by_cold_start for record in records])
    summary.by_repetition = mean_by_part([record.by_repetition for record in records])
    summary.by_history_length = mean_by_scorer([record.by_history_length for record in records])
    summary.by_time_since_training = mean_by_scorer(
        [record.by_time_since_training for record in records]
    )
    if len(records) > 1:
        summary.deviations = statistic_of(stdev, [record.metrics for record in records])
    summary.history = mean_history(records)
    times = [record.milliseconds_per_query for record in records]
    known = [time for time in times if time is not None]
    summary.milliseconds_per_query = fmean(known) if len(known) == len(times) else None
    coverages = [record.coverage for record in records if record.coverage is not None]
    summary.coverage = mean(coverages) if len(coverages) == len(records) else None


def mean_by_part(
    records: Sequence[Mapping[str, Mapping[str, Metrics]]],
) -> dict[str, dict[str, Metrics]]:
    """Computes the mean number of rows of each part, and the mean metrics where it has rows.

    Args:
      records: one for each split; by the rows scored, then by part, such as "warm" or "repeat".
    """
    found: dict[str, dict[str, Metrics]] = {}
    for rows in records[0]:
        splits = [record[rows] for record in records if rows in record]
        found[rows] = {}
        for part in dict.fromkeys(part for split in splits for part in split):
            metrics = [split[part] for split in splits if part in split]
            number = sum(each["rows"] for each in metrics) / len(splits)
            found[rows][part] = {**mean(metrics), "rows": number}
    return found


def mean_by_scorer(
    records: Sequence[Mapping[str, Mapping[str, Mapping[str, Metrics]]]],
) -> dict[str, dict[str, dict[str, Metrics]]]:
    """Computes `mean_by_part` for the model and for each baseline that all splits have."""
    scorers = [name for name in records[0] if all(name in record for record in records)]
    return {name: mean_by_part([record[name] for record in records]) for name in scorers}


def mean_history(records: Sequence[TrialRecord]) -> list[Metrics]:
    """Computes the mean loss and metrics by epoch, up to the last epoch that all trials have.

    A trial that stopped early goes on with the values of the epoch that it kept.
    """
    epochs = sorted({row["epoch"] for record in records for row in record.history})
    history = []
    for epoch in epochs:
        values = [each for record in records if (each := _values_at(record, epoch))]
        if len(values) == len(records):
            history.append({"epoch": epoch, **mean(values)})
    return history


def _values_at(record: TrialRecord, epoch: float) -> Metrics | None:
    """Returns the loss and the metrics of the trial at that epoch, without the times."""
    by_epoch = {row["epoch"]: row for row in record.history}
    if record.stopped_early and epoch > max(by_epoch):
        epoch = record.best_epoch or epoch
    row = by_epoch.get(epoch)
    return row and {name: row[name] for name in ("loss", *record.metrics[record.rows])}
