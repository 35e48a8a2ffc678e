"""Parallel coordinates: a line for each trial, across the values of its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from sweeper.report.rendering.axes import broken, round_ticks
from sweeper.report.rendering.page import Figure
from sweeper.report.rendering.palette import SCALE, colour, plot
from sweeper.results.formatting import metric_label, number
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.reading import losses, parameter_text, parameters_text, short_names

# More lines than this are no picture; the best are drawn.
MAX_LINES = 300
TICKS = 5
ABSENT = "none"
# Trials of the same choice lie so far from its mark, as a share of the room between two choices.
SPREAD = 0.14
AXIS_WIDTH = 80


@dataclass(frozen=True)
class Axis:
    """One axis: where each trial crosses it, from 0 to 1, and what stands at it."""

    title: str
    places: list[float]
    ticks: list[tuple[float, str]]


def parallel_coordinates(
    results: StudyResults, study: optuna.Study, names: Sequence[str]
) -> Figure:
    """Every trial with a figure, the best in the strongest colour and on top."""
    trials = sorted(
        study.get_trials(deepcopy=False),
        key=lambda trial: losses(trial.values, results.objectives),
    )
    drawn = trials[:MAX_LINES][::-1]
    short = short_names(names)
    axes = [_parameter_axis(name, short[name], drawn) for name in names]
    words = metric_label(results.metric)
    axes.append(_value_axis(words, [trial.values[0] for trial in drawn]))
    left_out = (
        f" The best {MAX_LINES:,} of {len(trials):,} trials." if len(trials) > MAX_LINES else ""
    )
    return Figure(
        "parallel_coordinates",
        f"Parameters and {words} of each trial",
        "A line is a trial; the stronger its colour, the better it is. Trials without a parameter "
        f"cross its axis at “{ABSENT}”.{left_out}",
        _drawn(axes, drawn, short),
        height=440,
        min_width=AXIS_WIDTH * len(axes),
    )


def _drawn(axes: Sequence[Axis], trials: Sequence[FrozenTrial], short: dict[str, str]) -> go.Figure:
    figure = plot(*(_lines(axes, trials, short, level) for level in range(SCALE)))
    figure.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=[broken(axis.title) for axis in axes],
        range=[-0.45, len(axes) - 0.8],
        showgrid=False,
        side="top",
        fixedrange=True,
        tickangle=0,
    )
    figure.update_yaxes(range=[-0.07, 1.07], visible=False, fixedrange=True)
    figure.update_layout(showlegend=False, margin={"l": 12, "r": 12, "t": 64, "b": 12})
    for index, axis in enumerate(axes):
        figure.add_shape(
            type="line", x0=index, x1=index, y0=0, y1=1, layer="below",
            line={"color": colour("soft"), "width": 1},
        )  # fmt: skip
        for place, text in axis.ticks:
            figure.add_annotation(
                x=index, y=place, text=text, showarrow=False, xanchor="right", xshift=-5,
                font={"size": 11, "color": colour("soft")}, bgcolor=colour("page"), opacity=0.9,
            )  # fmt: skip
    return figure


def _lines(
    axes: Sequence[Axis], trials: Sequence[FrozenTrial], short: dict[str, str], level: int
) -> go.Scatter:
    """The trials of one fifth, from the worst on, as one trace with gaps."""
    xs: list[Any] = []
    ys: list[Any] = []
    texts: list[str] = []
    for index, trial in enumerate(trials):
        if SCALE * index // len(trials) == level:
            xs += [*range(len(axes)), None]
            ys += [*(axis.places[index] for axis in axes), None]
            shown = {name: value for name, value in trial.params.items() if name in short}
            lines = parameters_text(shown, short).replace(", ", "<br>")
            text = (
                f"<b>trial {trial.user_attrs['number']}</b>: {number(trial.values[0])}<br>{lines}"
            )
            texts += [text] * (len(axes) + 1)
    return go.Scatter(
        x=xs,
        y=ys,
        text=texts,
        mode="lines",
        line={"color": colour(f"scale-{level + 1}"), "width": 1 + 0.3 * level},
        hovertemplate="%{text}<extra></extra>",
    )


def _parameter_axis(name: str, title: str, trials: Sequence[FrozenTrial]) -> Axis:
    present = [trial.params[name] for trial in trials if name in trial.params]
    kinds = [trial.distributions[name] for trial in trials if name in trial.distributions]
    is_range = all(isinstance(kind, FloatDistribution | IntDistribution) for kind in kinds)
    if is_range and len(set(present)) > TICKS + 2:
        is_log = any(getattr(kind, "log", False) for kind in kinds)
        return _range_axis(title, [trial.params.get(name) for trial in trials], is_log)
    texts = [parameter_text(value) for value in sorted(set(present), key=in_order)]
    own = [parameter_text(t.params[name]) if name in t.params else ABSENT for t in trials]
    levels = ([ABSENT] if ABSENT in own and ABSENT not in texts else []) + texts
    room = 1 / max(len(levels) - 1, 1)
    # No farther than the ends of a range lie from the edge of the plot.
    offset = min(room, 0.35)
    places = [levels.index(text) * room + offset * _offset(i) for i, text in enumerate(own)]
    return Axis(title, places, [(index * room, text) for index, text in enumerate(levels)])


def in_order(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, before words by letters."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return not is_number, value if is_number else 0.0, str(value)


def _offset(index: int) -> float:
    """From -SPREAD to SPREAD, the same for a trial on every axis; neighbours far apart."""
    return SPREAD * (2 * (index * 0.618 % 1) - 1)


def _range_axis(title: str, values: Sequence[float | None], is_log: bool) -> Axis:
    known = [value for value in values if value is not None]
    scaled = math.log if is_log else float
    low, high = scaled(min(known)), scaled(max(known))
    # Room below for those without a value.
    start = 0.12 if len(known) < len(values) else 0.0
    width = (1 - start) / (high - low)

    def place(value: float | None) -> float:
        return 0.0 if value is None else start + (scaled(value) - low) * width

    step = (max(known) - min(known)) / (TICKS - 1)
    marks = [min(known) + index * step for index in range(TICKS)]
    if is_log:
        marks = round_ticks(min(known), max(known))
    ticks = [(place(mark), f"{mark:.3g}") for mark in marks]
    return Axis(title, [place(value) for value in values], [(0.0, ABSENT)] * (start > 0) + ticks)


def _value_axis(title: str, values: Sequence[float]) -> Axis:
    if min(values) == max(values):
        return Axis(title, [0.5] * len(values), [(0.5, number(values[0]))])
    return _range_axis(title, values, is_log=False)
