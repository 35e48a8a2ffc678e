"""What a confirmation consists of; and one with real trials, from the search to the last result."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from unittest.mock import Mock

import pyarrow.parquet
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from joblib.externals import cloudpickle
from made_up_trials import made_up_result, made_up_study, made_up_trial
from plans import planner
from processes import run_module
from small_trials import compose_config, small_config

from sweeper.common.errors import StudyError
from sweeper.study.composition import Composer
from sweeper.study.config import ConfirmConfig, ObjectiveConfig
from sweeper.study.fixed_grid import FixedGridPlan, point_of
from sweeper.study.storage.markers import ELSEWHERE
from sweeper.two_tower import record as records
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import DataConfig, to_dictionary, with_defaults
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.studies.ablations import ablation_problems, without
from sweeper.two_tower.studies.confirmation import (
    confirmed_cuts,
    for_test_rows,
    plan_confirmation,
    skipped_parts,
)
from sweeper.two_tower.studies.retraining import retraining

SEARCH = ("model.dropout=interval(0,0.5)", "study.n_trials=3", "train.epochs=20")
CONFIRM = (
    "study.confirm.best=2", "study.confirm.train_seeds=2", "study.confirm.split_seeds=1",
    "study.reference=tutorial_three_layer",
)  # fmt: skip

TINY = """# @package _global_
name: tiny
train: {epochs: 2, eval_every_epochs: 1, restore_best: false}
"""


def trained(*overrides: str, best_epoch: int = 15) -> TrialRecord:
    config = to_dictionary(compose_config("train.epochs=20", *overrides))
    return TrialRecord(config, state="completed", best_epoch=best_epoch, epochs=20)


def test_it_trains_on_all_other_rows_as_long_as_the_trial_kept():
    record = trained("data.train_size=1000", "train.patience_evaluations=3", "model.dropout=0.3")
    before = copy.deepcopy(record.config)
    config = for_test_rows(record)
    assert record.config == before
    assert (config["data"]["train_size"], config["data"]["validation_size"]) == (None, 0)
    train = config["train"]
    assert (train["epochs"], train["eval_every_epochs"], train["restore_best"]) == (15, 15, False)
    assert train["patience_evaluations"] is None
    assert (config["evaluation"]["split"], config["evaluation"]["save_ranks"]) == ("test", True)
    assert config["model"] == before["model"]
    # A schedule ends with the last epoch, and not with the one that was kept.
    assert for_test_rows(trained("optimizer.schedule=cosine"))["train"]["epochs"] == 20


def test_of_repeats_it_trains_the_mean_of_the_kept_epochs():
    record = trained()
    record.repeats = [{"best_epoch": epoch} for epoch in (10, 15, 16)]
    assert for_test_rows(record)["train"]["epochs"] == 14


@pytest.fixture
def confirm(tmp_path, monkeypatch):
    """Plans the confirmation of a study whose trials 0, 1 and 2 have rising values."""
    monkeypatch.chdir(tmp_path)
    trials = [trained(f"model.dropout=0.{number}") for number in range(3)]
    with planner() as hydra:

        def make(*arguments: str) -> FixedGridPlan:
            study = made_up_study(top_100="maximize")
            plan = hydra.plan(*SEARCH, *CONFIRM, "study.name=made_up", *arguments)
            for number, record in enumerate(trials):
                value = 0.1 * number
                result = made_up_result({"top_100": value})
                study.add_trial(made_up_trial(number, values=[value], result=result))
                directory = plan.directory / f"trials/{number:04d}"
                if not (directory / records.TRIAL).exists():
                    records.create(directory, record)
            return plan_confirmation(plan, study, hydra.loader)

        yield make


def test_the_best_one_without_a_column_and_the_reference_with_each_seed(confirm):
    confirmation = confirm()
    names = ["trial_2", "trial_2_without_timestamp", "trial_1", "tutorial_three_layer"]
    assert list(confirmation.configs) == names
    seeds = [(42, 43), (42, 44), (43, 42)]
    assert confirmation.points == [
        {"configuration": name, "data.split_seed": split_seed, "train.seed": train_seed}
        for split_seed, train_seed in seeds
        for name in names
    ]
    assert confirmation.total == 12
    columns = {
        name: {feature["column"] for feature in config["features"]["query"]}
        for name, config in confirmation.configs.items()
    }
    assert columns["trial_2"] == {"user_id", "timestamp"}
    assert columns["trial_2_without_timestamp"] == {"user_id"}
    assert confirmation.configs["trial_1"]["model"]["dropout"] == 0.1
    reference = confirmation.configs["tutorial_three_layer"]
    assert (reference["model"]["layer_sizes"], reference["train"]["epochs"]) == ([128, 64, 32], 300)
    assert confirmation.directory.name == "confirmation"
    assert not confirmation.selects


def test_the_best_one_with_other_values_stands_beside_it(confirm):
    changes = "{narrow:{model.layer_sizes:[4]},same:{model.dropout:0.2}}"
    confirmation = confirm(
        f"++study.confirm.ablations={changes}", "study.confirm.without=[]", "study.reference=null"
    )
    # The best has this dropout already, and the second is no part of an ablation.
    assert list(confirmation.configs) == ["trial_2", "trial_2_with_narrow", "trial_1"]
    best, narrow, _ = confirmation.configs.values()
    assert narrow["model"] == best["model"] | {"layer_sizes": [4]}
    assert {**narrow, "model": 0} == {**best, "model": 0}
    asked = ConfirmConfig(without=[], ablations={"narrow": {}, "same": {}})
    told = list(skipped_parts(asked, "random", confirmation.configs))
    assert "with same: skipped; the best configuration has these values already" in told
    assert not any("narrow" in line for line in told)


def test_an_ablation_that_lists_features_is_what_a_study_reads_back(confirm):
    """Else the confirmation is refused as another one, in the very start that began it."""
    changes = "{id:{features.query:[{column:user_id,kind:embedding}]}}"
    confirmation = confirm(f"++study.confirm.ablations={changes}", "study.reference=null")
    ablated = confirmation.configs["trial_2_with_id"]
    (feature,) = ablated["features"]["query"]
    assert (feature["column"], feature["kind"], feature["dim"]) == ("user_id", "embedding", None)
    assert with_defaults(ablated) == ablated


def test_without_a_column_what_counts_the_users_rows_stays():
    config = to_dictionary(compose_config("features=sequence_and_user", "data.split=temporal"))
    kinds = [feature["kind"] for feature in config["features"]["query"]]
    assert kinds == ["sequence", "time_gap", "history_length", "embedding", "normalized"]
    for what, kind in (
        ("user_id", "embedding"),
        ("timestamp", "normalized"),
        ("time_gap", "time_gap"),
        ("history_length", "history_length"),
    ):
        ablated = without(config, what)
        left = [feature["kind"] for feature in ablated["features"]["query"]]
        assert left == [each for each in kinds if each != kind]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "Mean",
            {"model.dropout": 0.1},
            "the name may have lowercase letters, digits and single",
        ),
        (
            "mean",
            {},
            "got {}; must be a mapping of keys to values, such as {features.sequence.encoder: ",
        ),
        ("mean", 3, "got 3; must be a mapping of keys to values"),
        (
            "mean",
            {"features.sequence.encodr": "mean"},
            "is not a key of the configuration. Did you mean 'features.sequence.encoder'?",
        ),
        ("mean", {"data.split_seed": 3}, "got 'data.split_seed', which is not part of the model"),
        ("mean", {"train.seed": 3}, "got 'train.seed', which is not part of the model"),
        ("mean", {"train.restore_best": True}, "got 'train.restore_best', which is not part"),
        ("mean", {"model.dropout": 1.5}, "model.dropout: got 1.5; must be "),
        ("mean", {"train.epochs": "ten"}, "train.epochs: "),
    ],
)
def test_an_ablation_that_cannot_be_is_told_in_one_line(name, changes, words):
    confirm = ConfirmConfig(ablations={name: changes})
    (problem,) = ablation_problems(confirm, small_config())
    assert problem.startswith(f"study.confirm.ablations.{name}: ")
    assert words in problem


def test_its_trials_are_shown_by_the_studys_own_metric(confirm):
    assert confirm().study.objectives == [ObjectiveConfig("top_100", "maximize")]
    other = confirm("study.objectives=[{metric:seen_filtered_top_10}]", "study.name=other")
    assert other.study.objectives == [ObjectiveConfig("seen_filtered_top_10", "maximize")]


def test_it_can_be_sent_and_stored(confirm):
    confirmation = confirm()
    assert pickle.loads(cloudpickle.dumps(confirmation)).points == confirmation.points
    assert json.loads(json.dumps(confirmation.identity())) == confirmation.identity()


def test_several_splits_leave_no_test_row_that_the_search_never_saw(confirm):
    seeds = [point["data.split_seed"] for point in confirm("study.split_seeds=[3,7]").points]
    assert set(seeds) == {43}


def splits(confirmation: FixedGridPlan) -> list[tuple[int, int]]:
    """(cut, training seed) of the best one's trainings, in order."""
    assert all("data.split_seed" not in point for point in confirmation.points)
    return [
        (point["data.cut"], point["train.seed"])
        for point in confirmation.points
        if point["configuration"] == "trial_2"
    ]


