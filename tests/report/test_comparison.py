"""Several studies and runs in one report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow
import pytest
from made_up_studies import DISTRIBUTIONS, StudyMaker, made_up_record, nothing
from optuna.distributions import CategoricalDistribution
from small_trials import compose_config

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.html import html_of
from sweeper.report.rendering.page import Table
from sweeper.report.report import page_of
from sweeper.results.clustered_tests import compare_on_rows
from sweeper.results.confirmation import ConfirmationResults, Run
from sweeper.results.loading import load_results
from sweeper.results.scored_rows import hits
from sweeper.results.statistics import compare_pairs
from sweeper.study import attributes
from sweeper.study.storage.factory import load_study
from sweeper.two_tower import record as records
from sweeper.two_tower.config import flatten, to_dictionary


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
    return page_of([load_results(directory) for directory in directories])


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
    assert [figure.label for figure in page.key_values] == [f"{tmp_path}/a", f"{tmp_path}/b"]


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
        ({"data": {**made_up_record([]).data, "fingerprint": "fedcba"}},
         "fingerprint (0123456789ab in {a}, fedcba in {b})"),
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
    assert sections["answer"].blocks[0].text.startswith("None is named the best")
    assert "leaderboard" not in sections
    table = next(block for block in sections["protocol"].blocks if isinstance(block, Table))
    assert table.title == "Where the protocols differ"


def test_data_from_another_place_are_the_same(tmp_path):
    for name, source in {"a": "auto", "b": "/somewhere/ml-100k.zip"}.items():
        overrides = ("data=synthetic", f"data.source={source}", "evaluation.save_ranks=false")
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


def test_the_joint_leaderboard_has_means_where_seeds_do_not_compete(tmp_path):
    for name, tops in {"a": [0.4, 0.5], "b": [0.46, 0.45]}.items():
        maker = StudyMaker(tmp_path / name, name)
        for model, less in (("one_layer", 0.0), ("two_layer", 0.1)):
            for seed, top in enumerate(tops):
                record = made_up_record([top - less], overrides=[f"data.split_seed={seed}"])
                params = {"model": model, "data.split_seed": seed}
                maker.trial([top - less], params=params, record=record)
    (table,) = sections_of(compared([tmp_path / "a", tmp_path / "b"]))["leaderboard"].blocks
    assert [row[1:] for row in table.rows] == [
        ["b", "mean of 2", "0.4550", "model one_layer"],
        ["a", "mean of 2", "0.4500", "model one_layer"],
        ["b", "mean of 2", "0.3550", "model two_layer"],
        ["a", "mean of 2", "0.3500", "model two_layer"],
    ]


def lead_of(page):
    return sections_of(page)["answer"].blocks[0].text


def answer_rows(page):
    """The answer's table, a dictionary a row."""
    table = sections_of(page)["answer"].blocks[1]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def lose_best_record(directory, keep=()):
    for place in (directory / "trials").glob("*"):
        if place.name not in keep:
            (place / records.TRIAL).unlink()


SPLITS = ("random", "temporal")


@pytest.fixture
def other_data(tmp_path):
    """Two studies of two trials, on different splits; the best trial is the second."""
    for name, split in zip("ab", SPLITS, strict=True):
        maker = StudyMaker(tmp_path / name, name)
        for top in (0.4, 0.5):
            maker.trial([top], record=made_up_record([top], overrides=[f"data.split={split}"]))
    return tmp_path


def test_without_the_best_record_another_trial_tells_the_protocol(other_data):
    lose_best_record(other_data / "b", keep=["0000"])
    page = compared([other_data / "a", other_data / "b"])
    assert any("data.split (random in " in problem for problem in page.problems)
    assert lead_of(page) == "None is named the best: their results are on different rows."


def test_without_any_record_the_study_tells_the_protocol(other_data):
    lose_best_record(other_data / "b")
    places = [other_data / "a", other_data / "b"]
    study = load_study(places[1])
    protocol = {**flatten(made_up_record([]).config), "study.split_seeds": []}
    study.set_user_attr(attributes.PROTOCOL, {**protocol, "data.split": "temporal"})
    page = compared(places)
    assert any("data.split (random in " in problem for problem in page.problems)
    study.set_user_attr(attributes.PROTOCOL, protocol)
    page = compared(places)
    assert not any("protocols differ" in problem for problem in page.problems)
    assert lead_of(page).startswith("`a` is the best")


def test_a_protocol_that_is_not_known_is_not_ranked(other_data):
    lose_best_record(other_data / "b")
    page = compared([other_data / "a", other_data / "b"])
    assert page.problems[0] == (
        f"{other_data}/b: neither a trial's record nor the study says which data and rows the "
        "results are on: they can't be ranked"
    )
    assert "which rows their results are on isn't known of all" in lead_of(page)
    assert "leaderboard" not in sections_of(page)
    html_of(page)


