"""The sections on a confirmation: sentences, tables and figures, by hand from made-up runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_confirmations import made_up_confirmation

from sweeper.report.comparison import StudyComparison
from sweeper.report.confirmed import (
    are_comparable,
    confirmed_of,
    confirmed_significance,
)
from sweeper.report.rendering.page import Figure, Table, Text
from sweeper.report.sections.answer import answer_section
from sweeper.report.sections.confirmation import confirmation_section
from sweeper.report.sections.segments import segments_section
from sweeper.results.confirmation import ConfirmationResults
from sweeper.results.confirmation_loading import load_confirmation
from sweeper.results.confirmation_text import configuration_label, confirmed_text
from sweeper.results.statistics import Comparison
from sweeper.results.study_results import StudyResults
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row
from sweeper.two_tower.record import TrialRecord

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def results_of(tmp_path, confirmation: ConfirmationResults | None) -> StudyResults:
    rows = [Row(7, "complete", 1, values=[0.9], result={"metrics": {"top_100": 0.9}})]
    return StudyResults(tmp_path, "s", [ObjectiveConfig()], rows, confirmation=confirmation)


@pytest.fixture
def confirmation(tmp_path) -> ConfirmationResults:
    made_up_confirmation(tmp_path)
    found, _ = load_confirmation(tmp_path, 7)
    assert found is not None
    return found


def compared(difference: float, p_value: float, adjusted: float | None = None) -> Comparison:
    return Comparison(
        difference, 0.1, 4.0, -0.1, 0.1, p_value, 0.5, 0.7, seeds=2, adjusted_p_value=adjusted
    )


@pytest.mark.parametrize(
    ("comparison", "word"),
    [
        (compared(0.1, 0.01), "worse"),
        (compared(-0.1, 0.01), "better"),
        (compared(0.1, 0.2), "not distinguishable"),
        (compared(0.1, 0.01, adjusted=0.06), "not distinguishable"),
    ],
)
def test_a_difference_counts_by_the_adjusted_p_value(comparison, word):
    assert comparison.verdict == word


def test_names_in_words():
    names = ["trial_7_without_timestamp", "ease", "popularity", "tutorial_three_layer"]
    assert [configuration_label(name) for name in names] == [
        "trial 7 without timestamp", "EASE", "popularity", "tutorial_three_layer",
    ]  # fmt: skip


def test_the_section_of_a_confirmation(tmp_path, confirmation):
    section = confirmation_section(results_of(tmp_path, confirmation))
    assert section is not None
    lead, best_baseline, which, figures, luck = section.blocks[:5]
    assert lead == Text(confirmed_text(results_of(tmp_path, confirmation), confirmation), "lead")
    # Of the four rows, 3 and 4 were hit.
    assert lead.text.startswith("Trial 7 has **0.8750 top-100 accuracy** on the study's own test")
    assert "can't be told apart from reference and popularity" in lead.text
    assert best_baseline.text.startswith("The best of the baselines is popularity with 0.5000.")
    assert "with 2 fresh training seeds" in which.text
    assert "The 1 fresh split is another draw; part of its test rows" in which.text
    assert isinstance(figures, Table)
    assert figures.columns[1:4] == [
        "top-100, in the search", "top-100, own test rows", "top-100, fresh splits",
    ]  # fmt: skip
    assert figures.rows[0][:4] == ["trial 7", "0.9000", "0.8750 ± 0.1768", "0.5000"]
    assert [row[-1] for row in figures.rows] == ["–", *["not distinguishable"] * 2]
    # The winner's curse.
    assert "In the search it had 0.9000, the maximum of many, on validation rows" in luck.text
    assert "own test rows it has 0.8750, on fresh splits it has 0.5000" in luck.text
    assert "made no choice by the study's own test rows;" in which.text
    assert "With fewer than 4 seeds differences are called real too soon" in which.text
    titles = [block.title for block in section.blocks if isinstance(block, Table | Figure)]
    assert "Against trial 7, on the study's own test rows" in titles


def test_a_bootstrap_over_users_stands_beside_the_test(tmp_path, confirmation):
    section = confirmation_section(results_of(tmp_path, confirmation))
    own, fresh = (
        block for block in section.blocks if isinstance(block, Table) and "Against" in block.title
    )
    assert "bootstrap over users" in own.columns
    assert "bootstrap over users" not in fresh.columns
    column = own.columns.index("bootstrap over users")
    low, high = confirmation.compared("top_100")["reference"].bootstrap_interval
    assert own.rows[0][column] == f"−{high:.4f} to {'+' if low <= 0 else '−'}{abs(low):.4f}"


def test_a_study_that_has_gone_on_says_whom_it_confirms(tmp_path, confirmation):
    results = results_of(tmp_path, confirmation)
    results.rows.insert(
        0, Row(9, "complete", 1, values=[0.95], result={"metrics": {"top_100": 0.95}})
    )
    texts = [
        block.text for block in confirmation_section(results).blocks if isinstance(block, Text)
    ]
    assert "**This confirms trial 7, which was the best then; now trial 9 is.**" in texts[1]
    assert any("In the search it had 0.9000 on validation rows" in text for text in texts)
    answer = [
        block.text
        for block in answer_section(StudyComparison([results])).blocks
        if isinstance(block, Text)
    ]
    assert answer[1] == texts[1]


def test_a_study_that_goes_by_another_accuracy_is_confirmed_by_that(tmp_path, confirmation):
    results = results_of(tmp_path, confirmation)
    result = {"metrics": {"top_100": 0.2, "seen_filtered_top_100": 0.7}}
    rows = [Row(7, "complete", 1, values=[0.7], result=result)]
    results = replace(results, rows=rows, objectives=[ObjectiveConfig("seen_filtered_top_100")])
    section = confirmation_section(results)
    assert section.blocks[0].text.startswith(
        "Trial 7 has **1.0000 seen-filtered top-100 accuracy**"
    )
    assert any(
        "In the search it had 0.7000, the maximum of many" in block.text
        for block in section.blocks
        if isinstance(block, Text)
    )
    figures = next(block for block in section.blocks if isinstance(block, Table))
    assert figures.columns[1] == "seen-filtered top-100, in the search"
    assert figures.columns[4] == "top-100, own test rows"
    # By what is no accuracy, or is to be low, there is nothing to confirm but the usual one.
    results = replace(results, objectives=[ObjectiveConfig("train_seconds", "minimize")])
    assert "top-100 accuracy" in confirmation_section(results).blocks[0].text
    luck = [b.text for b in confirmation_section(results).blocks if isinstance(b, Text)]
    assert any("In the search it had 0.2000 on validation rows" in text for text in luck)


def test_the_figures_of_a_study_that_goes_by_another_k_are_of_that_k(tmp_path, confirmation):
    results = replace(results_of(tmp_path, confirmation), objectives=[ObjectiveConfig("top_5")])
    figures = next(
        block for block in confirmation_section(results).blocks if isinstance(block, Table)
    )
    assert figures.columns[1:-1] == [
        "top-5, in the search", "top-5, own test rows", "top-5, fresh splits",
        "seen-filtered top-5, own test rows", "seen-filtered top-5, fresh splits",
    ]  # fmt: skip
    # Of the four rows one is hit; seen-filtered, all of the first seed's and of the second's.
    assert figures.rows[0][2:6] == ["0.2500 ± 0.0000", "0.2500", "1.0000 ± 0.0000", "0.5000"]


def test_the_section_of_where_it_is_right(tmp_path, confirmation):
    section = segments_section(results_of(tmp_path, confirmation))
    assert section is not None
    names = [block.name for block in section.blocks if isinstance(block, Figure)]
    assert names == ["by_item", "by_user"]
    *_, coverage = section.blocks
    assert coverage.rows == [
        ["trial 7", "60.0 %"],
        ["reference", "70.0 %"],
        ["popularity", "6.0 %"],
    ]


@pytest.mark.parametrize(("candidates", "is_told"), [(100, False), (101, True)])
def test_coverage_is_told_of_a_catalogue_that_a_list_does_not_exhaust(
    tmp_path, confirmation, candidates, is_told
):
    record = TrialRecord({"evaluation": {"split": "validation"}}, data={"candidates": candidates})
    results = replace(results_of(tmp_path, confirmation), records={7: record})
    *_, last = segments_section(results).blocks
    assert (isinstance(last, Table) and "catalogue coverage" in last.columns) == is_told


def test_a_study_that_was_not_confirmed_has_neither(tmp_path):
    assert confirmation_section(results_of(tmp_path, None)) is None
    assert segments_section(results_of(tmp_path, None)) is None


def test_a_confirmation_that_has_just_begun_says_so(tmp_path, confirmation):
    begun = ConfirmationResults(confirmation.directory, confirmation.names, [], own_split=42)
    section = confirmation_section(results_of(tmp_path, begun))
    assert [block.text for block in section.blocks] == [
        "No seed of the confirmation is complete for every configuration."
    ]
    assert segments_section(results_of(tmp_path, begun)) is None


@pytest.fixture
def at_cuts(tmp_path) -> ConfirmationResults:
    made_up_confirmation(tmp_path, cuts=True)
    found, _ = load_confirmation(tmp_path, 7)
    assert found is not None
    return found


def test_the_section_of_a_confirmation_at_several_cuts(tmp_path, at_cuts):
    section = confirmation_section(results_of(tmp_path, at_cuts))
    lead, _, which, figures, by_cut, luck = section.blocks[:6]
    assert lead.text.startswith(
        "Trial 7 has **0.8333 top-100 accuracy** on the test rows of cuts 0 and 1 (95 % interval"
    )
    assert which.text.startswith(
        "The search made no choice by the test rows of cuts 0 and 1; each configuration was "
        "trained on all rows before them, with 2 fresh training seeds. At the earlier cuts 2 and 3 "
        "(a rolling origin: cut n has the test rows that lie n steps back, and trains on what "
        "comes before) the test rows were validation or training rows of the search, so that these "
        "cuts show whether the order of the configurations holds at other times, and confirm "
        "nothing. There are 4 cuts and 2 training seeds. The intervals of differences are over "
        "users, clustered by user, and over training seeds, within these cuts;"
    )
    assert "they are not independent, and too few" in which.text
    assert figures.columns[1:4] == [
        "top-100, in the search", "top-100, the test rows of cuts 0 and 1",
        "top-100, earlier cuts",
    ]  # fmt: skip
    assert figures.rows[0][:4] == ["trial 7", "0.9000", "0.8333 ± 0.0000", "0.7143"]
    assert by_cut.columns == ["configuration", "cut 0", "cut 1", "cut 2, earlier", "cut 3, earlier"]
    assert by_cut.rows == [
        ["trial 7", "0.7500 ± 0.3536", "0.8750 ± 0.1768", "0.5000", "1.0000"],
        ["reference", "0.2500 ± 0.3536", "0.3750 ± 0.1768", "0.2500", "1.0000"],
        ["popularity", "0.5000", "0.5000", "0.5000", "0.6667"],
    ]
    assert "In this order: 2 test rows, 4 test rows, 4 test rows, 3 test rows" in by_cut.note
    assert "on the test rows of cuts 0 and 1 it has 0.8333, on earlier cuts it has 0.7143" in (
        luck.text
    )
    assert luck.text.endswith("It trained on more rows at the study's own cut than in the search.")
    against = [b for b in section.blocks if isinstance(b, Table) and "Against" in b.title]
    assert [block.title for block in against] == [
        "Against trial 7, on the test rows of cuts 0 and 1", "Against trial 7, on earlier cuts",
    ]  # fmt: skip
    assert all("bootstrap over users" in block.columns for block in against)


def test_the_confirmations_of_several_studies_at_the_same_cuts_are_compared_by_user(
    tmp_path, at_cuts
):
    mine = confirmed_of(results_of(tmp_path, at_cuts), "top_100")
    other = replace(mine, runs={key: runs["reference"] for key, runs in at_cuts.own.items()})
    assert are_comparable([mine, other])
    _, significance = confirmed_significance({0: mine, 1: other}, "top_100").values()
    assert significance.compared.difference == pytest.approx(3 / 6)
    assert (significance.compared.users, significance.compared.seeds) == (3, 2)
    at_one_cut = replace(mine, runs={key: run for key, run in mine.runs.items() if key[0] == 1})
    assert not are_comparable([mine, at_one_cut])
