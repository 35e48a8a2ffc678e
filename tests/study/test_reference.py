"""The reference of a study: what is trained, and what is stored."""

from __future__ import annotations

import pytest
from made_up_trials import FAIL, made_up_result, made_up_study, made_up_trial
from plans import planner

from sweeper.common.errors import ConfigError
from sweeper.study import attributes
from sweeper.study.fixed_grid import FixedGridPlan
from sweeper.study.outputs.leaderboard import leaderboard_rows
from sweeper.two_tower.config import config_directory
from sweeper.two_tower.studies.reference import keep_reference, plan_reference

SEARCH = ("model.dropout=interval(0,0.5)", "study.n_trials=3")
REFERENCE = "study.reference=tutorial_three_layer"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with planner() as hydra:
        yield lambda *arguments: plan_reference(
            hydra.plan(*SEARCH, REFERENCE, *arguments), hydra.loader
        )


def test_it_is_the_experiment_on_the_rows_of_the_trials(plan):
    planned = plan("data.split_seed=7", "data.validation_size=5000", "evaluation.score_test=true")
    assert planned.directory.name == "reference"
    assert planned.fixed_points == [
        {"configuration": "tutorial_three_layer", "data.split_seed": 7, "train.seed": 42}
    ]
    config = planned.configs["tutorial_three_layer"]
    assert (config["model"]["layer_sizes"], config["train"]["epochs"]) == ([128, 64, 32], 300)
    assert (config["data"]["split_seed"], config["data"]["validation_size"]) == (7, 5000)
    # No test row is looked at for it either, unless the study does.
    evaluation = config["evaluation"]
    assert (evaluation["split"], evaluation["score_test"]) == ("validation", False)
    assert not planned.selects
    # It says what runs, for how long, and why.
    assert planned.purpose == (
        "tutorial_three_layer, 300 epochs, is trained once before the trials, which are compared "
        "with it (study.reference)"
    )
    assert planned.keeps_best == config["train"]["restore_best"]


def test_alone_it_has_all_cores_that_the_study_has(plan):
    planned = plan("study.workers=2", "train.threads=1")
    assert (planned.workers, planned.threads) == (1, 1)
    planned = plan("study.split_seeds=[3,4,5]", "study.workers=2", "train.threads=1")
    assert (planned.workers, planned.threads) == (2, 1)
    assert [point["data.split_seed"] for point in planned.fixed_points] == [3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study.reference=tutorial_three_layers"], "Did you mean 'tutorial_three_layer'?"),
        (["-m", REFERENCE, "data.split_seed=1,2"], "while data.split_seed is searched"),
        (["-m", REFERENCE, "data=synthetic,movielens_100k"], "while data is searched"),
    ],
)
def test_one_that_cannot_stand_beside_the_trials_is_refused(arguments, words):
    given = arguments[1:] if arguments[0] == "-m" else [*SEARCH, *arguments]
    with planner() as hydra, pytest.raises(ConfigError, match=r"study\.reference: got") as error:
        hydra.plan(*given)
    assert words in "\n".join(error.value.problems)


@pytest.mark.parametrize("name", ["ease", "EASE", "popularity", "trial_3"])
def test_a_name_that_stands_for_a_baseline_or_a_trial_is_refused(name, tmp_path):
    """Its figures would stand in place of theirs."""
    shipped = config_directory() / "experiment" / "tutorial_two_layer.yaml"
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / f"{name}.yaml").write_text(shipped.read_text())
    with planner(tmp_path) as hydra, pytest.raises(ConfigError) as error:
        hydra.plan(*SEARCH, f"study.reference={name}")
    assert f"study.reference: got '{name}', which is a name of a baseline" in "\n".join(
        error.value.problems
    )


def trained(planned: FixedGridPlan, *scores: float | None):
    """A study of the reference's trainings; None is one that failed."""
    study = made_up_study(top_100="maximize")
    for number, (point, score) in enumerate(zip(planned.fixed_points, scores, strict=True)):
        if score is None:
            study.add_trial(made_up_trial(number, FAIL, params=point))
        else:
            result = made_up_result({"top_100": score})
            study.add_trial(made_up_trial(number, values=[score], params=point, result=result))
    return study


def test_its_mean_is_a_baseline_of_every_trial(plan):
    planned = plan("study.split_seeds=[3,4]")
    study = made_up_study(top_100="maximize")
    study.add_trial(made_up_trial(0, values=[0.4], result=made_up_result({"top_100": 0.4})))
    study.add_trial(made_up_trial(1, FAIL))
    assert keep_reference(study, planned, trained(planned, 0.2, 0.3))
    kept = study.user_attrs[attributes.REFERENCE]
    assert (kept["name"], kept["metrics"]) == ("tutorial_three_layer", {"top_100": 0.25})
    assert [(run["split_seed"], run["directory"]) for run in kept["runs"]] == [
        (3, "reference/trials/0000"),
        (4, "reference/trials/0001"),
    ]
    first, failed = leaderboard_rows(study)
    assert first.result["baselines"] == {
        "popularity": {"top_100": 0.2989},
        "tutorial_three_layer": {"top_100": 0.25},
    }
    assert failed.result == {}
    # What a trial left is as it was.
    assert list(study.trials[0].user_attrs["result"]["baselines"]) == ["popularity"]


def test_one_that_failed_is_none(plan):
    planned = plan("study.split_seeds=[3,4]")
    study = made_up_study(top_100="maximize")
    assert not keep_reference(study, planned, trained(planned, 0.2, None))
    assert attributes.REFERENCE not in study.user_attrs
