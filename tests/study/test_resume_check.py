"""Nothing that affects results may change between two starts of a study."""

from __future__ import annotations

import json

import pytest
from new_studies import IDENTITY, begun, new_study

from sweeper.common.errors import ConfigError
from sweeper.study import attributes
from sweeper.study.resume_check import check_identity
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import Config, DataConfig, to_dictionary
from sweeper.two_tower.studies.data_check import check_scores

APP = TwoTowerApp()

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_the_same_identity_has_no_difference(tmp_path):
    study = new_study(tmp_path)
    check_identity(study, tmp_path, json.loads(json.dumps(IDENTITY)), APP)


@pytest.mark.parametrize(
    ("attribute", "value", "line"),
    [
        (
            attributes.SPACE,
            {"optimizer.learning_rate": {"low": 0.01, "high": 0.2, "log": True}},
            "study.space.optimizer.learning_rate.high: got 0.2, but the study began with 0.1",
        ),
        (attributes.SPACE, {}, "study.space.optimizer.learning_rate: was set when"),
        (
            attributes.OBJECTIVES,
            {"top_100": "minimize"},
            "study.objectives.top_100: got minimize, but the study began with maximize",
        ),
        (
            attributes.PROTOCOL,
            {**IDENTITY[attributes.PROTOCOL], "model.layer_sizes": [32, 32]},
            "model.layer_sizes: got [32, 32], but the study began with [32]",
        ),
        (
            attributes.PROTOCOL,
            {**IDENTITY[attributes.PROTOCOL], "new": None},
            "new: was not set when the study began",
        ),
    ],
)
def test_a_difference_is_told_with_its_key(tmp_path, attribute, value, line):
    study = new_study(tmp_path)
    with pytest.raises(ConfigError) as caught:
        check_identity(study, tmp_path, {**IDENTITY, attribute: value}, APP)
    (problem,) = caught.value.problems
    assert problem.startswith(line)
    assert problem.endswith("to start a new study, set another study.name or hydra.sweep.dir")


def test_all_differences_are_told_at_once(tmp_path):
    study = new_study(tmp_path)
    other = {key: dict.fromkeys(value, "another") for key, value in IDENTITY.items()}
    with pytest.raises(ConfigError) as caught:
        check_identity(study, tmp_path, other, APP)
    assert len(caught.value.problems) == 2 + len(IDENTITY[attributes.PROTOCOL])


@pytest.mark.parametrize("metric", ["seen_filtered_top_10", "top_10"])
def test_trials_scored_by_another_rule_are_not_gone_on_with(tmp_path, metric):
    """Only where a seen-filtered metric orders them; a trial without metrics has no rule."""
    study = new_study(tmp_path, {**IDENTITY, attributes.OBJECTIVES: {metric: "maximize"}})
    scored = {"top_10": 0.4, "seen_filtered_top_10": 0.5}
    for metrics in ({}, scored | {"seen_filtered_mrr": 0.3}):
        begun(study, **{attributes.RESULT: {"metrics": metrics}})
    check_scores(study, tmp_path)
    begun(study, **{attributes.RESULT: {"metrics": scored}})
    if metric == "top_10":
        check_scores(study, tmp_path)
        return
    with pytest.raises(ConfigError, match=r"has scored trial 2 of .* a new study, set"):
        check_scores(study, tmp_path)


@pytest.mark.parametrize(
    ("split", "seen", "now", "problems"),
    [
        # A study from before there was a choice left out what the training rows hold.
        ("random", None, "auto", []),
        ("random", "training", "auto", []),
        ("temporal", None, "training", []),
        (
            "temporal",
            None,
            "auto",
            ["evaluation.seen: got before, but the study began with training"],
        ),
    ],
)
def test_what_auto_stands_for_is_compared(tmp_path, split, seen, now, problems):
    def protocol(seen: str | None) -> dict[str, object]:
        config = to_dictionary(Config(data=DataConfig(split=split)))
        config["evaluation"]["seen"] = seen
        if seen is None:
            del config["evaluation"]["seen"]
        return APP.result_affecting_keys(config)

    study = new_study(tmp_path, {**IDENTITY, attributes.PROTOCOL: protocol(seen)})
    found = []
    try:
        check_identity(study, tmp_path, {**IDENTITY, attributes.PROTOCOL: protocol(now)}, APP)
    except ConfigError as error:
        found = [problem.split(";")[0] for problem in error.problems]
    assert found == problems
