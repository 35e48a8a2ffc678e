"""Where a confirmed configuration is right: popular and rare candidates, busy and quiet users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import plotly.graph_objects as go

from sweeper.report.confirmed import TOP_100, name_words
from sweeper.report.evidence import Evidence, Group
from sweeper.report.page import Block, Figure, Section, Table, Text
from sweeper.report.palette import plot, series
from sweeper.report.subject import Subject
from sweeper.report.words import metric_words, number

PARTS = {
    "item": (
        "By popularity",
        "training rows of the row's true candidate",
        "Tenths of the test rows, those of the rarest candidates first. A list of the most popular "
        "is right about popular candidates alone.",
    ),
    "user": (
        "By user activity",
        "training rows of the row's user",
        "Tenths of the test rows, those of the least active users first.",
    ),
}


def strengths_section(subject: Subject) -> Section | None:
    """None where the study's own test rows were not scored."""
    evidence = subject.evidence
    if evidence is None or not evidence.own:
        return None
    return Section("strengths", "Where it is right", list(_blocks(evidence)))


def _blocks(evidence: Evidence) -> Iterator[Block]:
    shown = [name for name in evidence.names if "_without_" not in name]
    # The best, the reference (the last), and the baselines: more lines hide each other.
    shown = [*dict.fromkeys([shown[0], shown[-1]]), *evidence.baselines]
    yield Text(_lead(evidence))
    for of in PARTS:
        yield _breakdown(evidence.by_training_rows(of, TOP_100), of, shown)
    if coverage := evidence.coverage():
        rows = [[name_words(name), f"{100 * share:.1f} %"] for name, share in coverage.items()]
        yield Table(
            ["configuration", "catalogue coverage"],
            rows,
            title="The share of the catalogue that is in at least one row's top 100",
        )


def _lead(evidence: Evidence) -> str:
    rarest, *_, commonest = evidence.by_training_rows("item", TOP_100)
    winner = name_words(evidence.winner)
    return (
        f"On the rarest candidates ({rarest.low} to {rarest.high} training rows) {winner} has "
        f"{number(rarest.accuracies[evidence.winner])} {metric_words(TOP_100)}, on the most "
        f"popular ({commonest.low} to {commonest.high}) "
        f"{number(commonest.accuracies[evidence.winner])}."
    )


def _breakdown(groups: Sequence[Group], of: str, names: Sequence[str]) -> Figure:
    title, axis, caption = PARTS[of]
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
            name=name_words(name),
        )
        for index, name in enumerate(names)
    ]
    figure = plot(*traces, x=axis, y=metric_words(TOP_100))
    figure.update_xaxes(type="category")
    figure.update_yaxes(rangemode="tozero")
    numbers = Table(
        [axis, "rows", *map(name_words, names)],
        [
            [label, f"{group.rows:,}", *(number(group.accuracies[name]) for name in names)]
            for label, group in zip(labels, groups, strict=True)
        ],
    )
    return Figure(f"by_{of}", title, caption, figure, numbers)