@pytest.fixture
def more_parameters(monkeypatch):
    """Parameters that made-up trials may have besides the usual ones."""
    seeds, splits = CategoricalDistribution((0, 1, 2)), CategoricalDistribution(SPLITS)
    monkeypatch.setitem(DISTRIBUTIONS, "train.seed", seeds)
    monkeypatch.setitem(DISTRIBUTIONS, "data.split", splits)


@pytest.mark.usefixtures("more_parameters")
def test_another_trial_does_not_tell_the_data_where_these_are_varied(tmp_path):
    records.write(tmp_path / "a", made_up_record([0.4]))
    maker = StudyMaker(tmp_path / "b", "b")
    for top, split in zip((0.4, 0.5), SPLITS, strict=True):
        record = made_up_record([top], overrides=[f"data.split={split}"])
        maker.trial([top], params={"data.split": split}, record=record)
    lose_best_record(tmp_path / "b", keep=["0000"])
    page = compared([tmp_path / "a", tmp_path / "b"])
    assert "neither a trial's record nor the study says" in page.problems[0]


def test_all_have_only_what_is_equal_in_all(tmp_path):
    for name, epochs in {"a": 10, "b": 10, "c": 20}.items():
        record = made_up_record([0.4], overrides=[f"train.epochs={epochs}"])
        records.write(tmp_path / name, record)
    alike, different = sections_of(compared([tmp_path / n for n in "abc"]))["protocol"].blocks
    assert alike.title == "As all of them have it"
    assert [row[0] for row in alike.rows] == ["data", "split", "protocol", "seeds", "score",
                                              "baselines"]  # fmt: skip
    assert [row[0] for row in different.rows] == ["training: a and b", "training: c"]
    assert different.rows[0][1].startswith("10 epochs")
    assert different.rows[1][1].startswith("20 epochs")


def test_each_best_is_that_by_the_compared_metric(tmp_path):
    seen = StudyMaker(tmp_path / "seen", "seen", seen_filtered_top_100="maximize")
    top = StudyMaker(tmp_path / "top", "top")
    for maker, tops, objectives in ((seen, (0.4, 0.48), (0.7, 0.6)), (top, (0.42, 0.44), None)):
        for index, value in enumerate(tops):
            own = [objectives[index]] if objectives else None
            maker.trial([value], params={"optimizer": "adam"}, objectives=own)
    page = compared([tmp_path / "seen", tmp_path / "top"])
    assert lead_of(page).startswith("`seen` is the best: **top-100 accuracy 0.4800** (trial 1)")
    leaderboard = sections_of(page)["leaderboard"].blocks[0]
    assert leaderboard.rows[0][:4] == ["1", "seen", "1", "0.4800"]
    (figure,) = sections_of(page)["curves"].blocks
    assert list(figure.numbers.rows[0][:3]) == ["seen", "trial 1", "0.4800"]


@pytest.mark.parametrize(
    ("metric", "repeats", "is_said"),
    [
        ("seen_filtered_top_100", True, True),
        ("seen_filtered_top_100", False, False),
        # Unfiltered figures are what they were.
        ("top_100", True, False),
    ],
)
def test_seen_filtered_figures_of_an_earlier_version_are_not_ranked(
    tmp_path, metric, repeats, is_said
):
    parts = {"new": {"rows": 90.0}} | ({"repeat": {"rows": 10.0}} if repeats else {})
    for name, by_repetition in (("earlier", {}), ("now", {"validation": parts})):
        record = made_up_record([0.4], overrides=[f"evaluation.metric={metric}"])
        record.by_repetition = by_repetition
        records.write(tmp_path / name, record)
    problems = StudyComparison(
        [load_results(tmp_path / name) for name in ("earlier", "now")]
    ).problems
    assert len(problems) == is_said
    if is_said:
        assert problems[0].startswith(f"{tmp_path / 'earlier'}: an earlier version scored these")


@pytest.mark.parametrize(
    ("split", "seen", "metric", "is_said"),
    [
        ("temporal", "auto", "seen_filtered_top_10", True),
        ("temporal", "auto", "top_10", False),
        ("temporal", "training", "seen_filtered_top_10", False),
        ("random", "auto", "seen_filtered_top_10", False),
    ],
)
def test_seen_filtered_figures_of_two_readings_are_not_ranked(
    tmp_path, split, seen, metric, is_said
):
    """One of them was recorded before there was a choice: it hid what the training rows hold."""
    for name in ("earlier", "now"):
        overrides = [
            f"evaluation.metric={metric}", f"data.split={split}", f"evaluation.seen={seen}",
        ]  # fmt: skip
        record = made_up_record([0.4], overrides=overrides)
        if name == "earlier":
            del record.config["evaluation"]["seen"], record.config["data"]["same_time"]
        records.write(tmp_path / name, record)
    problems = StudyComparison(
        [load_results(tmp_path / name) for name in ("earlier", "now")]
    ).problems
    assert (
        problems
        == [
            "seen-filtered results leave out what the user has in the training rows in "
            f"{tmp_path / 'earlier'}, what the user had before the row in {tmp_path / 'now'}: they "
            "can't be ranked against each other; all must have the same evaluation.seen"
        ]
        * is_said
    )


