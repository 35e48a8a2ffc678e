"""What a report says of a value beside several baselines: the best of them is to beat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from made_up_confirmations import made_up_confirmation

from sweeper.report.comparison import StudyComparison
from sweeper.report.sections.answer import answer_text
from sweeper.report.sections.leaderboard import trial_table
from sweeper.report.study_entry import study_entries
from sweeper.results.baselines import (
    baseline_comparison_text,
    key_baselines,
    unbeaten_baselines_text,
)
from sweeper.results.clustered_tests import compare_on_rows
from sweeper.results.confirmation_loading import load_confirmation
from sweeper.results.confirmation_text import best_baseline_text
from sweeper.results.formatting import signed
from sweeper.results.seed_groups import SeedGroup
from sweeper.results.study_results import StudyResults
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

BASELINES = {"popularity": 0.3, "ease": 0.4}
MANY = {"popularity": 0.3, "recent_popularity": 0.31, "covisitation": 0.45, "ease": 0.4}


@pytest.mark.parametrize(
    ("value", "baselines", "text"),
    [
        (0.5, {}, ""),
        (0.5, BASELINES, ", 0.2000 above popularity (0.3000), 0.1000 above EASE (0.4000)"),
        (
            0.35,
            BASELINES,
            ", which does not beat the best baseline, EASE (0.4000); it is 0.0500 above popularity "
            "(0.3000)",
        ),
        (0.4, {"ease": 0.4}, ", which does not beat the best baseline, EASE (0.4000)"),
        (
            0.2,
            {"popularity": 0.3, "ease": 0.1},
            ", which does not beat popularity (0.3000): a list of the most popular candidates, the "
            "same for everybody, is as good or better",
        ),
        # A trained model is no baseline.
        (
            0.5,
            {"popularity": 0.3, "published": 0.6},
            ", 0.2000 above popularity (0.3000), 0.1000 below published (0.6000)",
        ),
    ],
)
def test_a_sentence_ends_with_the_best_baseline(value, baselines, text):
    assert baseline_comparison_text(value, baselines, "published") == text


def test_of_many_the_best_popularity_and_the_reference_are_named():
    many = {**MANY, "published": 0.2}
    assert key_baselines(many, "published") == {
        "covisitation": 0.45, "popularity": 0.3, "published": 0.2,
    }  # fmt: skip
    assert key_baselines(BASELINES, None) == BASELINES


def test_the_mark_says_what_is_not_beaten():
    assert (
        unbeaten_baselines_text([None, ("ease", 0.4), None, ("ease", 0.4)])
        == "no better than EASE (0.4000)"
    )
    assert unbeaten_baselines_text([("ease", 0.4), ("popularity", 0.3)]) == (
        "no better than the best baseline on the same rows"
    )
    assert unbeaten_baselines_text([None]) == ""


def rows(**more) -> list[Row]:
    """Two trials, 0.42 and 0.38, beside popularity and EASE with 0.4."""
    result = {"baselines": {name: {"top_100": value} for name, value in BASELINES.items()}}
    return [
        Row(number, "complete", number + 1, values=[value], result=result, **more)
        for number, value in enumerate((0.42, 0.38))
    ]


def test_tables_and_answers_go_by_the_best_baseline():
    results = StudyResults(Path("s"), "s", [ObjectiveConfig()], rows())
    assert answer_text(StudyComparison([results])).endswith(
        "0.1200 above popularity (0.3000), 0.0200 above EASE (0.4000)."
    )
    table = trial_table(results, results.rows, baselines=BASELINES)
    assert [row[2] for row in table.rows] == ["0.4200", "0.3800 ▾", "0.3000", "0.4000"]
    assert "▾ no better than EASE (0.4000): 1 trial." in table.note
    worse = StudyResults(Path("t"), "t", [ObjectiveConfig()], rows()[1:])
    first, second = study_entries([results, worse], "top_100")
    assert first.unbeaten is None
    assert second.unbeaten == ("ease", 0.4)


def test_a_mean_over_seeds_must_beat_the_best_mean():
    assert SeedGroup("a", rows(), BASELINES).unbeaten == ("ease", 0.4)
    assert SeedGroup("a", rows(reference="ease"), BASELINES).unbeaten is None
    assert SeedGroup("a", rows()[:1], BASELINES).unbeaten is None


def test_a_confirmation_tests_its_winner_against_the_best_baseline(tmp_path):
    """By the comparison that clusters rows by user; see tests/report/test_statistics.py."""
    made_up_confirmation(tmp_path)
    confirmation, _ = load_confirmation(tmp_path, 7)
    # EASE is as popularity, but for one row more.
    ease = [0, 150, 99, 99]
    for runs in [*confirmation.own.values(), *confirmation.fresh.values()]:
        for name, run in runs.items():
            run.record.baselines["ease"] = {"test": {"top_100": 0.75}}
            rows = run.rows.append_column("ease_rank", pyarrow.array(ease))
            runs[name] = replace(run, rows=rows)
    confirmation.baselines.append("ease")
    compared = confirmation.compared("top_100")["ease"]
    # Ranks 0, 5, 99, 100 and 0, 5, 99, 99 of users 0, 0, 1 and 2, with two seeds.
    mine = np.array([[1, 1, 1, 0], [1, 1, 1, 1]])
    plain = compare_on_rows(mine, np.array([[1, 0, 1, 1]] * 2), [0, 0, 1, 2])
    assert compared.difference == pytest.approx(0.875 - 0.75)
    assert (compared.p_value, compared.users, compared.seeds) == (plain.p_value, 3, 2)
    p_value = compared.adjusted_p_value
    assert best_baseline_text(confirmation, "top_100") == (
        "The best of the baselines is EASE with 0.7500. Trial 7 can't be told apart from it, with "
        f"+0.1250 (95 % interval of the difference {signed(plain.low)} to {signed(plain.high)}, "
        f"p {p_value:.4f}; a paired test, 3 users and 2 training seeds being the sample)."
    )
    confirmation.baselines.clear()
    assert best_baseline_text(confirmation, "top_100") is None
