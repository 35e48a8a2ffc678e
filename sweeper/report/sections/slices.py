"""Slices: the first objective against each parameter by itself."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from sweeper.report.rendering.axes import broken, logarithmic, metric_axis
from sweeper.report.rendering.page import Figure, Gallery, Table
from sweeper.report.rendering.palette import colour, plot, series
from sweeper.report.sections.parallel import in_order
from sweeper.results.formatting import metric_label, number, upper_first
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.reading import parameter_text, short_names

# Points of the same choice lie so far apart, in the room between two choices.
SPREAD = 0.25
MAX_CHOICES = 12
MAX_TICKS = 4


def slices(results: StudyResults, study: optuna.Study, names: Sequence[str]) -> Gallery:
    """A small plot for each parameter."""
    trials, short = study.get_trials(deepcopy=False), short_names(names)
    words = metric_label(results.metric)
    heights = metric_axis(results.metric, [trial.values[0] for trial in trials])
    figures = [
        Figure(
            f"slice_{index}_{''.join(c if c.isalnum() else '_' for c in name)}",
            short[name],
            f"{words} against {name}",
            _slice(results, [trial for trial in trials if name in trial.params], name, heights),
            height=230,
        )
        for index, name in enumerate(names)
    ]
    pruned = any(_is_pruned(trial) for trial in trials)
    hollow = "; hollow ones were pruned, and have the best that they reached" if pruned else ""
    of = "all trials, pruned ones too, of a choice" if pruned else "a choice"
    return Gallery(
        f"{upper_first(words)} against each parameter",
        f"A point is a trial{hollow}. The bars are the medians of {of}.",
        figures,
        Table(
            # The best of all might be a pruned trial's, which no other table calls the best.
            ["parameter", "value", "trials", "best complete" if pruned else "best", "median"],
            [row for name in names for row in _numbers(results, trials, name)],
            "By value",
        ),
    )


def _is_pruned(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs["state"] == "pruned")


def _choices(trials: Sequence[FrozenTrial], name: str) -> list[Any]:
    """The values in order, if they are few enough to be told apart; else empty."""
    values = sorted({trial.params[name] for trial in trials}, key=in_order)
    kinds = [trial.distributions[name] for trial in trials]
    if all(isinstance(kind, CategoricalDistribution) for kind in kinds):
        return values
    has_steps = all(getattr(kind, "step", None) for kind in kinds)
    return values if has_steps and len(values) <= MAX_CHOICES else []


def _slice(
    results: StudyResults, trials: Sequence[FrozenTrial], name: str, heights: dict[str, Any]
) -> go.Figure:
    choices = _choices(trials, name)
    pruned, complete = ([t for t in trials if _is_pruned(t) is wanted] for wanted in (True, False))
    traces = [
        *(_points(own, name, choices) for own in (pruned, complete) if own),
        *([_medians(trials, name, choices)] if choices else []),
    ]
    figure = plot(*traces, showlegend=False, margin={"l": 40, "r": 8, "t": 8, "b": 28})
    # The same heights in all of them, to be compared.
    figure.update_yaxes(heights, nticks=5)
    if choices:
        figure.update_xaxes(
            tickvals=list(range(len(choices))),
            ticktext=[broken(parameter_text(choice)) for choice in choices],
            tickangle=0,
            range=[-0.6, len(choices) - 0.4],
            showgrid=False,
        )
    elif any(getattr(trial.distributions[name], "log", False) for trial in trials):
        figure.update_xaxes(logarithmic([trial.params[name] for trial in trials], MAX_TICKS))
    return figure


def _points(trials: Sequence[FrozenTrial], name: str, choices: Sequence[Any]) -> go.Scatter:
    def place(index: int, value: Any) -> Any:
        if not choices:
            return value
        return choices.index(value) + SPREAD * (2 * (index * 0.618 % 1) - 1)

    is_pruned = _is_pruned(trials[0])
    return go.Scatter(
        x=[place(index, trial.params[name]) for index, trial in enumerate(trials)],
        y=[trial.values[0] for trial in trials],
        text=[
            f"trial {trial.user_attrs['number']}, {trial.user_attrs['state']}<br>"
            f"{name} {parameter_text(trial.params[name])}"
            for trial in trials
        ],
        mode="markers",
        marker={
            "color": colour("faint") if is_pruned else series(0),
            "symbol": "circle-open" if is_pruned else "circle",
            "size": 6,
        },
        hovertemplate="%{text}<br>%{y:.4f}<extra></extra>",
    )


def _medians(trials: Sequence[FrozenTrial], name: str, choices: Sequence[Any]) -> go.Scatter:
    """A bar across the points of each choice."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for index, choice in enumerate(choices):
        middle = median(trial.values[0] for trial in trials if trial.params[name] == choice)
        xs += [index - SPREAD - 0.1, index + SPREAD + 0.1, None]
        ys += [middle, middle, None]
    return go.Scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"color": colour("ink"), "width": 2},
        hovertemplate="median %{y:.4f}<extra></extra>",
    )


def _numbers(results: StudyResults, trials: Sequence[FrozenTrial], name: str) -> list[list[str]]:
    """Of each choice how many trials, the best and the median; of a range its best fifth."""
    own = [trial for trial in trials if name in trial.params]
    rows = []
    for choice in _choices(own, name):
        chosen = [trial for trial in own if trial.params[name] == choice]
        rows.append([name, parameter_text(choice), *_figures(results, chosen)])
    return rows or [_range_row(results, own, name)]


def _figures(results: StudyResults, trials: Sequence[FrozenTrial]) -> list[str]:
    """How many, the best of the complete ones, the median of all."""
    best = max if results.is_maximized else min
    complete = [trial.values[0] for trial in trials if not _is_pruned(trial)]
    middle = median(trial.values[0] for trial in trials)
    return [str(len(trials)), number(best(complete, default=None)), number(middle)]


def _range_row(results: StudyResults, trials: Sequence[FrozenTrial], name: str) -> list[str]:
    turn = -1 if results.is_maximized else 1
    ranked = sorted(trials, key=lambda trial: turn * trial.values[0])
    fifth = ranked[: max(len(ranked) // 5, 1)]
    ends = [parameter_text(end(trial.params[name] for trial in fifth)) for end in (min, max)]
    return [name, f"{ends[0]} to {ends[1]} in the best fifth", *_figures(results, fifth)]