@pytest.mark.usefixtures("more_parameters")
def test_means_over_seeds_go_by_the_compared_metric(tmp_path):
    seen = StudyMaker(tmp_path / "seen", "seen", seen_filtered_top_100="maximize")
    for model, tops, objective in (("one_layer", (0.5, 0.4), 0.6), ("two_layer", (0.3, 0.3), 0.7)):
        for seed, value in enumerate(tops):
            params = {"model": model, "train.seed": seed}
            seen.trial([value], params=params, objectives=[objective])
    records.write(tmp_path / "run", made_up_record([0.44]))
    page = compared([tmp_path / "seen", tmp_path / "run"])
    assert lead_of(page).startswith(
        "`seen` is the best: **top-100 accuracy 0.4500 ± 0.0707** (model one_layer)"
    )


def over_seeds(tmp_path, parameter, values, **directions):
    """Two studies that repeat a model over three seeds; opened and compared."""
    for name, figures in values.items():
        maker = StudyMaker(tmp_path / name, name, **directions)
        for seed, value in enumerate(figures):
            record = made_up_record([0.4], overrides=[f"{parameter}={seed}"])
            params = {parameter: seed}
            maker.trial([0.4], params=params, objectives=[value], record=record)
    return StudyComparison([load_results(tmp_path / name) for name in values])


@pytest.mark.usefixtures("more_parameters")
@pytest.mark.parametrize(
    # 100 validation rows and 700 to train on.
    ("parameter", "test_to_train"), [("data.split_seed", 100 / 700), ("train.seed", 0.0)]
)  # fmt: skip
def test_seeds_of_trainings_do_not_overlap(tmp_path, parameter, test_to_train):
    values = {"a": [0.50, 0.52, 0.51], "b": [0.45, 0.48, 0.44]}
    found = over_seeds(tmp_path, parameter, values).significance["b"].compared
    by_hand = compare_pairs(values["a"], values["b"], test_to_train=test_to_train)
    assert found.p_value == pytest.approx(by_hand.p_value)


def test_where_less_is_better_more_is_worse(tmp_path):
    values = {"a": [2.00, 2.01, 2.02], "b": [1.00, 1.02, 1.01]}
    found = over_seeds(tmp_path, "data.split_seed", values, train_seconds="minimize")
    assert [entry.label for entry in found.ranked] == ["b", "a"]
    assert found.significance["a"].texts[1] == "worse"


def test_nothing_known_has_no_column(directories):
    rows = answer_rows(compared(directories))
    assert list(rows[0]) == [
        "study or run", "best", "top-100 accuracy", "popularity", "layer sizes",
    ]  # fmt: skip


def test_intervals_without_a_comparison_stand_alone(tmp_path):
    over_seeds(tmp_path, "data.split_seed", {"a": [0.50, 0.52, 0.51]})
    StudyMaker(tmp_path / "b", "b").trial([], "running", write=nothing)
    columns = list(answer_rows(compared([tmp_path / "a", tmp_path / "b"]))[0])
    assert "95 % interval" in columns
    assert "beside the best" not in columns


USERS = np.repeat(np.arange(30), 4)


def ranks_of(share, seed):
    """The ranks of 120 test rows, of which about this share is found."""
    ranks = np.where(np.random.default_rng(seed).random(len(USERS)) < share, 0, 500)
    columns = ("model_rank", "model_seen_filtered_rank", "popularity_rank")
    items = {"user": USERS, "item": np.arange(len(USERS))}
    return pyarrow.table({**items, **dict.fromkeys(columns, ranks)})


def confirmed_by(directory, trial, runs):
    """The results of a study that these runs confirm: (split, training seed) and their ranks.

    The study's own split is 42.
    """
    made = [
        Run(trial, split, seed, confirmed_record(float(np.mean(hits(table, "top_100")))), table)
        for (split, seed), table in runs.items()
    ]
    confirmation = ConfirmationResults(directory / "confirmation", [trial], made, 42)
    return replace(load_results(directory), confirmation=confirmation)


def confirmed_record(value):
    record = made_up_record([0.4])
    record.metrics = {"test": {"top_100": value}}
    record.baselines = {"popularity": {"test": {"top_100": 0.05}}}
    return record