def test_a_split_by_time_is_confirmed_at_cuts(confirm):
    confirmation = confirm("data.split=leave_last_out", "data.cut=1")
    # Cuts after the search's own are as untouched as that, and come with it.
    assert splits(confirmation) == [(1, 43), (0, 43), (1, 44), (0, 44), (2, 43), (2, 44)]
    assert "scored on test rows at cuts 1, 0, 2 (study.confirm)" in confirmation.purpose


@pytest.mark.parametrize(
    ("own", "number", "cuts"),
    [(0, None, [0, 1, 2]), (0, 1, [0]), (1, 3, [1, 0, 2]), (4, 3, [4, 3, 2]), (1, 1, [1])],
)
def test_the_cuts_begin_with_the_studys_own_and_go_on_with_what_came_after(own, number, cuts):
    data = DataConfig(split="temporal", cut=own)
    assert confirmed_cuts(ConfirmConfig(cuts=number), data) == cuts


def test_a_training_has_the_rows_of_its_cut(confirm):
    confirmation = confirm("data.split=temporal", "study.reference=null", "study.name=temporal")
    loader = GlobalHydra.instance().config_loader()
    config = loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    overrides = confirmation.space.overrides(confirmation.points[-1])
    composed = confirmation.compose(
        Composer(config, [], frozenset(TwoTowerApp.groups), loader), overrides
    )
    assert composed.data.cut == 2
    assert (composed.data.validation_size, composed.train.seed) == (0, 44)
    assert composed.evaluation.split == "test"


