"""Accuracy against the epoch: the groups of one study's trials, or the best of several studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.axes import metric_axis
from sweeper.report.rendering.page import Figure, Section, Table
from sweeper.report.rendering.palette import CLEAR, SERIES, colour, plot, series
from sweeper.results.baselines import study_baselines
from sweeper.results.curves import (
    Curve,
    CurveGroup,
    curve_metric,
    curves_of,
    group_curves,
    group_labels,
    more_is_better,
)
from sweeper.results.formatting import (
    metric_label,
    number,
    seen_note,
    upper_first,
)
from sweeper.results.study_results import StudyResults
from sweeper.two_tower.config import baseline_name

DASHES = ("dash", "dot", "dashdot")
# With more points than this, markers hide the line.
MAX_MARKERS = 12


def curves_section(comparison: StudyComparison) -> Section | None:
    """The metric against the epoch, for the groups of one study or the best of several."""
    study = comparison.single
    if study is None:
        figure = best_curves(comparison)
        return Section("curves", "Validation curves", [figure]) if figure else None
    metric = curve_metric(study)
    if metric is None or all(len(c.epochs) < 2 for c in curves_of(study, metric)):
        return None
    figures = [validation_curves(study, metric)]
    if study.study is None:
        figures += _loss(study)
    rows = study.evaluation_split
    title = "Validation curves" if rows == "validation" else f"Curves on {rows} rows"
    return Section("curves", title, figures)


def validation_curves(results: StudyResults, metric: str) -> Figure:
    """The metric against the epoch, by group; needs a curve of two evaluations."""
    title, labels = group_labels(results)
    curves = [curve for curve in curves_of(results, metric) if curve.trial in labels]
    groups = group_curves(curves, labels, more_is_better(results, metric))
    baselines = study_baselines(results, metric)
    caption = _caption(results, title, groups, bool(baselines))
    return Figure(
        "validation_curves",
        f"{upper_first(metric_label(metric))} on {results.evaluation_split} rows, by epoch",
        " ".join(filter(None, [caption, seen_note(metric, results.record)])),
        _curves_plot(groups, metric, baselines, coloured=SERIES),
        _numbers(title, groups, metric, more_is_better(results, metric)),
        height=460,
    )


def best_curves(comparison: StudyComparison) -> Figure | None:
    """The curve of each study's best trial; of several splits, their mean."""
    groups, numbers = [], []
    for entry in comparison.entries:
        curves = curves_of(entry.results, comparison.metric)
        best = [curve for curve in curves if entry.best and curve.trial == entry.best.number]
        if best:
            group = CurveGroup(entry.label, best, [])
            mean = group.mean()
            groups.append(group)
            last = [str(mean.epochs[-1]), number(float(mean.values[-1]))]
            numbers.append([entry.label, entry.best_label, entry.text, *last])
    if not groups:
        return None
    valued = (entry.baselines for entry in comparison.entries if entry.baselines)
    baselines = {} if comparison.problems else next(valued, {})
    columns = ["study or run", "which", "best", "last epoch", "at the end"]
    return Figure(
        "best_curves",
        f"{upper_first(metric_label(comparison.metric))} by epoch, of the best of each",
        "A line is the best trial of a study, or a run; of several splits, it is their mean, in a "
        "band of one standard deviation. Dashed lines are the baselines.",
        _curves_plot(groups, comparison.metric, baselines, coloured=len(groups)),
        Table(columns, numbers, "The best of each"),
        height=460,
    )


def _curves_plot(
    groups: Sequence[CurveGroup], metric: str, baselines: dict[str, float], coloured: int
) -> go.Figure:
    """A line and a band for each group, grey ones for all but the first `coloured` groups."""
    curves = [curve for group in groups for curve in (*group.ended, *group.others)]
    epochs = [epoch for curve in curves for epoch in curve.epochs]
    traces = [
        *_faint(groups),
        *(trace for index in range(len(groups)) for trace in _group(groups, index, coloured)),
        *baseline_lines(baselines, min(epochs), max(epochs)),
    ]
    x_range = [0, 1.02 * max(epochs)]
    figure = plot(*traces, x="epoch", y=metric_label(metric), xaxis_range=x_range)
    figure.update_yaxes(metric_axis(metric, _heights(groups, baselines)))
    return figure


def _caption(
    results: StudyResults, title: str, groups: Sequence[CurveGroup], baselines: bool
) -> str:
    if results.study is None and not results.repeats.get(0):
        text = "The line is this run"
    else:
        seeds = any(results.repeats.values())
        text = (
            f"A line is the mean of all complete trials {'and split seeds ' if seeds else ''}of "
            f"the same {title}, the band around it one standard deviation"
        )
    if any(group.others for group in groups):
        text += (
            "; faint lines and points are trials that were pruned or didn't finish (those far off "
            "lie outside: a double click shows all)"
        )
    if len([group for group in groups if group.ended]) > SERIES:
        text += f"; grey lines are what is behind the best {SERIES}"
    return f"{text}{'; dashed lines are the baselines' if baselines else ''}."


