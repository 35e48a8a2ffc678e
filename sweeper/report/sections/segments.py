"""Where the best configuration is right: popular, rare and cold candidates, busy users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import plotly.graph_objects as go

from sweeper.report.rendering.page import Block, Figure, Section, Table, Text
from sweeper.report.rendering.palette import plot, series
from sweeper.report.sections.cold_start import both_metrics, cold_start_block, repetition_block
from sweeper.report.sections.confirmed import confirmed_metric
from sweeper.report.sections.confirmed_tables import name_words
from sweeper.report.sections.parts_in_time import lines_shown, parts_in_time
from sweeper.results.evidence.evidence import Evidence
from sweeper.results.evidence.ranks import MODEL, hits
from sweeper.results.evidence.row_groups import (
    Group,
    Part,
    by_cold_start,
    by_parts,
    by_repetition,
    by_training_rows,
)
from sweeper.results.formatting import baseline_words, metric_words, number
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import baselines_of
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


def strengths_section(subject: StudyResults) -> Section | None:
    """On the test rows of a confirmation, else on the rows of the best trial; None without any."""
    evidence = subject.evidence
    if evidence is not None and evidence.own_rows:
        return Section("strengths", "Where it is right", list(_confirmed(subject, evidence)))
    blocks = list(_of_best(subject))
    return Section("strengths", "Where it is right", blocks) if blocks else None


def _confirmed(subject: StudyResults, evidence: Evidence) -> Iterator[Block]:
    metric = confirmed_metric(subject)
    # The best, the reference and the baselines: more lines hide each other.
    references = [name for name in evidence.names if not name.startswith("trial_")]
    shown = [evidence.winner, *references, *evidence.baselines]

    def named(values: Mapping[str, T]) -> dict[str, T]:
        return {name_words(name): values[name] for name in shown}

    groups = {
        of: [
            replace(each, accuracies=named(each.accuracies))
            for each in evidence.by_training_rows(of, metric)
        ]
        for of in PARTS
    }
    rows = "the study's own test rows"
    yield from _blocks(groups, metric, name_words(evidence.winner), rows)
    if not evidence.is_split_at_random:
        yield from parts_in_time(
            lambda parts: [
                replace(part, accuracies=named(part.accuracies), intervals=named(part.intervals))
                for part in evidence.by_parts(parts, metric)
            ],
            metric,
            rows,
        )

    def parts(found: Callable[[str], Sequence[Part]]) -> dict[str, list[Part]]:
        return {
            each: [replace(part, accuracies=named(part.accuracies)) for part in found(each)]
            for each in both_metrics(metric)
        }

    yield cold_start_block(parts(evidence.by_cold_start), rows)
    if block := repetition_block(parts(evidence.by_repetition), rows, evidence.seen):
        yield block
    # A list of so many shows all of a smaller catalogue, whatever it ranks by.
    is_told = subject.record is None or subject.record.data.get("candidates", np.inf) > SHOWN
    if is_told and (coverage := evidence.coverage()):
        yield _coverage_table({name_words(name): share for name, share in coverage.items()})


def _of_best(subject: StudyResults) -> Iterator[Block]:
    best = subject.best
    ranks = subject.ranks.get(best.number) if best else None
    if best is None or ranks is None:
        return
    metric = confirmed_metric(subject)
    name = "the run" if subject.study is None else f"trial {best.number}"
    scorers = {name: (ranks, MODEL)}
    for baseline in baselines_of(best, metric):
        table, scorer = subject.ranks.get(baseline), MODEL
        if table is None:
            table, scorer = ranks, baseline
        if f"{scorer}_rank" in table.column_names:
            scorers[baseline_words(baseline)] = table, scorer

    def found(metric: str) -> dict[str, np.ndarray]:
        return {name: hits(table, metric, scorer) for name, (table, scorer) in scorers.items()}

    groups = {of: by_training_rows(ranks, of, found(metric)) for of in PARTS}
    rows = f"{subject.scored_rows} rows"
    yield from _blocks(groups, metric, name, rows)
    config = subject.records[best.number].config
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
    groups: Mapping[str, Sequence[Group]], metric: str, name: str, rows: str
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


def _lead(groups: Sequence[Group], metric: str, name: str, rows: str) -> str:
    rarest, commonest = groups[0], groups[-1]
    return (
        f"Of {rows}, on the rarest candidates ({rarest.low} to {rarest.high} training rows) {name} "
        f"has {number(rarest.accuracies[name])} {metric_words(metric)}, on the most popular "
        f"({commonest.low} to {commonest.high}) {number(commonest.accuracies[name])}."
    )


def _breakdown(groups: Sequence[Group], of: str, metric: str, rows: str) -> Figure:
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
    figure = plot(*traces, x=axis, y=metric_words(metric))
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