def test_what_a_confirmation_can_not_have_is_said(confirm):
    asked = ConfirmConfig(best=2, split_seeds=1, without=["timestamp", "history"])
    names = list(confirm().configs)
    no_history = "without history: skipped; no feature matches, or all features of a tower"
    assert list(skipped_parts(asked, "random", names)) == [no_history]
    no_splits = (
        "fresh splits: skipped; data.split 'temporal' is confirmed at cuts (data.cut) instead"
    )
    assert list(skipped_parts(asked, "temporal", names)) == [no_history, no_splits]


def test_a_reference_and_columns_may_be_left_out(confirm):
    confirmation = confirm("study.reference=null", "study.confirm.without=[]")
    assert list(confirmation.configs) == ["trial_2", "trial_1"]


def test_its_trials_are_tracked_as_the_command_line_says_under_the_studys_name(confirm):
    confirmation = confirm("study.reference=null")
    loader = GlobalHydra.instance().config_loader()
    config = loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    composer = Composer(config, ["tracking.wandb=towers"], frozenset(TwoTowerApp.groups), loader)
    overrides = ["configuration=trial_2", "data.split_seed=43", "train.seed=42"]
    composed = confirmation.compose(composer, overrides)
    assert (composed.model.dropout, composed.tracking.wandb) == (0.2, "towers")
    assert composed.study.name == "made_up/confirmation"


@pytest.mark.parametrize("what", ["user id", "Größe", "mine:Feature"])
def test_its_trials_find_their_configuration_whatever_it_is_called(confirm, what):
    confirmation = confirm("study.reference=null")
    name = f"2_towers_without_{what}"
    configs = {name: confirmation.configs["trial_1"]}
    listed = [{"configuration": name, "data.split_seed": 43, "train.seed": 42}]
    named = retraining(confirmation, "named", configs, listed, "")
    loader = GlobalHydra.instance().config_loader()
    config = loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    overrides = named.space.overrides(named.points[0])
    assert point_of(overrides) == named.points[0]
    composed = named.compose(Composer(config, [], frozenset(TwoTowerApp.groups), loader), overrides)
    assert (composed.model.dropout, composed.data.split_seed) == (0.1, 43)


def test_a_record_that_is_older_than_a_key_is_trained_with_its_default():
    record = trained()
    wanted = for_test_rows(record)
    del record.config["optimizer"]["schedule"]
    del record.config["evaluation"]["save_ranks"]
    assert for_test_rows(record) == wanted


def test_it_reads_the_data_where_it_lies_now(confirm):
    confirmation = confirm("data.cache_dir=elsewhere", "data.source=package_index")
    data = confirmation.configs["trial_1"]["data"]
    assert (data["cache_dir"], data["source"]) == ("elsewhere", "package_index")


def test_data_whose_source_is_searched_stay_the_trials(confirm):
    confirmation = confirm(
        "data.source=package_index,tfds", "data.cache_dir=elsewhere", "study.reference=null"
    )
    data = confirmation.configs["trial_1"]["data"]
    assert (data["cache_dir"], data["source"]) == ("elsewhere", "auto")


def test_one_that_ended_before_its_study_was_made_is_made_where_it_began(confirm, monkeypatch):
    place = confirm().directory
    place.mkdir()
    (place / ELSEWHERE).touch()
    begun = Mock(exists=Mock(return_value=False))
    monkeypatch.setattr("sweeper.study.fixed_grid.storage_in", lambda directory: begun)
    assert confirm().directory == place


