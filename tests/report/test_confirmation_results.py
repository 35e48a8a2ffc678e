"""What a confirmation shows, of made-up runs: figures by hand, what is missing, what is damaged."""

from __future__ import annotations

import shutil

import pytest
from made_up_confirmations import NAMES, made_up_confirmation

from sweeper.results.confirmation_loading import load_confirmation
from sweeper.results.scored_rows import by_training_rows
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storage.files import Sqlite
from sweeper.two_tower import record as records

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_figures_by_seed_and_by_split(tmp_path):
    made_up_confirmation(tmp_path)
    confirmation, problems = load_confirmation(tmp_path, 7)
    assert not problems
    assert (confirmation.winner, confirmation.names, confirmation.baselines) == (
        "trial_7", NAMES, ["popularity"],
    )  # fmt: skip
    assert confirmation.values("trial_7", "top_100") == [0.75, 1.0]
    assert confirmation.values("reference", "top_100") == [0.5, 0.25]
    assert confirmation.values("popularity", "top_100") == [0.5, 0.5]
    assert confirmation.values("trial_7", "top_100", fresh=True) == [0.5]
    assert confirmation.values("reference", "seen_filtered_top_100") == [0.5, 0.5]
    summary = confirmation.summary("trial_7", "top_100")
    assert (summary.mean, summary.number) == (0.875, 2)


def test_the_winner_against_all_others_on_the_same_rows(tmp_path):
    made_up_confirmation(tmp_path)
    confirmation, _ = load_confirmation(tmp_path, 7)
    comparisons = confirmation.compared("top_100")
    assert list(comparisons) == ["reference", "popularity"]
    assert comparisons["reference"].difference == pytest.approx(0.875 - 0.375)
    assert comparisons["popularity"].difference == pytest.approx(0.875 - 0.5)
    assert comparisons["reference"].users == 3
    on_splits = confirmation.compared("top_100", fresh=True)
    assert on_splits["reference"].difference == pytest.approx(0.25)


def deciles(confirmation, of):
    return by_training_rows(confirmation.own_ranks(), of, confirmation.mean_hits("top_100"))


def test_accuracy_by_training_rows_of_user_and_candidate(tmp_path):
    made_up_confirmation(tmp_path)
    confirmation, _ = load_confirmation(tmp_path, 7)
    groups = deciles(confirmation, "item")
    assert [(group.low, group.high, group.rows) for group in groups] == [
        (5, 5, 2), (7, 7, 1), (50, 50, 1),
    ]  # fmt: skip
    # Of the two rows with five: hit with both seeds, and with one of them.
    assert groups[0].accuracies == {"trial_7": 0.75, "reference": 0.5, "popularity": 0.0}
    assert sum(group.rows for group in deciles(confirmation, "user")) == 4


def test_coverage_is_the_mean_over_the_seeds(tmp_path):
    made_up_confirmation(tmp_path)
    confirmation, _ = load_confirmation(tmp_path, 7)
    assert confirmation.coverage() == pytest.approx(
        {"trial_7": 0.6, "reference": 0.7, "popularity": 0.06}
    )


def test_a_seed_that_not_all_have_ended_counts_for_none(tmp_path):
    study = made_up_confirmation(tmp_path)
    rows = tmp_path / "confirmation" / "trials" / "0003" / records.ROWS["test"]
    rows.write_bytes(b"no parquet")
    confirmation, problems = load_confirmation(tmp_path, 7)
    # The figures stand in the record; row by row the other seed alone is known.
    assert confirmation.values("trial_7", "top_100") == [0.75, 1.0]
    assert confirmation.compared("top_100")["reference"].seeds == 1
    assert [problem.split(":")[0] for problem in problems] == [str(rows)]
    assert len(study.trials) == 6
    (tmp_path / "confirmation" / "trials" / "0001" / records.TRIAL).unlink()
    confirmation, problems = load_confirmation(tmp_path, 7)
    assert confirmation.values("trial_7", "top_100") == [1.0]
    assert confirmation.compared("top_100") == {}
    assert confirmation.own_ranks() is None
    assert len(problems) == 2


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00 cut in half", b"no database"])
def test_a_damaged_confirmation_is_named_and_left_out(tmp_path, content):
    made_up_confirmation(tmp_path)
    database = tmp_path / "confirmation" / "study.db"
    database.write_bytes(content)
    confirmation, (problem,) = load_confirmation(tmp_path, 7)
    assert confirmation is None
    assert problem.startswith(f"{database}: ")
    assert problem.endswith("; left out: its results")


