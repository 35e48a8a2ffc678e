"""The page in a real browser: opened from its file, on a screen and on a phone, in both themes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from made_up_studies import DISTRIBUTIONS, StudyMaker, made_up_record
from optuna.distributions import CategoricalDistribution

from sweeper.report.__main__ import main
from sweeper.two_tower import record as records

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SCREEN = {"viewport": {"width": 1280, "height": 900}}
SECONDS = 60
# What a study, a title or a path may be called by someone who means harm.
HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    "<img src=http://localhost:9/x onerror='window.hacked = 1'>",
    "\"'><svg onload=window.hacked=1>",
    "<a href='javascript:window.hacked=1'>x</a>",
    "<a href='http://localhost:9/'>y</a>",
    "]]>--></style><iframe src=javascript:parent.hacked=1>",
    "{{ 7 * 7 }} ${window.hacked=1} `code` **strong** \u2028",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; where CI lacks it, that is a failure, elsewhere a reason to skip."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None or not _has_playwright():
        lacking = "needs Chromium and playwright (pip install -c constraints.txt -e '.[test]')"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lacking)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def _has_playwright() -> bool:
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return False
    return True


@patch.dict(DISTRIBUTIONS, {"shared": CategoricalDistribution(HOSTILE)})
def make_nasty(directory: Path) -> None:
    """A study whose every name and text means harm."""
    nasty = StudyMaker(directory, name=HOSTILE[0])
    for number, text in enumerate(HOSTILE):
        record = made_up_record([0.2, 0.3 + number / 100])
        record.command, record.git_commit, record.reason = ["python", text], text, text
        record.data |= {"source": text, "fingerprint": text}
        record.machine, record.versions = {"system": text, text: text}, {text: text}
        record.config |= {"name": text}
        record.config["optimizer"]["options"] = {text: text}
        nasty.trial(
            [0.2, 0.3 + number / 100], ["complete", "pruned"][number == 1], record=record,
            params={text: text, "shared": text, "model.dropout": number % 5 / 10},
            reason=text, overrides=[f"name={text}"],
        )  # fmt: skip


@pytest.fixture(scope="module")
def pages(searched_study, tmp_path_factory) -> dict[str, Path]:
    """A report of each kind."""
    place = tmp_path_factory.mktemp("pages")
    several = StudyMaker(place / "several", top_100="maximize", num_parameters="minimize")
    for top, parameters in [(0.4, 1000), (0.45, 90_000), (0.2, 500)]:
        several.trial([top, top], params={"model": "one_layer"}, objectives=[top, parameters])
    records.write(place / "run", made_up_record([0.3, 0.4, 0.35]))
    make_nasty(place / "nasty")
    seeds = StudyMaker(place / "seeds")
    for number in range(4):
        params = {"model.dropout": number // 2 / 10, "data.split_seed": number % 2}
        seeds.trial([0.3, 0.4 + number**2 / 100], params=params)
    studies = {
        "nasty": [place / "nasty"],
        "two nasty": [place / "nasty", place / "run"],
        "study": [searched_study],
        "several": [place / "several"],
        "run": [place / "run"],
        "seeds": [place / "seeds"],
        "comparison": [searched_study, place / "run", place / "nowhere"],
    }
    for name, directories in studies.items():
        main([*map(str, directories), "--output", str(place / f"{name}.html")])
    return {name: place / f"{name}.html" for name in studies}


class Opened:
    """A page that has drawn all its plots, and what it complained of and asked for."""

    def __init__(self, context, path: Path) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn=all]", timeout=1000 * SECONDS)

    def ask(self, script: str):
        return self.page.evaluate(script)

    def wait(self, condition: str) -> None:
        """Until it holds; the page's policy lets no one evaluate text within it."""
        deadline = time.monotonic() + SECONDS
        while not self.ask(condition):
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)


@pytest.fixture
def opened(browser, pages) -> Iterator:
    """Opens a report: (name, theme, device) -> `Opened`."""
    contexts = []

    def open_it(name: str, theme: str, device: dict) -> Opened:
        contexts.append(browser.new_context(color_scheme=theme, **device))
        return Opened(contexts[-1], pages[name])

    yield open_it
    for context in contexts:
        context.close()


