"""Writes a report as one HTML file that needs nothing else, no network either."""

from __future__ import annotations

import html
import json
import re
import secrets
from functools import cache

import jinja2
import plotly.io
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from sweeper.report.rendering.page import Page
from sweeper.report.rendering.palette import DARK, LIGHT, values

LINK = re.compile(r"(?:<|\\u003c)(?=/?a\b)", re.IGNORECASE)
CODE, STRONG = re.compile(r"`([^`]+)`"), re.compile(r"\*\*([^*]+)\*\*")


def html_of(page: Page) -> str:
    """The whole document."""
    return _template().render(
        page=page,
        # No text of a study can know it: a script in such a text would not run.
        nonce=secrets.token_urlsafe(16),
        plots=Markup(_plots_json(page)),
        plotly=Markup(get_plotlyjs()),
        light=_css(LIGHT),
        dark=_css(DARK),
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sweeper.report.rendering"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"inline": inline, "breakable": breakable}
    return environment.get_template("report.html.j2")


def inline(text: str) -> Markup:
    """A text with its `code` and **strong** words, and nothing else, as markup."""
    escaped = html.escape(text, quote=False)
    escaped = CODE.sub(r"<code>\1</code>", escaped)
    return Markup(STRONG.sub(r"<strong>\1</strong>", escaped))


def breakable(name: str) -> Markup:
    """A name that may be broken after its underscores and dots, and nowhere else."""
    return Markup(re.sub(r"([_.])", r"\1<wbr>", html.escape(name)))


def _plots_json(page: Page) -> str:
    """Every plot's data and layout by its name, as JSON that can stand in a script element."""
    plots = [
        f"{json.dumps(name)}: {plotly.io.to_json(figure.plot, validate=False)}"
        for name, figure in page.figures.items()
    ]
    # Plotly makes a link of an <a> in a name; no other markup that it knows leads away.
    text = LINK.sub("&lt;", f"{{{', '.join(plots)}}}")
    return text.replace("<", "\\u003c")


def _css(palette: dict[str, str]) -> Markup:
    return Markup(" ".join(f"{name}: {value};" for name, value in values(palette).items()))