def _heights(groups: Sequence[CurveGroup], baselines: dict[str, float]) -> list[float]:
    """The values that the plot shows: the means, their bands, the baselines; without any, all.

    A trial that was pruned far below would press together what is to be compared.
    """
    means = [mean for group in groups if (mean := group.mean()).epochs]
    ends = [mean.values + turn * mean.deviations for mean in means for turn in (-1, 1)]
    shown = [float(value) for end in ends for value in end]
    others = [value for group in groups for curve in group.others for value in curve.values]
    return [*(shown or others), *baselines.values()]


def _group(groups: Sequence[CurveGroup], index: int, coloured: int) -> Iterator[go.Scatter]:
    """The mean of a group's complete trials, with the band around it."""
    group, mean = groups[index], groups[index].mean()
    if not mean.epochs:
        return
    is_shown = index < coloured
    colour_of_line = series(index) if is_shown else colour("faint")
    if is_shown and mean.deviations.any():
        around = [*(mean.values + mean.deviations), *(mean.values - mean.deviations)[::-1]]
        yield go.Scatter(
            x=[*mean.epochs, *mean.epochs[::-1]],
            y=around,
            fill="toself",
            fillcolor=series(index, "band"),
            line={"width": 0, "color": CLEAR},
            mode="lines",
            hoverinfo="skip",
            legendgroup=group.label,
            showlegend=False,
        )
    trials = len({curve.trial for curve in group.ended})
    yield go.Scatter(
        x=mean.epochs,
        y=mean.values,
        customdata=mean.numbers,
        name=f"{group.label} ({trials})" if trials > 1 else group.label,
        mode="lines+markers" if len(mean.epochs) <= MAX_MARKERS else "lines",
        line={"color": colour_of_line, "width": 2.5 if is_shown else 1.5},
        marker={"size": 6},
        legendgroup=group.label,
        showlegend=is_shown,
        hovertemplate=f"{group.label}<br>epoch %{{x}}: %{{y:.4f}}"
        "<br>mean of %{customdata}<extra></extra>",
    )


def _faint(groups: Sequence[CurveGroup]) -> Iterator[go.Scatter]:
    """The curves of trials that didn't finish, a trace for each group."""
    for index, group in enumerate(groups):
        if group.others:
            has_colour = bool(group.ended) and index < SERIES
            yield _thin_lines(group, series(index, "thin") if has_colour else colour("faint"))


def _thin_lines(group: CurveGroup, colour_of_lines: str) -> go.Scatter:
    xs: list[Any] = []
    ys: list[Any] = []
    trials: list[Any] = []
    for curve in group.others:
        # A gap keeps one line from the next.
        xs += [*curve.epochs, None]
        ys += [*curve.values, None]
        trials += [curve.trial] * (len(curve.epochs) + 1)
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=trials,
        mode="lines+markers",
        line={"color": colour_of_lines, "width": 1},
        marker={"size": 3},
        legendgroup=group.label,
        showlegend=False,
        hovertemplate=f"{group.label}<br>trial %{{customdata}}, epoch %{{x}}: %{{y:.4f}}"
        "<extra></extra>",
    )


def baseline_lines(baselines: dict[str, float], start: float, end: float) -> Iterator[go.Scatter]:
    """A dashed line across the plot for each baseline."""
    for index, (name, value) in enumerate(baselines.items()):
        yield go.Scatter(
            x=[start, end],
            y=[value, value],
            name=f"{baseline_name(name)} {number(value)}",
            mode="lines",
            line={"color": colour("soft"), "width": 1.5, "dash": DASHES[index % len(DASHES)]},
            hovertemplate=f"{baseline_name(name)}: %{{y:.4f}}<extra></extra>",
        )


def _numbers(title: str, groups: Sequence[CurveGroup], metric: str, more_is_better: bool) -> Table:
    best = max if more_is_better else min

    def of_trials(curves: Sequence[Curve]) -> str:
        return str(len({curve.trial for curve in curves}))

    rows = []
    for group in groups:
        mean = group.mean()
        peak = None
        if mean.epochs:
            peak = int(mean.values.argmax() if more_is_better else mean.values.argmin())
        rows.append(
            [
                group.label,
                of_trials(group.ended),
                of_trials(group.others),
                number(best((curve.best for curve in group.ended), default=None)),
                "–" if peak is None else number(float(mean.values[peak])),
                "–" if peak is None else str(mean.epochs[peak]),
                "–" if peak is None else number(float(mean.values[-1])),
            ]
        )
    columns = [
        title, "complete", "others", "best", "best mean", "at epoch", "mean at the end",
    ]  # fmt: skip
    return Table(columns, rows, f"{upper_first(metric_label(metric))} by {title}")


def _loss(results: StudyResults) -> list[Figure]:
    """The training loss of a single run."""
    curves = curves_of(results, "loss")
    if not curves:
        return []
    traces = [
        go.Scatter(
            x=curve.epochs,
            y=curve.values,
            name="loss" if curve.split_seed is None else f"split seed {curve.split_seed}",
            mode="lines",
            line={"color": series(index), "width": 2.5},
            showlegend=len(curves) > 1,
            hovertemplate="epoch %{x}: %{y:.4f}<extra></extra>",
        )
        for index, curve in enumerate(curves)
    ]
    first, last = curves[0].values[0], curves[0].values[-1]
    return [
        Figure(
            "training_loss",
            "Training loss, by epoch",
            f"The mean loss of a training row, in nats: from {number(first)} to {number(last)}.",
            plot(*traces, x="epoch", y="nats a row"),
            height=320,
        )
    ]
