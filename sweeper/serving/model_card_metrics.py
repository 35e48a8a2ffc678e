"""The sections of a model card on metrics: those of the trial, and the confirmed ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from sweeper.common.errors import OutputError
from sweeper.results.clustered_tests import interval_over_users
from sweeper.results.confirmation import ConfirmationResults
from sweeper.results.confirmation_loading import has_confirmation
from sweeper.results.confirmation_text import confirmed_text, test_rows_label
from sweeper.results.formatting import count, interval_text, markdown_table, metric_label, number
from sweeper.results.scored_rows import both_metrics, hits, read_ranks
from sweeper.serving.source_trial import SourceTrial
from sweeper.study.outputs.leaderboard import best_of
from sweeper.two_tower import record as records
from sweeper.two_tower.config import baseline_name
from sweeper.two_tower.record import Metrics
from sweeper.two_tower.trial.result_tables import SEEN, seen_by

if TYPE_CHECKING:
    from sweeper.serving.retrained_model import RetrainedModel


def metrics_section(source: SourceTrial, retrained: RetrainedModel) -> Iterator[str]:
    record, metrics = source.record, retrained.metrics or source.record.metrics
    whose = "the recorded model" if retrained.is_on_all_rows else "this model"
    for rows, scored in metrics.items():
        intervals = _intervals(source, rows) if scored == record.metrics[rows] else {}
        baselines = {name: parts[rows] for name, parts in record.baselines.items() if rows in parts}
        names = [baseline_name(name) for name in baselines]
        table = [
            [
                metric_label(metric),
                number(value),
                intervals.get(metric, "–"),
                *(number(each.get(metric)) for each in baselines.values()),
            ]
            for metric, value in scored.items()
        ]
        scale = f"On {record.data['rows'][rows]:,} {rows} rows"
        yield f"{scale} (95 % confidence intervals over users):"
        yield markdown_table(["metric", whose, "95 % interval", *names], table)
        if text := _best_baseline(record.config["evaluation"]["metric"], scored, baselines):
            yield f"{text} {whose}."
    yield f"Seen-filtered metrics leave out {SEEN[seen_by(record.config)]}."
    best = source.results.best
    if best and source.trial == best.number and "validation" in metrics:
        yield (
            f"The trial was chosen by validation rows from "
            f"{count(len(source.results.rows), 'trial')}: selection bias inflates its metric on "
            "these rows."
        )


def _best_baseline(metric: str, scored: Metrics, baselines: Mapping[str, Metrics]) -> str:
    """Compares the best baseline by a metric with the model, up to its name; "" without one."""
    theirs = {name: each[metric] for name, each in baselines.items() if metric in each}
    name = best_of(theirs)
    if name is None or metric not in scored:
        return ""
    gap = scored[metric] - theirs[name]
    beside = f"{number(abs(gap))} {'below' if gap > 0 else 'above'}" if gap else "no different from"
    return (
        f"The best baseline by {metric_label(metric)} is {baseline_name(name)} "
        f"({number(theirs[name])}): {beside}"
    )


def _intervals(source: SourceTrial, rows: str) -> dict[str, str]:
    """Returns the intervals of the recorded rows by metric; empty if the trial saved none."""
    texts = {}
    with suppress(OutputError):
        ranks = read_ranks(source.directory / records.ROWS[rows])
        for metric in source.record.metrics[rows]:
            interval = interval_over_users(hits(ranks, metric), np.asarray(ranks["user"]))
            if interval:
                texts[metric] = interval_text(interval)
    return texts


def confirmed_section(source: SourceTrial) -> Iterator[str]:
    confirmation, name = source.results.confirmation, f"trial_{source.trial}"
    if confirmation is None and has_confirmation(source.results.directory):
        yield (
            "None that can be read: the study's confirmation is damaged, or another version wrote "
            "it."
        )
        return
    if confirmation is not None and not confirmation.is_complete:
        yield (
            "None yet: the study's confirmation has no seed that all its configurations were "
            "trained with."
        )
        return
    if confirmation is None:
        yield (
            "None: this configuration was not trained anew with fresh seeds and scored on rows "
            "that guided no choice. The metrics above are of a single training; expect less if the "
            "trial was chosen by them. `study.confirm.best=3` confirms a study's best trials."
        )
        return
    if name not in confirmation.names:
        confirmed = ", ".join(confirmation.names)
        yield f"None of this trial: the study's confirmation is of {confirmed}."
        return
    yield confirmed_text(source.results, confirmation)
    metrics = both_metrics(source.results.confirmed_metric)
    yield markdown_table(
        ["accuracy", "rows", "mean", "95 % interval", "seeds"],
        list(_summaries(confirmation, name, metrics)),
    )


def _summaries(
    confirmation: ConfirmationResults, name: str, metrics: Sequence[str]
) -> Iterator[list[str]]:
    for metric in metrics:
        for fresh in (False, True):
            if not (confirmation.fresh if fresh else confirmation.own):
                continue
            summary = confirmation.summary(name, metric, fresh)
            if summary:
                yield [
                    metric_label(metric),
                    test_rows_label(confirmation, fresh),
                    number(summary.mean),
                    interval_text(summary.interval),
                    str(summary.number),
                ]
