"""How the search went: the value of each trial, the best so far."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.axes import metric_axis, trial_axis
from sweeper.report.rendering.page import Figure, Section, Table
from sweeper.report.rendering.palette import colour, plot, series
from sweeper.report.sections.curves import baseline_lines
from sweeper.results.baselines import study_baselines
from sweeper.results.formatting import metric_label, number, upper_first
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row
from sweeper.study.outputs.number_formats import parameters_text, short_names

STATE_COLOURS = {
    "complete": series(0),
    "infeasible": series(3),
    "pruned": colour("faint"),
    "running": series(2),
    "failed": series(1),
    "interrupted": series(4),
}
SYMBOLS = {"complete": "circle", "pruned": "circle-open", "infeasible": "x", "running": "diamond"}


def history_section(comparison: StudyComparison) -> Section | None:
    """The values by trial; None where there are fewer than two of them."""
    study = comparison.single
    if study is None:
        figures = [optimization_histories(comparison)]
    elif study.study is None or sum(bool(row.values) for row in study.rows) < 2:
        return None
    else:
        figures = [optimization_history(study, index) for index in range(len(study.objectives))]
    shown = [figure for figure in figures if figure is not None]
    return Section("history", "Optimisation history", shown) if shown else None


def optimization_history(results: StudyResults, index: int = 0) -> Figure | None:
    """Each trial's value by its number, and the best so far."""
    metric = results.objectives[index].metric
    by_number = sorted(results.rows, key=lambda row: row.number)
    valued = [row for row in by_number if index < len(row.values)]
    if not valued:
        return None
    best = best_so_far(results, index)
    baselines = study_baselines(results, metric)
    last = by_number[-1].number
    traces = [
        *(_points(results, rows, index) for rows in _by_state(valued)),
        *([_best_line(best, index, last, "best so far", colour("ink"))] if best else []),
        *baseline_lines(baselines, 0, last),
    ]
    label = metric_label(metric)
    rows = [[str(row.number), number(row.values[index])] for row in best]
    return Figure(
        "optimization_history" + (f"_{metric}" if index else ""),
        f"{upper_first(label)} of each trial",
        "A point is a trial, in the order in which they were begun; "
        + ("the line is the best of the complete ones so far." if best else "none is complete."),
        _history_plot(traces, metric, last),
        Table(["trial", label], rows, "Trials that were the best so far") if best else None,
        height=400 if index == 0 else 320,
    )


def optimization_histories(comparison: StudyComparison) -> Figure | None:
    """The best so far against the trials, a line for each study that goes by the metric."""
    traces, numbers = [], []
    for index, entry in enumerate(comparison.entries):
        results = entry.results
        best = best_so_far(results) if results.metric == comparison.metric else []
        if len(results.rows) < 2 or not best:
            continue
        last = max(row.number for row in results.rows)
        traces.append(_best_line(best, 0, last, entry.label, series(index)))
        found = [number(best[-1].values[0]), str(best[-1].number)]
        numbers.append([entry.label, str(len(results.rows)), *found])
    if not traces:
        return None
    columns = ["study", "trials", "best", "found by trial"]
    return Figure(
        "optimization_histories",
        f"The best {metric_label(comparison.metric)} so far, by trial",
        "A line is a study: the best of its complete trials up to there.",
        _history_plot(traces, comparison.metric, max(int(trace.x[-1]) for trace in traces)),
        Table(columns, numbers, "How soon the best was found"),
    )


def _history_plot(traces: Sequence[go.Scatter], metric: str, last: int) -> go.Figure:
    figure = plot(*traces, x="trial", y=metric_label(metric))
    figure.update_xaxes(trial_axis(last))
    figure.update_yaxes(metric_axis(metric, [value for trace in traces for value in trace.y]))
    return figure


def _best_line(
    best: Sequence[Row], index: int, last: int, name: str, line_colour: str
) -> go.Scatter:
    """The steps from each best trial so far to the next, up to the last trial."""
    return go.Scatter(
        x=[*(row.number for row in best), last],
        y=[*(row.values[index] for row in best), best[-1].values[index]],
        name=name,
        mode="lines",
        line={"color": line_colour, "width": 2, "shape": "hv"},
        hovertemplate=f"{name}: %{{y:.4f}}<extra></extra>",
    )


def best_so_far(results: StudyResults, index: int = 0) -> list[Row]:
    """The complete trials that were better than all before them, by number."""
    better: list[Row] = []
    turn = -1 if results.objectives[index].direction == "maximize" else 1
    complete = [row for row in results.of_states("complete") if index < len(row.values)]
    for row in sorted(complete, key=lambda row: row.number):
        if not better or turn * row.values[index] < turn * better[-1].values[index]:
            better.append(row)
    return better


def _by_state(rows: Sequence[Row]) -> list[list[Row]]:
    """Complete trials last, so that they are drawn over the others."""
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
    """Hover texts: the number of each trial, its state and its parameters, a line each."""
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