@pytest.fixture
def two_studies(tmp_path):
    """`a` has found the higher figure, with more trials."""
    for name, tops in {"a": [0.6, 0.5, 0.4], "b": [0.55, 0.5]}.items():
        maker = StudyMaker(tmp_path / name, name)
        for top in tops:
            maker.trial([top])
    return [tmp_path / "a", tmp_path / "b"]


OWN = {
    "a": {(42, 43): ranks_of(0.3, 1), (42, 44): ranks_of(0.3, 2)},
    "b": {(42, 43): ranks_of(0.7, 3), (42, 44): ranks_of(0.7, 4)},
}


def mean_of(runs):
    return float(np.mean([hits(table, "top_100").mean() for table in runs.values()]))


def test_all_confirmed_are_ranked_by_that(two_studies):
    a, b = two_studies
    studies = [confirmed_by(a, "trial_0", OWN["a"]), confirmed_by(b, "trial_1", OWN["b"])]
    page = page_of(studies)
    means = {name: mean_of(runs) for name, runs in OWN.items()}
    assert f"`b` is the best: **top-100 accuracy {means['b']:.4f} ± " in lead_of(page)
    assert "(trial 1, confirmed on its own test rows)" in lead_of(page)
    assert f"{means['b'] - means['a']:.4f} from `a`" in lead_of(page)
    assert lead_of(page).endswith(f"{means['b'] - 0.05:.4f} above popularity (0.0500).")
    first, second = answer_rows(page)
    assert (first["study or run"], first["best"]) == ("b", "trial 0")
    assert (first["top-100 accuracy"], second["top-100 accuracy"]) == ("0.5500", "0.6000")
    assert first["confirmed"].endswith(" (trial 1)")
    assert second["confirmed"].startswith(f"{means['a']:.4f} ± ")
    assert (first["beside the best"], second["beside the best"]) == ("–", "worse")
    by_hand = compare_on_rows(
        *([hits(t, "top_100") for t in OWN[name].values()] for name in "ba"), USERS, resamples=0
    )
    assert StudyComparison(studies).significance["a"].compared.p_value == by_hand.p_value
    note = sections_of(page)["answer"].blocks[1].note
    assert "those of the confirmed values" in note
    assert "inflates" not in note
    assert page.key_values[1].note == "trial 1, confirmed on its own test rows"
    assert "By what the searches found" in sections_of(page)["leaderboard"].blocks[0].note
    html_of(page)


def test_fresh_splits_are_compared_split_by_split(two_studies):
    splits = {
        name: {(split, 42): ranks_of(share + split / 1000, 9) for split in (43, 44, 45)}
        for name, share in {"a": 0.3, "b": 0.7}.items()
    }
    found = StudyComparison(
        [confirmed_by(path, "trial_0", splits[path.name]) for path in two_studies]
    )
    assert [entry.label for entry in found.ranked] == ["b", "a"]
    assert found.ranked[0].best_label == "trial 0, confirmed on fresh splits"
    figures = [[hits(t, "top_100").mean() for t in splits[name].values()] for name in "ba"]
    # 200 test rows and 700 to train on.
    by_hand = compare_pairs(*figures, test_to_train=200 / 700)
    assert found.significance["a"].compared.p_value == pytest.approx(by_hand.p_value)


@pytest.mark.parametrize("other", ["not confirmed", "other rows", "other splits"])
def test_confirmations_that_can_not_be_compared_are_only_shown(two_studies, other):
    a, b = two_studies
    table = OWN["a"][42, 43]
    turned = table.set_column(0, "user", [USERS[::-1]])
    runs = {"other rows": {(42, 43): turned}, "other splits": {(50, 42): table}}
    results_a = confirmed_by(a, "trial_0", runs[other]) if other in runs else load_results(a)
    page = page_of([results_a, confirmed_by(b, "trial_0", OWN["b"])])
    assert lead_of(page).startswith("`a` is the best: **top-100 accuracy 0.6000** (trial 0)")
    first, second = answer_rows(page)
    assert second["confirmed"].startswith(f"{mean_of(OWN['b']):.4f} ± ")
    shown = f"{hits(table, 'top_100').mean():.4f}"
    assert first["confirmed"] == {
        "not confirmed": "–", "other rows": shown, "other splits": f"{shown} (fresh splits)",
    }[other]  # fmt: skip
    note = sections_of(page)["answer"].blocks[1].note
    assert "selection bias inflates it, the more so the larger the search" in note


def test_single_runs_were_not_chosen(tmp_path):
    for name in "ab":
        records.write(tmp_path / name, made_up_record([0.4]))
    page = compared([tmp_path / "a", tmp_path / "b"])
    assert sections_of(page)["answer"].blocks[1].note == ""
