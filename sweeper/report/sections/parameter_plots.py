"""Optuna's parallel coordinates and slices, in the look of the report.

Both take the study with its pruned trials shown as complete, see
`sweeper.results.importance.study_with_pruned`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from sweeper.report.rendering.axes import log_axis, metric_axis, wrap_label
from sweeper.report.rendering.page import Figure, Gallery, Table
from sweeper.report.rendering.palette import SCALE, TEMPLATE, colour, series
from sweeper.results.formatting import metric_label, number, upper_first
from sweeper.results.importance import study_with_pruned
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.number_formats import parameter_text, parameters_text, short_names
from sweeper.study.outputs.trial_states import losses

# More lines than this hide each other.
MAX_LINES = 300
AXIS_WIDTH = 80
# How far points of the same choice lie apart, in the room between two choices.
SPREAD = 0.25
# A numeric parameter of more values than this has no median for each of them.
MAX_CHOICES = 12
MAX_TICKS = 4


def parallel_coordinates(
    results: StudyResults, study: optuna.Study, names: Sequence[str]
) -> Figure:
    """Every trial that has a value, the best in the strongest colour and on top."""
    # It imports matplotlib, which a start of the report needn't wait for.
    from optuna import visualization

    trials = sorted(
        study.get_trials(deepcopy=False),
        key=lambda trial: losses(trial.values, results.objectives),
    )
    drawn = trials[:MAX_LINES][::-1]
    label, short = metric_label(results.metric), short_names(names)
    stored = {trial.number: trial for trial in results.trials}
    figure = visualization.plot_parallel_coordinate(
        study_with_pruned(replace(results, trials=[stored[_number(trial)] for trial in drawn])),
        params=[name for name in names if any(name in trial.params for trial in drawn)],
        target=_first_value,
        target_name=label,
    )
    # Behind the lines of the trials comes one for the colour bar.
    figure.data = figure.data[: len(drawn)]
    for index, (line, trial) in enumerate(zip(figure.data, drawn, strict=True)):
        level = SCALE * index // len(drawn)
        line.update(
            line={"color": colour(f"scale-{level + 1}"), "width": 1 + 0.3 * level},
            opacity=1,
            customdata=None,
            text=f"<b>trial {_number(trial)}</b>: {number(_first_value(trial))}<br>"
            + parameters_text({k: v for k, v in trial.params.items() if k in short}, short).replace(
                ", ", "<br>"
            ),
            hovertemplate="%{text}<extra></extra>",
        )
    titles = [label, *(short[name] for name in sorted(names))]
    figure.update_layout(
        template=TEMPLATE, title=None, plot_bgcolor=None, showlegend=False,
        margin={"l": 12, "r": 12, "t": 64, "b": 12},
    )  # fmt: skip
    figure.update_xaxes(
        ticktext=list(map(wrap_label, titles)),
        range=[-0.45, len(titles) - 0.8],
        side="top",
        tickangle=0,
        fixedrange=True,
    )
    figure.update_shapes(line_color=colour("soft"))
    figure.update_annotations(
        font={"size": 11, "color": colour("soft")}, bgcolor=colour("page"), opacity=0.9
    )
    left_out = (
        f" The best {MAX_LINES:,} of {len(trials):,} trials." if len(trials) > MAX_LINES else ""
    )
    return Figure(
        "parallel_coordinates",
        f"Parameters and {label} of each trial",
        "A line is a trial; the stronger its colour, the better it is. Trials without a parameter "
        f"cross its axis at “None”.{left_out}",
        figure,
        height=440,
        min_width=AXIS_WIDTH * len(titles),
    )


def _first_value(trial: FrozenTrial) -> float:
    value: float = trial.values[0]
    return value


def _number(trial: FrozenTrial) -> int:
    """The number in the study itself."""
    stored: int = trial.user_attrs["number"]
    return stored


def _is_pruned(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs["state"] == "pruned")


def slices(results: StudyResults, study: optuna.Study, names: Sequence[str]) -> Gallery:
    """The first objective against each parameter by itself, in a small plot."""
    trials, short = study.get_trials(deepcopy=False), short_names(names)
    label = metric_label(results.metric)
    # The same heights in all of them, to be compared.
    heights = metric_axis(results.metric, [_first_value(trial) for trial in trials])
    figures = [
        Figure(
            f"slice_{index}_{''.join(c if c.isalnum() else '_' for c in name)}",
            short[name],
            f"{label} against {name}",
            _slice(study, name, label).update_yaxes(heights, nticks=5, title=None),
            height=230,
        )
        for index, name in enumerate(names)
    ]
    pruned = any(map(_is_pruned, trials))
    hollow = "; hollow ones were pruned, and have the best that they reached" if pruned else ""
    of = "all trials, pruned ones too, of a choice" if pruned else "a choice"
    return Gallery(
        f"{upper_first(label)} against each parameter",
        f"A point is a trial{hollow}. The bars are the medians of {of}.",
        figures,
        Table(
            # The best of all might be a pruned trial, which no other table calls the best.
            ["parameter", "value", "trials", "best complete" if pruned else "best", "median"],
            [row for name in names for row in _numbers(results, trials, name)],
            "By value",
        ),
    )


def _slice(study: optuna.Study, name: str, label: str) -> go.Figure:
    # It imports matplotlib, which a start of the report needn't wait for.
    from optuna import visualization

    trials = study.get_trials(deepcopy=False)
    figure = visualization.plot_slice(study, params=[name], target=_first_value, target_name=label)
    (points,) = figure.data
    # Optuna colours each point by the number of its trial.
    drawn = [trials[index] for index in points.marker.color]
    points.update(
        marker=None,
        text=[
            f"trial {_number(trial)}, {trial.user_attrs['state']}<br>"
            f"{name} {parameter_text(trial.params[name])}"
            for trial in drawn
        ],
        hovertemplate="%{text}<br>%{y:.4f}<extra></extra>",
    )
    points.marker = {
        "color": [colour("faint") if _is_pruned(trial) else series(0) for trial in drawn],
        "symbol": ["circle-open" if _is_pruned(trial) else "circle" for trial in drawn],
        "size": 6,
    }
    figure.update_layout(
        template=TEMPLATE, title=None, showlegend=False, margin={"l": 40, "r": 8, "t": 8, "b": 28}
    )
    figure.update_xaxes(title=None)
    choices = _choices(drawn, name)
    places: Sequence[Any] = choices
    if figure.layout.xaxis.type == "category":
        index_of = {repr(choice): index for index, choice in enumerate(choices)}
        places = range(len(choices))
        # Points of the same choice lie side by side, else they would hide each other.
        points.x = [
            index_of[x] + SPREAD * (2 * (index * 0.618 % 1) - 1) for index, x in enumerate(points.x)
        ]
        figure.update_xaxes(
            type="linear",
            tickvals=list(places),
            ticktext=[wrap_label(parameter_text(choice)) for choice in choices],
            tickangle=0,
            range=[-0.6, len(choices) - 0.4],
            showgrid=False,
        )
    elif figure.layout.xaxis.type == "log":
        figure.update_xaxes(log_axis([trial.params[name] for trial in drawn], MAX_TICKS))
    if choices:
        figure.add_scatter(
            x=list(places),
            y=[
                median(_first_value(trial) for trial in drawn if trial.params[name] == choice)
                for choice in choices
            ],
            mode="markers",
            marker={
                "symbol": "line-ew-open", "size": 26, "line": {"width": 2}, "color": colour("ink"),
            },
            hovertemplate="median %{y:.4f}<extra></extra>",
        )  # fmt: skip
    return figure


def _choices(trials: Sequence[FrozenTrial], name: str) -> list[Any]:
    """The values in order, if they are few enough to be told apart; else empty."""
    values = sorted({trial.params[name] for trial in trials}, key=_order)
    kinds = [trial.distributions[name] for trial in trials]
    if all(isinstance(kind, CategoricalDistribution) for kind in kinds):
        return values
    has_steps = all(getattr(kind, "step", None) for kind in kinds)
    return values if has_steps and len(values) <= MAX_CHOICES else []


def _order(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, before words by letters."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return not is_number, value if is_number else 0.0, str(value)


def _numbers(results: StudyResults, trials: Sequence[FrozenTrial], name: str) -> list[list[str]]:
    """Of each choice how many trials, the best and the median; of a range its best fifth."""
    own = [trial for trial in trials if name in trial.params]
    if choices := _choices(own, name):
        groups = {
            parameter_text(choice): [trial for trial in own if trial.params[name] == choice]
            for choice in choices
        }
    else:
        turn = -1 if results.is_maximized else 1
        own.sort(key=lambda trial: turn * _first_value(trial))
        fifth = own[: max(len(own) // 5, 1)]
        ends = [parameter_text(end(trial.params[name] for trial in fifth)) for end in (min, max)]
        groups = {f"{ends[0]} to {ends[1]} in the best fifth": fifth}
    best = max if results.is_maximized else min
    rows = []
    for text, group in groups.items():
        complete = [_first_value(trial) for trial in group if not _is_pruned(trial)]
        middle = median(map(_first_value, group))
        rows.append(
            [name, text, str(len(group)), number(best(complete, default=None)), number(middle)]
        )
    return rows
