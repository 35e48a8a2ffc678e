"""The trade-off between several objectives: the Pareto front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from sweeper.report.rendering.axes import log_axis, metric_axis
from sweeper.report.rendering.page import Figure, Section, Table
from sweeper.report.rendering.palette import colour, plot, series
from sweeper.report.sections.history import trial_texts
from sweeper.results.formatting import metric_label, number, upper_first
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row
from sweeper.study.outputs.trial_states import losses

# An axis is logarithmic where the largest value is so many times the smallest.
WIDE = 20


def pareto_section(results: StudyResults) -> Section | None:
    """Each other objective against the first; None for a single objective."""
    complete = results.of_states("complete")
    if len(results.objectives) < 2 or not complete:
        return None
    figures = [pareto_front(results, index) for index in range(1, len(results.objectives))]
    return Section("pareto", "Pareto front", figures)


def pareto_front(results: StudyResults, index: int) -> Figure:
    """The first objective against that of this index."""
    first, other = results.objectives[0], results.objectives[index]
    complete = results.of_states("complete")
    front = sorted(results.front, key=lambda row: row.values[index])
    behind = [row for row in complete if row.rank != 1]
    xs = [row.values[index] for row in complete]
    is_wide = min(xs) > 0 and max(xs) / min(xs) > WIDE
    several = len(results.objectives) > 2
    traces = [
        _front_points(results, behind, index, "others", {"color": colour("faint"), "size": 8}),
        *_edge(results, index),
        _front_points(results, front, index, "Pareto front", {"color": series(0), "size": 10}),
    ]
    words = [metric_label(first.metric), metric_label(other.metric)]
    figure = plot(*traces, x=words[1] + (", logarithmic" if is_wide else ""), y=words[0])
    figure.update_yaxes(metric_axis(first.metric, [row.values[0] for row in complete]))
    figure.update_xaxes(log_axis(xs) if is_wide else metric_axis(other.metric, xs))
    caption = (
        "A point is a complete trial. Blue ones are on the front: none is better by one objective "
        "and as good by all others"
    )
    if several:
        caption += "; the line is the front of these two objectives alone"
    return Figure(
        f"pareto_front_{other.metric}",
        f"{upper_first(words[0])} against {words[1]}",
        f"{caption}.",
        figure,
        Table(
            ["trial", words[0], words[1]],
            [[str(r.number), number(r.values[0]), number(r.values[index])] for r in front],
            "The front",
        ),
    )


def _front_points(
    results: StudyResults, rows: Sequence[Row], index: int, name: str, marker: dict[str, Any]
) -> go.Scatter:
    return go.Scatter(
        x=[row.values[index] for row in rows],
        y=[row.values[0] for row in rows],
        text=trial_texts(results, rows),
        name=name,
        mode="markers",
        marker=marker,
        hovertemplate="%{text}<br>%{y:.4f} against %{x}<extra></extra>",
    )


def _edge(results: StudyResults, index: int) -> Iterator[go.Scatter]:
    """The steps between the trials that are best by these two objectives."""
    pair = [results.objectives[0], results.objectives[index]]
    turned = {
        row.number: losses([row.values[0], row.values[index]], pair)
        for row in results.of_states("complete")
    }
    edge: list[Row] = []
    lowest = float("inf")
    for row in sorted(results.of_states("complete"), key=lambda row: turned[row.number][::-1]):
        if turned[row.number][0] < lowest:
            lowest = turned[row.number][0]
            edge.append(row)
    edge.sort(key=lambda row: row.values[index])
    if len(edge) > 1:
        yield go.Scatter(
            x=[row.values[index] for row in edge],
            y=[row.values[0] for row in edge],
            mode="lines",
            line={
                "color": series(0, "thin"),
                "width": 2,
                "shape": "hv" if pair[1].direction == "minimize" else "vh",
            },
            hoverinfo="skip",
            showlegend=False,
        )
