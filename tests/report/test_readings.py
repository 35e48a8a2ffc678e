"""What seen-filtered metrics leave out is said wherever they stand."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from made_up_studies import StudyMaker, made_up_record
from rich.console import Console

from sweeper.report.rendering.markdown import markdown_of
from sweeper.report.report import page_of
from sweeper.results.loading import load_results
from sweeper.study.outputs.leaderboard_table import leaderboard_table

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

WORDS = {
    "temporal": "what the user had before the row",
    "random": "what the user has in the training rows",
}


@pytest.fixture(scope="module", params=["temporal", "random"])
def study(request, tmp_path_factory):
    """(split, results) of a study by a seen-filtered metric."""
    place = tmp_path_factory.mktemp("readings") / request.param
    maker = StudyMaker(place, seen_filtered_top_100="maximize")
    for value in (0.4, 0.3):
        record = made_up_record(
            [value - 0.1, value],
            overrides=[f"data.split={request.param}", "evaluation.metric=seen_filtered_top_100"],
        )
        maker.trial([value], record=record)
    return request.param, load_results(place)


def test_a_report_says_what_is_left_out(study, tmp_path: Path):
    split, results = study
    text = markdown_of(page_of([results]))
    (other,) = set(WORDS) - {split}
    # The protocol, the leaderboard's note and the curve's caption.
    assert f"Seen-filtered: {WORDS[split]} is never shown" in text
    assert text.count(f"Seen-filtered: without {WORDS[split]}.") == 2
    cell = {
        "temporal": "without those the user had before",
        "random": "without those of the user's training rows",
    }
    assert cell[split] in text
    assert WORDS[other] not in text
    assert cell[other] not in text


def test_the_studys_table_says_what_is_left_out(study):
    split, results = study
    console = Console(file=io.StringIO(), width=110)
    console.print(leaderboard_table(results.rows, results.objectives))
    line = f"seen-filtered metrics leave out {WORDS[split]}"
    assert line in console.file.getvalue().splitlines()
    # A result of an earlier version doesn't say it.
    for row in results.rows:
        row.result.pop("seen")
    console.print(leaderboard_table(results.rows, results.objectives))
    assert f"leave out {WORDS['random']}" in console.file.getvalue()
