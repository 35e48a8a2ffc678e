"""Where the best configuration is right: popular, rare and cold candidates, busy users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import plotly.graph_objects as go

from sweeper.report.rendering.page import Block, Figure, Section, Table, Text
from sweeper.report.rendering.palette import plot, series
from sweeper.report.sections.cold_start import cold_start_block, repetition_block
from sweeper.report.sections.parts_in_time import lines_shown, parts_in_time
from sweeper.results.confirmation import ConfirmationResults
from sweeper.results.confirmation_text import configuration_label
from sweeper.results.formatting import metric_label, number
from sweeper.results.scored_rows import (
    MODEL,
    Decile,
    Segment,
    both_metrics,
    by_cold_start,
    by_parts,
    by_repetition,
    by_training_rows,
    hits,
)
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import baselines_of
from sweeper.two_tower.config import baseline_name
from sweeper.two_tower.evaluation.metrics import SHOWN
from sweeper.two_tower.trial.result_tables import seen_by

T = TypeVar("T")

PARTS = {
    "item": (
        "By popularity",
        "training rows of the row's true candidate",
        "Tenths of {rows}, those of the rarest candidates first. A list of the most popular "
        "is right about popular candidates alone.",
    ),
    "user": (
        "By user activity",
        "training rows of the row's user",
        "Tenths of {rows}, those of the least active users first.",
    ),
}


def strengths_section(results: StudyResults) -> Section | None:
    """On the test rows of a confirmation, else on the rows of the best trial; None without any."""
    confirmation = results.confirmation
    if confirmation is not None and confirmation.own_rows:
        return Section("strengths", "Where it is right", list(_confirmed(results, confirmation)))
    blocks = list(_of_best(results))
    return Section("strengths", "Where it is right", blocks) if blocks else None


def _confirmed(results: StudyResults, confirmation: ConfirmationResults) -> Iterator[Block]:
    metric = results.confirmed_metric
    # The best, the reference and the baselines: more lines hide each other.
    references = [name for name in confirmation.names if not name.startswith("trial_")]
    shown = [confirmation.winner, *references, *confirmation.baselines]

    def named(values: Mapping[str, T]) -> dict[str, T]:
        return {configuration_label(name): values[name] for name in shown}

    groups = {
        of: [
            replace(each, accuracies=named(each.accuracies))
            for each in confirmation.by_training_rows(of, metric)
        ]
        for of in PARTS
    }
    rows = "the study's own test rows"
    yield from _blocks(groups, metric, configuration_label(confirmation.winner), rows)
    if not confirmation.is_split_at_random:
        yield from parts_in_time(
            lambda parts: [
                replace(part, accuracies=named(part.accuracies), intervals=named(part.intervals))
                for part in confirmation.by_parts(parts, metric)
            ],
            metric,
            rows,
        )

    def parts(found: Callable[[str], Sequence[Segment]]) -> dict[str, list[Segment]]:
        return {
            each: [replace(part, accuracies=named(part.accuracies)) for part in found(each)]
            for each in both_metrics(metric)
        }

    yield cold_start_block(parts(confirmation.by_cold_start), rows)
    if block := repetition_block(parts(confirmation.by_repetition), rows, confirmation.seen):
        yield block
    # A list of so many shows all of a smaller catalogue, whatever it ranks by.
    is_told = results.record is None or results.record.data.get("candidates", np.inf) > SHOWN
    if is_told and (coverage := confirmation.coverage()):
        yield _coverage_table(
            {configuration_label(name): share for name, share in coverage.items()}
        )


def _of_best(results: StudyResults) -> Iterator[Block]:
    best = results.best
    ranks = results.ranks.get(best.number) if best else None
    if best is None or ranks is None:
        return
    metric = results.confirmed_metric
    name = "the run" if results.study is None else f"trial {best.number}"
    scorers = {name: (ranks, MODEL)}
    for baseline in baselines_of(best, metric):
        table, scorer = results.ranks.get(baseline), MODEL
        if table is None:
            table, scorer = ranks, baseline
        if f"{scorer}_rank" in table.column_names:
            scorers[baseline_name(baseline)] = table, scorer

    def found(metric: str) -> dict[str, np.ndarray]:
        return {name: hits(table, metric, scorer) for name, (table, scorer) in scorers.items()}

    groups = {of: by_training_rows(ranks, of, found(metric)) for of in PARTS}
    rows = f"{results.evaluation_split} rows"
    yield from _blocks(groups, metric, name, rows)
    config = results.records[best.number].config
    seen = seen_by(config)
    if config["data"]["split"] != "random":
        hits_of = found(metric)
        yield from parts_in_time(
            lambda parts: by_parts(parts, ranks, hits_of), metric, f"the {rows}"
        )
    warmth = {each: by_cold_start(ranks, found(each)) for each in both_metrics(metric)}
    yield cold_start_block(warmth, f"the {rows}")
    repetition = {each: by_repetition(ranks, found(each)) for each in both_metrics(metric)}
    if block := repetition_block(repetition, f"the {rows}", seen):
        yield block


def _blocks(
    groups: Mapping[str, Sequence[Decile]], metric: str, name: str, rows: str
) -> Iterator[Block]:
    """The sentence and the plots; `name` is whom they are about."""
    yield Text(_lead(groups["item"], metric, name, rows), "lead")
    for of, each in groups.items():
        yield _breakdown(each, of, metric, rows)


def _coverage_table(shares: Mapping[str, float]) -> Table:
    return Table(
        ["configuration", "catalogue coverage"],
        [[name, f"{100 * share:.1f} %"] for name, share in shares.items()],
        title=f"The share of the catalogue that is in at least one row's top {SHOWN}",
    )


def _lead(groups: Sequence[Decile], metric: str, name: str, rows: str) -> str:
    rarest, commonest = groups[0], groups[-1]
    return (
        f"Of {rows}, on the rarest candidates ({rarest.low} to {rarest.high} training rows) {name} "
        f"has {number(rarest.accuracies[name])} {metric_label(metric)}, on the most popular "
        f"({commonest.low} to {commonest.high}) {number(commonest.accuracies[name])}."
    )


def _breakdown(groups: Sequence[Decile], of: str, metric: str, rows: str) -> Figure:
    title, axis, caption = PARTS[of]
    names = list(groups[0].accuracies)
    labels = [
        f"{group.low}–{group.high}" if group.low < group.high else f"{group.low}"
        for group in groups
    ]
    traces = [
        go.Scatter(
            x=labels,
            y=[group.accuracies[name] for group in groups],
            mode="lines+markers",
            line={"color": series(index), "width": 2},
            name=name,
        )
        for index, name in enumerate(lines_shown(groups))
    ]
    figure = plot(*traces, x=axis, y=metric_label(metric))
    figure.update_xaxes(type="category")
    figure.update_yaxes(rangemode="tozero")
    numbers = Table(
        [axis, "rows", *names],
        [
            [label, f"{group.rows:,}", *(number(group.accuracies[name]) for name in names)]
            for label, group in zip(labels, groups, strict=True)
        ],
    )
    return Figure(f"by_{of}", title, caption.format(rows=rows), figure, numbers)
