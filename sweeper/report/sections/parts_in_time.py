"""Accuracy by the length of the history and by the age of the training, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import plotly.graph_objects as go

from sweeper.report.rendering.page import Block, Figure, Table, Text
from sweeper.report.rendering.palette import plot, series
from sweeper.results.formatting import count, metric_label, number
from sweeper.results.scored_rows import Decile, Segment
from sweeper.two_tower.evaluation.row_parts import HISTORY_LENGTH, TIME_SINCE_TRAINING, Parts

# How many are shown beside the model; more lines would hide each other.
OTHER_LINES = 3

PLOTS = (
    (
        HISTORY_LENGTH,
        "by_history_length",
        "By length of history",
        "by how many rows their user had before them",
    ),
    (
        TIME_SINCE_TRAINING,
        "by_time_since_training",
        "By time since training",
        "by how long after the last training row they are",
    ),
)
NOTE = (
    "In brackets: the 95 % interval of these very models, had other users been asked; none where "
    "all rows are of one user."
)


def parts_in_time(
    found: Callable[[Parts], Sequence[Segment]], metric: str, rows: str
) -> Iterator[Block]:
    """A plot for each way to split the rows; a sentence if all rows are in one part.

    Nothing where it isn't known in which parts the rows are.

    Args:
      found: gives the rows' parts, with the accuracies of whom they are about, the first
        foremost.
      metric: of the accuracies.
      rows: which rows, in words.
    """
    for parts, name, title, by in PLOTS:
        each = found(parts)
        if len(each) == 1:
            yield Text(f"All of {rows} ({each[0].rows:,}) are {parts.words[each[0].name]}.")
        elif each:
            yield _figure(each, parts, name, title, f"{rows}, {by}", metric)


def lines_shown(parts: Sequence[Segment] | Sequence[Decile]) -> list[str]:
    """The names that a plot shows: the first one, and the best others."""
    first, *others = parts[0].accuracies

    def overall(name: str) -> float:
        return sum(part.rows * part.accuracies[name] for part in parts)

    best = sorted(others, key=overall, reverse=True)[:OTHER_LINES]
    return [first, *(name for name in others if name in best)]


def _figure(
    parts: Sequence[Segment], of: Parts, name: str, title: str, rows: str, metric: str
) -> Figure:
    labels = [of.words[part.name] for part in parts]
    shown = lines_shown(parts)
    traces = [
        go.Scatter(
            x=labels,
            y=[part.accuracies[each] for part in parts],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_margins(part, each)[1] for part in parts],
                "arrayminus": [_margins(part, each)[0] for part in parts],
                "thickness": 1.5,
                "width": 4,
            },
            mode="markers",
            marker={"size": 9, "color": series(index)},
            name=each,
        )
        for index, each in enumerate(shown)
    ]
    figure = plot(*traces, y=metric_label(metric), scattermode="group")
    figure.update_xaxes(type="category")
    figure.update_yaxes(rangemode="tozero")
    left_out = len(parts[0].accuracies) - len(shown)
    more = f" The numbers below have {left_out} more." if left_out else ""
    return Figure(
        name,
        title,
        f"{rows[:1].upper()}{rows[1:]}; bars are 95 % intervals, had other users been asked.{more}",
        figure,
        _numbers(parts, labels),
    )


def _margins(part: Segment, name: str) -> tuple[float, float]:
    """How far the interval goes below and above the accuracy."""
    value = part.accuracies[name]
    low, high = part.intervals.get(name) or (value, value)
    return value - low, high - value


def _numbers(parts: Sequence[Segment], labels: Sequence[str]) -> Table:
    headers = [
        f"{label} ({count(part.rows, 'row')})" for label, part in zip(labels, parts, strict=True)
    ]
    return Table(
        ["", *headers],
        [[name, *(_cell(part, name) for part in parts)] for name in parts[0].accuracies],
        strong=frozenset({0}),
        note=NOTE,
    )


def _cell(part: Segment, name: str) -> str:
    interval = part.intervals.get(name)
    within = f" ({' to '.join(map(number, interval))})" if interval else ""
    return f"{number(part.accuracies[name])}{within}"
