"""How the search went: the value of each trial, the best so far, the Pareto front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from sweeper.report.rendering.axes import counted, logarithmic, metric_axis
from sweeper.report.rendering.page import Figure, Section, Table
from sweeper.report.rendering.palette import colour, plot, series
from sweeper.report.sections.validation_curves import baseline_lines
from sweeper.results.baselines import study_baselines
from sweeper.results.formatting import metric_label, number, upper_first
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row
from sweeper.study.outputs.reading import losses, parameters_text, short_names

STATE_COLOURS = {
    "complete": series(0),
    "infeasible": series(3),
    "pruned": colour("faint"),
    "running": series(2),
    "failed": series(1),
    "interrupted": series(4),
}
SYMBOLS = {"complete": "circle", "pruned": "circle-open", "infeasible": "x", "running": "diamond"}
# Where the largest is so many times the smallest, an axis is logarithmic.
WIDE = 20


def optimization_section(results: StudyResults) -> Section | None:
    """The history; None where there are no two values to tell of."""
    if results.study is None or sum(bool(row.values) for row in results.rows) < 2:
        return None
    figures = [optimization_history(results, index) for index in range(len(results.objectives))]
    return Section("history", "Optimisation history", [f for f in figures if f is not None])


def optimization_history(results: StudyResults, index: int = 0) -> Figure | None:
    """Each trial's value by its number, and the best so far."""
    metric = results.objectives[index].metric
    by_number = sorted(results.rows, key=lambda row: row.number)
    valued = [row for row in by_number if index < len(row.values)]
    if not valued:
        return None
    best = best_so_far(results, valued, index)
    baselines = study_baselines(results, metric)
    last = by_number[-1].number
    traces = [
        *(_points(results, rows, index) for rows in _by_state(valued)),
        *_best_line(best, index, last),
        *baseline_lines(baselines, 0, last),
    ]
    words = metric_label(metric)
    figure = plot(*traces, x="trial", y=words)
    figure.update_xaxes(counted(last))
    values = [row.values[index] for row in valued]
    figure.update_yaxes(metric_axis(metric, [*values, *baselines.values()]))
    return Figure(
        "optimization_history" + (f"_{metric}" if index else ""),
        f"{upper_first(words)} of each trial",
        "A point is a trial, in the order in which they were begun; "
        + ("the line is the best of the complete ones so far." if best else "none is complete."),
        figure,
        Table(
            ["trial", words],
            [[str(row.number), number(row.values[index])] for row in best],
            "Trials that were the best so far",
        )
        if best
        else None,
        height=400 if index == 0 else 320,
    )


def _best_line(best: Sequence[Row], index: int, last: int) -> Iterator[go.Scatter]:
    """Up to the last trial; nothing where none is complete."""
    if best:
        yield go.Scatter(
            x=[*(row.number for row in best), last],
            y=[*(row.values[index] for row in best), best[-1].values[index]],
            name="best so far",
            mode="lines",
            line={"color": colour("ink"), "width": 2, "shape": "hv"},
            hovertemplate="best so far: %{y:.4f}<extra></extra>",
        )


def best_so_far(results: StudyResults, rows: Sequence[Row], index: int) -> list[Row]:
    """Those complete trials that were better than all before them, by number."""
    better: list[Row] = []
    turn = -1 if results.objectives[index].direction == "maximize" else 1
    for row in rows:
        own = turn * row.values[index]
        if row.state == "complete" and (not better or own < turn * better[-1].values[index]):
            better.append(row)
    return better


def _by_state(rows: Sequence[Row]) -> list[list[Row]]:
    """Pruned ones first, so that they lie behind."""
    states = sorted({row.state for row in rows}, key=lambda state: state == "complete")
    return [[row for row in rows if row.state == state] for state in states]


def _points(results: StudyResults, rows: Sequence[Row], index: int) -> go.Scatter:
    state = rows[0].state
    return go.Scatter(
        x=[row.number for row in rows],
        y=[row.values[index] for row in rows],
        text=trial_texts(results, rows),
        name=state,
        mode="markers",
        marker={
            "color": STATE_COLOURS.get(state, colour("soft")),
            "symbol": SYMBOLS.get(state, "x-thin-open"),
            "size": 7,
        },
        hovertemplate="%{text}<br>%{y:.4f}<extra></extra>",
    )


def trial_texts(results: StudyResults, rows: Sequence[Row]) -> list[str]:
    """What a plot says of each trial: its number, its state, its parameters a line each."""
    names = {name: None for row in results.rows for name in row.params}
    short = short_names(names)
    return [
        "<br>".join(
            [
                f"<b>trial {row.number}</b>, {row.state}",
                *(parameters_text({name: value}, short) for name, value in row.params.items()),
            ]
        )
        for row in rows
    ]


def pareto_section(results: StudyResults) -> Section | None:
    """Each other objective against the first; None of one objective."""
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
    figure.update_xaxes(logarithmic(xs) if is_wide else metric_axis(other.metric, xs))
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
