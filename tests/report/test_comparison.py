"""Several studies and runs in one report."""

from __future__ import annotations

import pytest
from made_up_studies import StudyMaker, made_up_record, nothing
from small_trials import compose_config

from sweeper import record as records
from sweeper.config import to_dictionary
from sweeper.report.comparison import comparison_of
from sweeper.report.html import html_of
from sweeper.report.opening import open_subject
from sweeper.report.page import Table


@pytest.fixture
def directories(tmp_path):
    """Two studies and a run, of which the second study has the best trial."""
    for name, tops in {"depth": [0.35, 0.4], "loss": [0.45, 0.44, 0.43]}.items():
        maker = StudyMaker(tmp_path / name, name)
        for number, top in enumerate(tops):
            params = {"optimizer": ["adagrad", "adam"][number % 2]}
            maker.trial([top - 0.1, top], params=params)
    records.write(tmp_path / "run", made_up_record([0.2, 0.25]))
    return [tmp_path / name for name in ("depth", "loss", "run")]


def compared(directories):
    return comparison_of([open_subject(directory) for directory in directories])


def sections_of(page):
    return {section.name: section for section in page.sections}


def test_the_best_of_all_is_named(directories):
    page = compared(directories)
    assert page.title == "depth · loss · run"
    assert page.problems == []
    sections = sections_of(page)
    assert list(sections) == [
        "question", "protocol", "answer", "leaderboard", "curves", "history", "times",
        "reproduce",
    ]  # fmt: skip
    lead, table = sections["answer"].blocks
    assert lead.text == (
        "`loss` is the best: **top-100 accuracy 0.4500** (trial 0), 0.0500 from `depth` (0.4000); "
        "0.1500 above popularity (0.3000)."
    )
    assert [row[:3] for row in table.rows] == [
        ["loss", "trial 0", "0.4500"],
        ["depth", "trial 1", "0.4000"],
        ["run", "the run", "0.2500 ▾"],
    ]
    html_of(page)


def test_the_leaderboard_is_of_all_trials(directories):
    (table,) = sections_of(compared(directories))["leaderboard"].blocks
    assert [row[1:4] for row in table.rows] == [
        ["loss", "0", "0.4500"],
        ["loss", "1", "0.4400"],
        ["loss", "2", "0.4300"],
        ["depth", "1", "0.4000"],
        ["depth", "0", "0.3500"],
        ["run", "0", "0.2500"],
    ]


def test_the_curves_are_those_of_the_best(directories):
    (figure,) = sections_of(compared(directories))["curves"].blocks
    lines = {trace.name: list(trace.y) for trace in figure.plot.data}
    assert lines["loss"] == pytest.approx([0.35, 0.45])
    assert lines["depth"] == pytest.approx([0.3, 0.4])
    (history,) = sections_of(compared(directories))["history"].blocks
    assert [row[0] for row in history.numbers.rows] == ["depth", "loss"]


def test_studies_of_one_name_are_told_apart_by_their_places(tmp_path):
    for place in ("a", "b"):
        StudyMaker(tmp_path / place, "same").trial([0.4])
    page = compared([tmp_path / "a", tmp_path / "b"])
    assert [figure.label for figure in page.key_figures] == [f"{tmp_path}/a", f"{tmp_path}/b"]


def test_other_configurations_are_set_side_by_side(tmp_path):
    for name, overrides in {"a": [], "b": ["model.dropout=0.2"]}.items():
        records.write(tmp_path / name, made_up_record([0.4], overrides=overrides))
    page = compared([tmp_path / "a", tmp_path / "b"])
    assert page.problems == []
    (table,) = sections_of(page)["configurations"].blocks
    assert table.rows == [["model.dropout", "0", "0.2"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"overrides": ["data.split=temporal"]}, "data.split (random in {a}, temporal in {b})"),
        ({"overrides": ["data.split_seed=7"]}, "data.split_seed (42 in {a}, 7 in {b})"),
        (
            {"overrides": ["data.synthetic.seed=7"]},
            "seed 0 in {a}, num_users 1000",
        ),
        ({"data": {"fingerprint": "fedcba"}}, "fingerprint (0123456789ab in {a}, fedcba in {b})"),
        ({"repeats": [{"split_seed": 3, "directory": "split_seed_3", "metrics": {}}]},
         "study.split_seeds ([] in {a}, [3] in {b})"),
    ],
)  # fmt: skip
def test_figures_of_different_rows_are_not_ranked(tmp_path, change, words):
    a, b = tmp_path / "a", tmp_path / "b"
    records.write(a, made_up_record([0.4]))
    records.write(b, made_up_record([0.5], **change))
    if "repeats" in change:
        records.write(b / "split_seed_3", made_up_record([0.5]))
    page = compared([a, b])
    (problem,) = page.problems
    assert problem.startswith("the protocols differ in ")
    assert words.format(a=a, b=b) in problem
    assert "all must have the same data, split and split seeds" in problem
    sections = sections_of(page)
    assert sections["answer"].blocks[0].text.startswith("No one is named the best")
    assert "leaderboard" not in sections
    table = next(block for block in sections["protocol"].blocks if isinstance(block, Table))
    assert table.title == "Where the protocols differ"


def test_data_from_another_place_are_the_same(tmp_path):
    for name, source in {"a": "auto", "b": "/somewhere/ml-100k.zip"}.items():
        overrides = ("data=synthetic", f"data.source={source}", "evaluation.keep_rows=false")
        config = to_dictionary(compose_config(*overrides))
        records.write(tmp_path / name, made_up_record([0.4], config=config))
    assert compared([tmp_path / "a", tmp_path / "b"]).problems == []


def test_a_study_without_an_answer_beside_one_with(tmp_path):
    records.write(tmp_path / "run", made_up_record([0.4]))
    StudyMaker(tmp_path / "study", "study").trial([], "running", write=nothing)
    page = compared([tmp_path / "run", tmp_path / "study"])
    assert "`run` is the best: **top-100 accuracy 0.4000** (the run)" in (
        sections_of(page)["answer"].blocks[0].text
    )
    assert len(page.problems) == 2
    html_of(page)


def test_means_over_seeds_are_compared(tmp_path):
    # The best trials of the two have different seeds.
    for name, tops in {"a": [0.4, 0.5], "b": [0.46, 0.45]}.items():
        maker = StudyMaker(tmp_path / name, name)
        for seed, top in enumerate(tops):
            record = made_up_record([top], overrides=[f"data.split_seed={seed}"])
            params = {"model": "one_layer", "data.split_seed": seed}
            maker.trial([top], params=params, record=record)
    page = compared([tmp_path / "a", tmp_path / "b"])
    assert page.problems == []
    text = sections_of(page)["answer"].blocks[0].text
    assert "`b` is the best: **top-100 accuracy 0.4550 ± 0.0071** (model one_layer)" in text
    assert "from `a` (0.4500 ± 0.0707)" in text
