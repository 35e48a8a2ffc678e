"""The means of several trials' records, which differ by their split alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from sweeper.two_tower.record import Metrics, TrialRecord

Statistic = Callable[[Sequence[float]], float]


def over(statistic: Statistic, scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The statistic of each figure that all scores have, at any depth of dictionaries."""
    result = {}
    for key in scores[0]:
        values = [score[key] for score in scores if key in score]
        if len(values) == len(scores):
            unflatten = isinstance(values[0], Mapping)
            result[key] = over(statistic, values) if unflatten else statistic(values)
    return result


def mean(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of each figure that all scores have."""
    return over(fmean, scores)


def repeat_directory(split_seed: int) -> str:
    """The name of a repeat's directory, within that of the summary."""
    return f"split_seed_{split_seed}"


def take_repeats(summary: TrialRecord, repeats: Mapping[int, TrialRecord]) -> None:
    """Takes into the summary what the repeats share, what they add up to, and each by itself.

    Args:
      repeats: the records by split seed, of all that were started.
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
    """Takes the means of the records into the summary, and the deviations if there are two."""
    summary.metrics = mean([record.metrics for record in records])
    summary.baselines = mean([record.baselines for record in records])
    summary.by_cold_start = mean_by_part([record.by_cold_start for record in records])
    summary.by_repetition = mean_by_part([record.by_repetition for record in records])
    summary.by_history_length = mean_by_scorer([record.by_history_length for record in records])
    summary.by_time_since_training = mean_by_scorer(
        [record.by_time_since_training for record in records]
    )
    if len(records) > 1:
        summary.deviations = over(stdev, [record.metrics for record in records])
    summary.history = mean_history(records)
    times = [record.milliseconds_per_query for record in records]
    known = [time for time in times if time is not None]
    summary.milliseconds_per_query = fmean(known) if len(known) == len(times) else None
    coverages = [record.coverage for record in records if record.coverage is not None]
    summary.coverage = mean(coverages) if len(coverages) == len(records) else None


def mean_by_part(
    records: Sequence[Mapping[str, Mapping[str, Metrics]]],
) -> dict[str, dict[str, Metrics]]:
    """The mean number of a part's rows, and the mean metrics of the splits that have any.

    Args:
      records: of each split, by the rows scored, then by part, such as "warm" or "repeat".
    """
    found: dict[str, dict[str, Metrics]] = {}
    for rows in records[0]:
        splits = [record[rows] for record in records if rows in record]
        found[rows] = {}
        for part in dict.fromkeys(part for split in splits for part in split):
            figures = [split[part] for split in splits if part in split]
            number = sum(each["rows"] for each in figures) / len(splits)
            found[rows][part] = {**mean(figures), "rows": number}
    return found


def mean_by_scorer(
    records: Sequence[Mapping[str, Mapping[str, Mapping[str, Metrics]]]],
) -> dict[str, dict[str, dict[str, Metrics]]]:
    """As `mean_by_part`, of the model and of each baseline that all splits have."""
    scorers = [name for name in records[0] if all(name in record for record in records)]
    return {name: mean_by_part([record[name] for record in records]) for name in scorers}


def mean_history(records: Sequence[TrialRecord]) -> list[Metrics]:
    """The mean loss and metrics by epoch, as far as all go.

    A trial that stopped early goes on with the figures of the epoch that it kept.
    """
    epochs = sorted({row["epoch"] for record in records for row in record.history})
    history = []
    for epoch in epochs:
        rows = [row for record in records if (row := _row_at(record, epoch))]
        if len(rows) == len(records):
            history.append({"epoch": epoch, **mean(rows)})
    return history


def _row_at(record: TrialRecord, epoch: float) -> Metrics | None:
    """Loss and metrics of the trial at that epoch, without the times."""
    by_epoch = {row["epoch"]: row for row in record.history}
    if record.stopped_early and epoch > max(by_epoch):
        epoch = record.best_epoch or epoch
    row = by_epoch.get(epoch)
    return row and {name: row[name] for name in ("loss", *record.metrics[record.rows])}
