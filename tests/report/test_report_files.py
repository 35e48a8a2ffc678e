"""The files: HTML that is well-formed and needs nothing else, Markdown, colours, JSON."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest
from made_up_studies import StudyMaker, made_up_record
from plotly.offline import get_plotlyjs

from sweeper.report.rendering.html import html_of
from sweeper.report.rendering.markdown import markdown_of
from sweeper.report.rendering.page import Code, Figure, Gallery, Page, Section, Table, Text
from sweeper.report.rendering.palette import DARK, LIGHT, in_colours, plot, series, values
from sweeper.report.report import page_of
from sweeper.results.loading import load_results

VOID = {"meta", "link", "wbr", "br", "circle", "path"}


class Elements(HTMLParser):
    """The elements of a document; fails where one is closed that isn't open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


@pytest.fixture(scope="module")
def document(searched_study) -> str:
    return html_of(page_of([load_results(searched_study)]))


def test_the_page_is_well_formed(document):
    elements = Elements(document)
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {a["href"][1:] for tag, a in elements.found if tag == "a"}
    assert anchors <= set(ids)
    assert {"question", "leaderboard", "curves"} <= anchors


def test_the_page_loads_nothing(document):
    elements = Elements(document).found
    for tag, attributes in elements:
        assert "src" not in attributes, (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
        if tag == "link":
            assert attributes["href"] == "data:,"
    assert get_plotlyjs() in document
    rest = document.replace(get_plotlyjs(), "")
    assert not re.search("https?:", rest)
    assert "@import" not in rest
    assert "url(" not in rest


def test_a_plot_has_its_place_and_its_data(document, searched_study):
    (data,) = re.findall(r'<script type="application/json" id="plots">(.*?)</script>', document)
    plots = json.loads(data)
    places = [a["data-plot"] for _, a in Elements(document).found if "data-plot" in a]
    assert list(plots) == places
    assert {"validation_curves", "optimization_history", "parameter_importance",
            "parallel_coordinates", "depth_and_width", "epochs_trained", "stages",
            "timeline"} <= set(places)  # fmt: skip
    used = set(re.findall(r"var\((--[\w-]+)\)", data))
    assert used <= values(LIGHT).keys()
    assert values(LIGHT).keys() == values(DARK).keys()


NASTY = "</script><b>&'\"|`**x**`"


def nasty_page() -> Page:
    figure = Figure("plot", NASTY, NASTY, plot(go.Scatter(x=[1, 2], y=[1, 2], name=NASTY)))
    table = Table([NASTY, "n"], [[NASTY, "1"]], NASTY, note=NASTY)
    blocks = [Text(NASTY), table, Code(NASTY, "sh"), Code(NASTY, "sh", NASTY), figure]
    gallery = Gallery(NASTY, NASTY, [Figure("small", NASTY, NASTY, figure.plot)], table)
    return Page(NASTY, NASTY, [Section("a", NASTY, [*blocks, gallery])], problems=[NASTY] * 9)


def test_names_are_no_markup():
    document = html_of(nasty_page())
    elements = Elements(document)
    assert not any(tag == "b" for tag, _ in elements.found)
    (data,) = re.findall(r'<script type="application/json" id="plots">(.*?)</script>', document)
    assert json.loads(data)["plot"]["data"][0]["name"] == NASTY
    text = markdown_of(nasty_page())
    assert not re.search(r"<[A-Za-z/!?]", re.sub(r"(`{3,}).*?\n(.*?)\n\1", "", text, flags=re.S))
    lines = text.splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert rows
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_markdown_has_no_link_and_no_end_of_code_of_data():
    text = "[x](javascript:alert(1)) <javascript:alert(1)> ```` <b>"
    page = Page(text, text, [Section("a", text, [Text(text), Code(text, "sh")])], problems=[text])
    lines = markdown_of(page).splitlines()
    fences = [index for index, line in enumerate(lines) if line.startswith("`````")]
    assert len(fences) == 2
    assert lines[fences[0] + 1 : fences[1]] == [text]
    outside = "\n".join(lines[: fences[0]] + lines[fences[1] + 1 :])
    assert "](" not in outside
    assert "<b>" not in outside
    assert "<javascript" not in outside


def test_numbers_are_set_flush_right():
    rows = [
        ["1", "0.4516 ± 0.0121", "5 min 4 s", "<1 %", "0.3000 ▾", "1,234", "–", "a 1", "1 to"],
        ["–", "−0.1", "1.2e-06", "37 %", "", "5:40", "–", "1", "1"],
    ]
    table = Table([str(index) for index in range(9)], rows)
    assert table.numeric == [True, True, False, True, True, True, True, False, False]


def test_intervals_are_set_as_numbers_are():
    """Which are never broken, in a table however narrow."""
    rows = [["0.4401 to 0.4512", "−0.0242 to +0.0005"], ["–", "−0.1 to −0.05"]]
    table = Table(["95 % interval", "bootstrap over users"], rows)
    assert table.numeric == [True, True]
    page = Page("t", "", [Section("a", "", [table])])
    assert '<td class="number">0.4401 to 0.4512</td>' in html_of(page)


def test_a_plot_in_a_notebook_has_real_colours():
    figure = plot(go.Scatter(x=[1], y=[2], line={"color": series(0)}, fillcolor=series(1, "band")))
    light, dark = in_colours(figure, LIGHT), in_colours(figure, DARK)
    assert light.data[0].line.color == LIGHT["series-1"]
    assert dark.data[0].line.color == DARK["series-1"]
    assert light.data[0].fillcolor == "rgba(213,94,0,0.18)"
    assert "var(" not in light.to_json()
    assert figure.data[0].line.color == "var(--series-1)"


def test_the_markdown_has_the_numbers_of_the_plots(tmp_path):
    maker = StudyMaker(tmp_path)
    for number in range(3):
        record = made_up_record(
            [0.3, 0.31 + number / 100], overrides=[f"model.layer_sizes=[{32 * (number + 1)}]"]
        )
        maker.trial([0.31 + number / 100], record=record)
    text = markdown_of(page_of([load_results(tmp_path)]))
    assert "### Top-100 accuracy on validation rows, by epoch" in text
    assert "| 96 | 1 | 0 | 0.3300 | 0.3300 | 4 | 0.3300 |" in text
    assert "| 1 | 96 | 1 | 0.3300 | 0.3300 |" in text
    assert "<" not in text.replace("<1 %", "")