UNDRAWN = """() => [...document.querySelectorAll("[data-plot]")].filter((box) => {
  const drawing = box.querySelector("svg.main-svg, canvas");
  const size = drawing && drawing.getBoundingClientRect();
  const marks = box.querySelectorAll("path.js-line, path.point, .bars path, .hm image");
  return !size || size.width < 50 || size.height < 50 || !marks.length;
}).map((box) => box.dataset.plot)"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("device", [SCREEN, PHONE], ids=["screen", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["study", "several", "run", "comparison"])
def test_every_plot_is_drawn_and_nothing_is_wrong(opened, pages, name, theme, device):
    report = opened(name, theme, device)
    assert report.complaints == []
    assert report.requests == [pages[name].as_uri()]
    assert report.ask("document.querySelectorAll('[data-plot]').length") >= 3
    assert report.ask(UNDRAWN) == []
    assert report.ask(WIDER) <= 0


# Each interval's text, and on how many lines it stands.
INTERVALS = """() => [...document.querySelectorAll("td")]
  .filter((cell) => / to [-+−]?\\d/.test(cell.textContent))
  .map((cell) => {
    const text = document.createRange();
    text.selectNodeContents(cell);
    return [cell.textContent, new Set([...text.getClientRects()].map((line) => line.top)).size];
  })"""


def test_an_interval_stands_on_one_line_however_narrow_the_screen(opened):
    found = opened("seeds", "light", PHONE).ask(INTERVALS)
    assert len(found) >= 3
    assert {lines for _, lines in found} == {1}, found


@pytest.mark.parametrize("name", ["nasty", "two nasty"])
def test_nothing_that_data_says_runs_or_is_asked_for(opened, pages, name):
    report = opened(name, "light", SCREEN)
    assert report.complaints == []
    assert report.requests == [pages[name].as_uri()]
    assert report.ask("window.hacked === undefined")
    strange = "main iframe, main img, main script, [onload], [onerror], a[href^='javascript' i]"
    assert report.ask(f'document.querySelectorAll("{strange}").length') == 0
    # In the text, that is.
    assert report.ask("document.body.textContent.includes('window.hacked = 1')")
    hrefs = report.ask(
        "[...document.querySelectorAll('a')].map("
        "(a) => a.getAttribute('href') || a.getAttribute('xlink:href') || '#')"
    )
    assert all(href.startswith("#") for href in hrefs), hrefs


def test_a_script_that_got_into_the_page_would_not_run(opened):
    report = opened("run", "light", SCREEN)
    report.ask(
        "() => { const script = document.createElement('script');"
        " script.textContent = 'window.hacked = 1'; document.body.append(script);"
        " const image = document.createElement('img'); image.src = 'http://localhost:9/x';"
        " document.body.append(image); }"
    )
    report.page.wait_for_timeout(300)
    assert report.ask("window.hacked === undefined")
    assert len([line for line in report.complaints if "Content Security Policy" in line]) == 2


INK = "getComputedStyle(document.querySelector('.xtick text')).fill"
GROUND = "getComputedStyle(document.body).backgroundColor"


def test_the_button_changes_the_theme_of_page_and_plots(opened):
    report = opened("run", "light", SCREEN)
    light = [report.ask(INK), report.ask(GROUND)]
    assert light == ["rgb(90, 96, 104)", "rgb(255, 255, 255)"]
    report.page.click("#theme")
    report.wait(f"{INK} === 'rgb(164, 170, 177)'")
    assert report.ask(GROUND) == "rgb(21, 24, 27)"
    report.page.click("#theme")
    report.wait(f"{INK} === 'rgb(90, 96, 104)'")
    assert report.complaints == []


def test_the_theme_follows_the_system_until_it_is_chosen(opened):
    report = opened("run", "dark", SCREEN)
    assert report.ask(INK) == "rgb(164, 170, 177)"
    report.page.emulate_media(color_scheme="light")
    report.wait(f"{INK} === 'rgb(90, 96, 104)'")
    report.page.click("#theme")
    report.page.emulate_media(color_scheme="light")
    report.wait(f"{INK} === 'rgb(164, 170, 177)'")


def test_paper_is_light_and_has_the_numbers(opened):
    report = opened("run", "dark", SCREEN)
    assert report.ask("document.querySelector('details.numbers').open") is False
    report.page.emulate_media(media="print")
    report.ask("dispatchEvent(new Event('beforeprint'))")
    assert report.ask("document.querySelector('details.numbers').open") is True
    report.wait(f"{INK} === 'rgb(90, 96, 104)'")
    assert report.ask(GROUND) == "rgb(255, 255, 255)"


def test_nothing_jumps_while_the_plots_are_drawn(browser, pages):
    page = browser.new_context(**SCREEN).new_page()
    page.add_init_script(
        "window.jumps = 0; new PerformanceObserver((list) => {"
        " for (const entry of list.getEntries()) window.jumps += entry.value;"
        "}).observe({type: 'layout-shift', buffered: true});"
    )
    page.goto(pages["study"].as_uri())
    page.wait_for_selector("html[data-drawn=all]", timeout=1000 * SECONDS)
    assert page.evaluate("window.jumps") < 0.01
    page.context.close()
