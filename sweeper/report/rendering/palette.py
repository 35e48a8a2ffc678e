"""The colours of a report, light and dark, and the look that all its plots share.

A plot names its colours as CSS variables, `var(--series-1)`: the page gives them the
values of its theme. Blue, vermilion, green and purple, as Okabe and Ito chose them, stay
apart for the colour-blind; the scale gets darker on light ground and lighter on dark.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

SERIES = 7
SCALE = 5

LIGHT = {
    "page": "#ffffff",
    "surface": "#f6f6f3",
    "ink": "#1c1e21",
    "soft": "#5a6068",
    "line": "#dfdfd9",
    "accent": "#0b5fa5",
    "warn": "#a33b00",
    "warn-surface": "#fdf3ec",
    "faint": "#b9bcc0",
    "series-1": "#0072b2",
    "series-2": "#d55e00",
    "series-3": "#009e73",
    "series-4": "#a8579c",
    "series-5": "#b98300",
    "series-6": "#4aa3d8",
    "series-7": "#6d6257",
    "scale-1": "#dbe7f0",
    "scale-2": "#a9c9e0",
    "scale-3": "#6ba3cb",
    "scale-4": "#2f78ae",
    "scale-5": "#0b4a7f",
}
DARK = {
    "page": "#15181b",
    "surface": "#1e2226",
    "ink": "#e9e8e4",
    "soft": "#a4aab1",
    "line": "#343a40",
    "accent": "#74b8f0",
    "warn": "#f6a671",
    "warn-surface": "#2e241d",
    "faint": "#5a6168",
    "series-1": "#4ca9e6",
    "series-2": "#f0874a",
    "series-3": "#34c296",
    "series-4": "#d792cb",
    "series-5": "#e3b541",
    "series-6": "#9fd4f5",
    "series-7": "#b5a899",
    "scale-1": "#253541",
    "scale-2": "#2c4f69",
    "scale-3": "#3a779f",
    "scale-4": "#62a8d6",
    "scale-5": "#b4dcf7",
}
# The opacity of the area around the mean of a series, and of what is drawn behind it.
SHADES = {"band": 0.18, "thin": 0.38}
CLEAR = "rgba(0,0,0,0)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def colour(name: str) -> str:
    """A colour of the palette, as a plot names it."""
    return f"var(--{name})"


def series(index: int, shade: str = "") -> str:
    """The colour of the series of this index, from 0; `shade`: one of `SHADES`."""
    return colour(f"series-{index % SERIES + 1}" + (f"-{shade}" if shade else ""))


def scale() -> list[tuple[float, str]]:
    """The colour scale in Plotly's form, from low to high."""
    return [(index / (SCALE - 1), colour(f"scale-{index + 1}")) for index in range(SCALE)]


def values(palette: dict[str, str]) -> dict[str, str]:
    """Every colour of a palette by its CSS variable, the shades of the series included."""
    shades = {
        f"series-{index}-{shade}": _with_alpha(palette[f"series-{index}"], alpha)
        for index in range(1, SERIES + 1)
        for shade, alpha in SHADES.items()
    }
    return {f"--{name}": value for name, value in {**palette, **shades}.items()}


def _with_alpha(hexadecimal: str, alpha: float) -> str:
    red, green, blue = (int(hexadecimal[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def _axis() -> dict[str, Any]:
    return {
        "gridcolor": colour("line"),
        "linecolor": colour("line"),
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "title": {"standoff": 10, "font": {"size": 13, "color": colour("soft")}},
        "tickfont": {"size": 12, "color": colour("soft")},
    }


TEMPLATE = go.layout.Template(
    layout={
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"family": FONT, "size": 13, "color": colour("ink")},
        "colorway": [series(index) for index in range(SERIES)],
        "margin": {"l": 48, "r": 16, "t": 16, "b": 44},
        "xaxis": _axis(),
        "yaxis": _axis(),
        "hoverlabel": {
            "bgcolor": colour("surface"),
            "bordercolor": colour("line"),
            "font": {"family": FONT, "size": 13, "color": colour("ink")},
            "align": "left",
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12, "color": colour("ink")},
            "bgcolor": CLEAR,
        },
        "hovermode": "closest",
        "bargap": 0.35,
    }
)


def plot(*traces: Any, x: str | None = None, y: str | None = None, **layout: Any) -> go.Figure:
    """A plot in the look of the report; `x` and `y` are the titles of its axes."""
    figure = go.Figure(data=list(traces))
    figure.update_layout(template=TEMPLATE, xaxis_title_text=x, yaxis_title_text=y, **layout)
    return figure


def in_colours(figure: go.Figure, palette: dict[str, str]) -> go.Figure:
    """A copy of the plot with the palette's values, for where there is no page around it."""
    found = {f"var({name})": value for name, value in values(palette).items()}
    return go.Figure(_replaced(figure.to_plotly_json(), found))


def _replaced(node: Any, found: dict[str, str]) -> Any:
    if isinstance(node, str):
        return found.get(node, node)
    if isinstance(node, dict):
        return {key: _replaced(value, found) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_replaced(value, found) for value in node]
    return node
