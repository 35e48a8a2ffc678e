"""Accuracy against the depth and the width of the towers."""

from __future__ import annotations

from statistics import median

import plotly.graph_objects as go

from sweeper.report.analysis.grouping import layers_of
from sweeper.report.rendering.page import Figure, Section, Table, Text
from sweeper.report.rendering.palette import plot, scale
from sweeper.report.rendering.words import count, metric_words, number
from sweeper.report.sections.depth import depth_text
from sweeper.report.subject import Subject

# Values by (depth, width of the first layer) of the query tower.
Cells = dict[tuple[int, int], list[float]]


def architecture_section(subject: Subject) -> Section | None:
    """Whether depth helped, and the heat map; None where all towers are alike."""
    cells = cells_of(subject)
    if len(cells) < 2:
        return None
    text = depth_text(subject)
    helped = [Text(text, "lead")] if text else []
    return Section("architecture", "Depth and width", [*helped, depth_and_width(subject, cells)])


def cells_of(subject: Subject) -> Cells:
    cells: Cells = {}
    for row in subject.of_states("complete", "pruned"):
        record = subject.records.get(row.number)
        if record is None or not row.values:
            continue
        query, _ = layers_of(record.config)
        reached = (row.result.get("metrics") or {}).get(subject.metric, row.values[0])
        cells.setdefault((len(query), query[0] if query else 0), []).append(reached)
    return cells


def depth_and_width(subject: Subject, cells: Cells) -> Figure:
    """The best value of each depth and width, and of how many trials."""
    words, best = metric_words(subject.metric), max if subject.is_maximized else min
    figure = plot(_heat(subject, cells), x="width of the first layer", y="layers")
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False)
    rows = [
        [str(depth), _width(width), str(len(own)), number(best(own)), number(median(own))]
        for (depth, width), own in sorted(cells.items())
    ]
    pruned = any(row.state == "pruned" for row in subject.rows)
    return Figure(
        "depth_and_width",
        f"The best {words} by depth and width",
        "A cell is the best of the trials with so many layers, the first of that width"
        f"{'; pruned ones count with the best that they reached' if pruned else ''}. A cell of "
        "many trials has had more chances.",
        figure,
        Table(["layers", "width", "trials", "best", "median"], rows, "By depth and width"),
        height=110 + 76 * len({depth for depth, _ in cells}),
    )


def _width(width: int) -> str:
    return str(width) if width else "none"


def _heat(subject: Subject, cells: Cells) -> go.Heatmap:
    depths = sorted({depth for depth, _ in cells})
    widths = sorted({width for _, width in cells})
    best = max if subject.is_maximized else min
    own = [[cells.get((depth, width), []) for width in widths] for depth in depths]
    return go.Heatmap(
        z=[[best(values) if values else None for values in line] for line in own],
        x=[_width(width) for width in widths],
        y=[str(depth) for depth in depths],
        text=[
            [_cell_text(best(values), values) if values else "" for values in line] for line in own
        ],
        texttemplate="%{text}",
        customdata=[[len(values) for values in line] for line in own],
        colorscale=scale(),
        reversescale=not subject.is_maximized,
        xgap=3,
        ygap=3,
        showscale=False,
        hoverongaps=False,
        hovertemplate="depth %{y}, width %{x}: %{z:.4f}<br>%{customdata} trials<extra></extra>",
    )


def _cell_text(best: float, values: list[float]) -> str:
    return f"<b>{number(best)}</b><br>{count(len(values), 'trial')}"