def test_a_confirmation_of_another_version_is_named_and_left_out(tmp_path):
    place = tmp_path / "confirmation"
    place.mkdir()
    Sqlite(place).make([ObjectiveConfig()], {attributes.CONFIGS: {}}, "confirmation")
    confirmation, (problem,) = load_confirmation(tmp_path, 7)
    assert confirmation is None
    assert "is no confirmation of this version; it has no points" in problem


def test_the_latest_confirmation_counts(tmp_path):
    assert load_confirmation(tmp_path, 7) == (None, [])
    for name in ("confirmation", "confirmation_2", "confirmation_10"):
        made_up_confirmation(tmp_path, name)
    confirmation, _ = load_confirmation(tmp_path, 7)
    assert confirmation.directory.name == "confirmation_10"
    # One that was stopped at once doesn't hide what there is.
    shutil.rmtree(tmp_path / "confirmation_10" / "trials")
    confirmation, _ = load_confirmation(tmp_path, 7)
    assert confirmation.directory.name == "confirmation_2"
    # None is of this best trial; the latest with figures is shown.
    confirmation, _ = load_confirmation(tmp_path, 8)
    assert confirmation.directory.name == "confirmation_2"
    assert not confirmation.confirms(8)


def test_trainings_that_have_not_ended_are_named(tmp_path):
    study = made_up_confirmation(tmp_path)
    assert load_confirmation(tmp_path, 7)[1] == []
    points = study.user_attrs[attributes.POINTS]
    more = [{**points[0], "train.seed": seed} for seed in (91, 92, 93, 94)]
    study.set_user_attr(attributes.POINTS, [*points, *more])
    _, (problem,) = load_confirmation(tmp_path, 7)
    place = tmp_path / "confirmation"
    own = f"{points[0]['configuration']} with split seed {points[0]['data.split_seed']}"
    assert problem == (
        f"{place}: of 10 trainings these have not come to their end: {own} and training seed 91, "
        f"{own} and training seed 92, {own} and training seed 93, … (4 in all); left out: every "
        "configuration with these seeds"
    )


def test_cuts_that_the_search_had_no_part_in_confirm_together(tmp_path):
    made_up_confirmation(tmp_path, cuts=True)
    confirmation, problems = load_confirmation(tmp_path, 7)
    assert not problems
    assert (confirmation.cuts(), confirmation.cuts(fresh=True)) == ([0, 1], [2, 3])
    assert (confirmation.seeds(), confirmation.seeds(fresh=True)) == (2, 1)
    # With the first seed 3 of 4 rows at cut 1 and 2 of 2 at cut 0; with the second 4 and 1.
    assert confirmation.values("trial_7", "top_100") == pytest.approx([5 / 6, 5 / 6])
    assert confirmation.values("reference", "top_100") == pytest.approx([2 / 6, 2 / 6])
    assert confirmation.values_at(0, "trial_7", "top_100") == [1.0, 0.5]
    # The seed that has not come to its end at cut 3 doesn't count at cut 2.
    assert confirmation.values("trial_7", "top_100", fresh=True) == pytest.approx([5 / 7])
    assert confirmation.values_at(2, "trial_7", "top_100") == [0.5]
    comparison = confirmation.compared("top_100")["reference"]
    assert (comparison.difference, comparison.seeds) == (pytest.approx(3 / 6), 2)
    # Of three users in all: a user's rows at both cuts stand together.
    assert comparison.users == 3
    earlier = confirmation.compared("top_100", fresh=True)
    assert earlier["reference"].difference == pytest.approx(1 / 7)
    assert (earlier["reference"].seeds, earlier["reference"].users) == (1, 3)
    assert sum(group.rows for group in deciles(confirmation, "user")) == 6


def test_earlier_cuts_alone_confirm_nothing(tmp_path):
    study = made_up_confirmation(tmp_path, cuts=True)
    for number in (0, 2):
        (tmp_path / "confirmation/trials" / f"{number:04d}" / records.TRIAL).unlink()
    confirmation, _ = load_confirmation(tmp_path, 7)
    # Cut 0 has both seeds.
    assert confirmation.cuts() == [0]
    for number in (4, 6):
        (tmp_path / "confirmation/trials" / f"{number:04d}" / records.TRIAL).unlink()
    confirmation, _ = load_confirmation(tmp_path, 7)
    assert confirmation.fresh
    assert not confirmation.is_complete
    assert len(study.trials) == 14


def test_what_lacks_at_a_cut_is_named(tmp_path):
    study = made_up_confirmation(tmp_path, cuts=True)
    points = study.user_attrs[attributes.POINTS]
    lacking = {"configuration": "trial_7", "data.cut": 3, "train.seed": 44}
    study.set_user_attr(attributes.POINTS, [*points, lacking])
    _, (problem,) = load_confirmation(tmp_path, 7)
    assert "trial_7 at cut 3 and training seed 44; left out" in problem