def test_a_study_without_a_finished_trial_has_nothing_to_confirm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with planner() as hydra, pytest.raises(StudyError, match=r"no trial of .* is complete"):
        plan_confirmation(
            hydra.plan(*SEARCH, *CONFIRM), made_up_study(top_100="maximize"), hydra.loader
        )


@pytest.mark.slow
def test_a_search_and_its_confirmation_with_real_trials(tmp_path: Path):
    (tmp_path / "own/experiment").mkdir(parents=True)
    (tmp_path / "own/experiment/tiny.yaml").write_text(TINY)

    def sweeper(*arguments: str) -> str:
        done = run_module(
            tmp_path, "sweeper", "--config-dir", "own", "study=architecture", "data=synthetic",
            "train.epochs=3", "train.eval_every_epochs=1", "study.name=s",
            "study.confirm.best=1", "study.confirm.train_seeds=2", "study.confirm.split_seeds=1",
            "study.reference=tiny", *arguments, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    sweeper("study.n_trials=2")
    places = sorted((tmp_path / "outputs/s/confirmation/trials").iterdir())
    found = [records.read(place) for place in places]
    # The best one, without its timestamp, and the reference: two training seeds, a fresh split.
    assert len(found) == 9
    assert all(record.data["rows"]["validation"] == 0 for record in found)
    assert [record.config["train"]["seed"] for record in found] == [43] * 3 + [44] * 3 + [42] * 3
    for place, record in zip(places, found, strict=True):
        ranks = pyarrow.parquet.read_table(place / records.ROWS["test"])["model_rank"].to_numpy()
        assert float((ranks < 100).mean()) == record.metrics["test"]["top_100"]
        assert set(record.coverage) == {"model", "popularity", "ease"}
    assert len({tuple(point_of(overrides(place)).values()) for place in places}) == 9
    # The reference was trained before the search, on its rows, and stands in its leaderboard.
    reference = records.read(tmp_path / "outputs/s/reference/trials/0000")
    assert (reference.config["name"], set(reference.metrics)) == ("tiny", {"validation"})
    first = records.read(tmp_path / "outputs/s/trials/0000")
    assert reference.started <= first.started
    assert reference.data == first.data
    # The same command finds all done.
    printed = sweeper("study.n_trials=2")
    assert "the study already has 9 trials" in printed
    assert f"tiny: top_100 {reference.metrics['validation']['top_100']:.4f}" in printed
    report = (tmp_path / "outputs/s/report.md").read_text()
    assert "| – | tiny |" in report
    assert "Against trial" in report
    # Another best is confirmed in a place of its own.
    sweeper("study.n_trials=3", "study.confirm.train_seeds=1")
    assert (tmp_path / "outputs/s/confirmation_2/leaderboard.csv").exists()


@pytest.mark.slow
def test_a_search_by_time_and_its_confirmation_with_real_trials(tmp_path: Path):
    def sweeper() -> str:
        done = run_module(
            tmp_path, "sweeper", "study=architecture", "study.name=s", "data=synthetic",
            "data.synthetic.num_interactions=4000", "data.synthetic.num_users=100",
            "data.split=temporal", "data.cut=1", "train.epochs=1", "study.pruner=none",
            "study.n_trials=1", "study.confirm.best=1", "study.confirm.train_seeds=1",
            "study.confirm.without=[]", "study.reference=null", timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    printed = sweeper()
    assert "scored on test rows at cuts 1, 0, 2 (study.confirm)" in printed
    assert "fresh splits: skipped; data.split 'temporal' is confirmed at cuts (data.cut)" in printed
    places = sorted((tmp_path / "outputs/s/confirmation/trials").iterdir())
    found = {record.config["data"]["cut"]: record for record in map(records.read, places)}
    rows = {cut: record.data["rows"] for cut, record in found.items()}
    assert rows == {
        cut: {"train": 3200 - 800 * cut, "validation": 0, "test": 800} for cut in (1, 0, 2)
    }
    # Pairs of a user and an item are distinct: no row is in two cuts.
    pairs: set[tuple[int, int]] = set()
    for place in places:
        ranks = pyarrow.parquet.read_table(place / records.ROWS["test"])
        pairs |= set(zip(ranks["user"].to_pylist(), ranks["item"].to_pylist(), strict=True))
    assert len(pairs) == 3 * 800
    report = (tmp_path / "outputs/s/report.md").read_text()
    assert "on the test rows of cuts 0 and 1, one seed" in report
    assert "At the earlier cut 2 (a rolling origin" in report
    assert "| configuration | cut 0 | cut 1 | cut 2, earlier |" in report
    # The same command finds all done.
    assert "the study already has 3 trials" in sweeper()


def overrides(place: Path) -> list[str]:
    return (place / ".hydra/overrides.yaml").read_text().replace("- ", "").split()
