"""Plots that have several studies and runs in them."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from sweeper.report.comparison.entries import StudyEntry
from sweeper.report.rendering.axes import counted, metric_axis
from sweeper.report.rendering.page import Figure, Table
from sweeper.report.rendering.palette import plot, series
from sweeper.report.sections.optimization import best_so_far
from sweeper.report.sections.times import STAGES, stage_seconds
from sweeper.report.sections.validation_curves import baseline_lines
from sweeper.results.curves import curves_of, group_curves
from sweeper.results.formatting import duration, metric_label, number, upper_first

# Stages of less than this share are not told apart.
SHORT, REST = 0.02, "rest"


def best_curves(
    standings: Sequence[StudyEntry], metric: str, with_baselines: bool
) -> Figure | None:
    """The curve of each one's best trial; of several splits, their mean."""
    traces, numbers, epochs = [], [], []
    baselines: dict[str, float] = {}
    for index, standing in enumerate(standings):
        best = standing.best
        if best is None:
            continue
        curves = [c for c in curves_of(standing.results, metric) if c.trial == best.number]
        for group in group_curves(curves, {best.number: standing.label}, more_is_better=True):
            mean = group.mean()
            epochs += mean.epochs
            baselines = baselines or (standing.baselines if with_baselines else {})
            traces.append(
                go.Scatter(
                    x=mean.epochs,
                    y=mean.values,
                    name=standing.label,
                    mode="lines",
                    line={"color": series(index), "width": 2.5},
                    hovertemplate=f"{standing.label}<br>epoch %{{x}}: %{{y:.4f}}<extra></extra>",
                )
            )
            last = number(float(mean.values[-1]))
            numbers.append(
                [standing.label, standing.which, standing.text, str(mean.epochs[-1]), last]
            )
    if not traces:
        return None
    words = metric_label(metric)
    lines = baseline_lines(baselines, min(epochs), max(epochs))
    figure = plot(*traces, *lines, x="epoch", y=words, xaxis_range=[0, 1.02 * max(epochs)])
    heights = [value for trace in traces for value in trace.y]
    figure.update_yaxes(metric_axis(metric, [*heights, *baselines.values()]))
    return Figure(
        "best_curves",
        f"{upper_first(words)} by epoch, of the best of each",
        "A line is the best trial of a study, or a run; of several splits, their mean. Dashed "
        "lines are the baselines.",
        figure,
        Table(
            ["study or run", "which", "best", "last epoch", "at the end"],
            numbers,
            "The best of each",
        ),
        height=460,
    )


def compared_histories(standings: Sequence[StudyEntry], metric: str) -> Figure | None:
    """The best so far against the trials, of each study of several."""
    traces, numbers = [], []
    for index, standing in enumerate(standings):
        results = standing.results
        rows = sorted(results.rows, key=lambda row: row.number)
        valued = [row for row in rows if row.values]
        best = best_so_far(results, valued, 0) if results.metric == metric else []
        if len(rows) < 2 or not best:
            continue
        traces.append(
            go.Scatter(
                x=[*(row.number for row in best), rows[-1].number],
                y=[*(row.values[0] for row in best), best[-1].values[0]],
                name=standing.label,
                mode="lines",
                line={"color": series(index), "width": 2.5, "shape": "hv"},
                hovertemplate=f"{standing.label}<br>best so far: %{{y:.4f}}<extra></extra>",
            )
        )
        last = best[-1]
        numbers.append([standing.label, str(len(rows)), number(last.values[0]), str(last.number)])
    if not traces:
        return None
    words = metric_label(metric)
    figure = plot(*traces, x="trial", y=words)
    figure.update_xaxes(counted(max(int(trace.x[-1]) for trace in traces)))
    figure.update_yaxes(metric_axis(metric, [value for trace in traces for value in trace.y]))
    return Figure(
        "optimization_histories",
        f"The best {words} so far, by trial",
        "A line is a study: the best of its complete trials up to there.",
        figure,
        Table(
            ["study", "trials", "best", "found by trial"], numbers, "How soon the best was found"
        ),
    )


def _large(stages: dict[str, float]) -> dict[str, float]:
    """The stages, the short ones as the rest: a legend has room for few."""
    total = sum(stages.values())
    large = {n: seconds for n, seconds in stages.items() if n != REST and seconds > SHORT * total}
    rest = total - sum(large.values())
    return {**large, REST: rest} if rest > 1e-9 * total else large


def compared_stages(standings: Sequence[StudyEntry]) -> Figure | None:
    """The stages of all trials, a bar for each study or run."""
    stages = [_large(stage_seconds(list(s.results.records.values()))) for s in standings]
    names = [name for name in STAGES if any(name in each for each in stages)]
    if not names:
        return None
    labels = [standing.label for standing in standings]
    totals = [sum(each.values()) for each in stages]
    unit, seconds = ("minutes", 60.0) if max(totals) >= 180 else ("seconds", 1.0)
    traces = [
        go.Bar(
            x=[each.get(name, 0.0) / seconds for each in stages],
            y=labels,
            name=STAGES[name],
            orientation="h",
            marker={"color": series(index)},
            customdata=[duration(each.get(name, 0.0)) for each in stages],
            hovertemplate=f"{STAGES[name]}: %{{customdata}}<extra>%{{y}}</extra>",
        )
        for index, name in enumerate(names)
    ]
    figure = plot(*traces, x=unit, barmode="stack", legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", ticksuffix="  ", showgrid=False)
    rows = [[STAGES[name], *(duration(each.get(name, 0.0)) for each in stages)] for name in names]
    return Figure(
        "stages",
        "The stages of all trials",
        "Summed over the trials of each.",
        figure,
        Table(["stage", *labels], [*rows, ["all", *map(duration, totals)]], "Stages"),
        height=150 + 44 * len(labels),
    )
