"""From a composed configuration and a command line to a plan, or to all that is wrong with it."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from joblib.externals import cloudpickle
from omegaconf import OmegaConf
from plans import planner

from sweeper.common.errors import ConfigError
from sweeper.study import attributes, launchers
from sweeper.study.launchers import share_cores
from sweeper.study.plan import Plan
from sweeper.study.resume_check import check_identity
from sweeper.study.storage.factory import load_study
from sweeper.study.storage.files import Sqlite
from sweeper.two_tower.studies.reference import plan_reference

RATE = "optimizer.learning_rate=interval(0.01,1)"


@pytest.fixture
def plan_of() -> Iterator[Callable[..., Plan]]:
    """Plans what a multirun with these arguments would run."""
    with planner() as hydra:
        yield hydra.plan


@pytest.fixture
def problems_of(plan_of) -> Callable[..., list[str]]:
    def problems(*arguments: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            plan_of(*arguments)
        return caught.value.problems

    return problems


def test_a_grid_of_the_command_line(plan_of):
    plan = plan_of("model=one_layer,two_layer", "data.split_seed=0,1,2", "train.epochs=6")
    assert (plan.study.sampler, plan.study.pruner, plan.total) == ("grid", "none", 6)
    assert plan.fixed == ["train.epochs=6"]
    points = [plan.space.overrides(point) for point in plan.points]
    assert points == [
        [f"model={model}", f"data.split_seed={seed}"]
        for model in ("one_layer", "two_layer")
        for seed in range(3)
    ]


def test_a_grid_of_nothing_is_one_trial(plan_of):
    plan = plan_of("train.epochs=6")
    assert (plan.total, plan.points, plan.space.names) == (1, [{}], [])


def test_a_study_of_a_file_with_changes(plan_of):
    plan = plan_of(
        "study=architecture",
        "study.n_trials=7",
        "study.sampler=random",
        RATE,
        "model.dropout=0,0.1",
    )
    assert plan.name == "architecture"
    assert plan.directory == Path("outputs/architecture").absolute()
    assert (plan.study.sampler, plan.study.pruner) == ("random", "successive_halving")
    assert plan.total == 7
    assert "adam_learning_rate" not in plan.space.names
    values = plan.space.describe()
    assert (values["optimizer.learning_rate"]["low"], values["model.dropout"]["choices"]) == (
        0.01,
        [0, 0.1],
    )


def test_the_defaults_of_a_search(plan_of):
    plan = plan_of(RATE, "study.timeout_seconds=60")
    assert (plan.study.sampler, plan.study.pruner) == ("tpe", "successive_halving")
    assert plan.total is None


def test_a_plan_can_be_sent_and_its_identity_stored(plan_of):
    plan = plan_of("study=loss")
    assert pickle.loads(cloudpickle.dumps(plan)).space.names == plan.space.names
    assert json.loads(json.dumps(plan.identity())) == plan.identity()


def test_what_changes_no_result_is_no_part_of_the_identity(plan_of):
    one = plan_of(RATE, "study.n_trials=3")
    other = plan_of(
        RATE, "study.n_trials=5", "study.sampler=random", "study.seed=3", "study.pruner=none",
        "name=mine", "data.cache_dir=/tmp", "train.threads=1", "study.workers=1",
        "tracking.tensorboard=true",
    )  # fmt: skip
    assert one.identity() == other.identity()


def test_what_changes_results_is_part_of_the_identity(plan_of):
    changes = ["train.epochs=7", "study.split_seeds=[1,2]", "model.dropout=0,0.5"]
    identities = [
        plan_of(RATE, "study.n_trials=3", *each).identity() for each in ([], *zip(changes))
    ]
    assert all(one != other for one, other in itertools.combinations(identities, 2))


def test_what_stands_in_the_searched_files_is_part_of_the_identity(plan_of):
    plan = plan_of("model=one_layer,two_layer")
    # Only what is not the base configuration's own.
    assert plan.files == {"model=one_layer": {}, "model=two_layer": {"model.layer_sizes": [64, 32]}}
    assert plan.identity() != replace(plan, files={"model=one_layer": {}}).identity()
    # What a file's own defaults list pulls in counts too.
    files = plan_of("experiment=tutorial_shallow,catalogue_softmax").files
    assert files["experiment=catalogue_softmax"]["task.name"] == "full_softmax"


def test_the_most_epochs_of_any_trial(plan_of):
    assert plan_of("train.epochs=20").max_steps == 20
    assert plan_of("study.n_trials=3", "train.epochs=int(interval(20,50))").max_steps == 50
    assert plan_of("train=quick,tutorial").max_steps == 300


def test_a_study_lies_where_its_name_says(plan_of):
    assert plan_of(RATE, "study.n_trials=3", "study.name=a").directory.parts[-2:] == (
        "outputs",
        "a",
    )
    assert plan_of(RATE, "study.n_trials=3").directory.parts[-3:-1] == ("outputs", "multirun")
    assert plan_of("study=loss", "study.name=b").directory.parts[-2:] == ("outputs", "b")


SEARCH = (RATE, "study.n_trials=3")
UNSEEN = "study.objectives=[{metric: seen_filtered_top_100}]"
METRIC = "evaluation.metric"


@pytest.mark.parametrize(
    ("arguments", "metric", "set_by_the_plan"),
    [
        ((), "top_100", False),
        (("study.objectives=[{metric: top_10}]",), "top_10", True),
        ((UNSEEN,), "seen_filtered_top_100", True),
        ((UNSEEN, f"{METRIC}=seen_filtered_top_100"), "seen_filtered_top_100", False),
        # One that isn't known while a trial runs leaves it to the user.
        (("study.objectives=[{metric: train_seconds, direction: minimize}]",), "top_100", False),
        (
            (
                "study.objectives=[{metric: num_parameters, direction: minimize}, {metric: top_1}]",
                f"{METRIC}=top_1",
            ),
            "top_1",
            False,
        ),
    ],
)
def test_trials_go_by_the_first_objective(plan_of, arguments, metric, set_by_the_plan):
    plan = plan_of(*SEARCH, *arguments)
    assert plan.trial.evaluation.metric == metric
    given = [text for text in arguments if text.startswith(METRIC)]
    added = [f"{METRIC}={metric}"] if set_by_the_plan else []
    assert [text for text in plan.fixed if text.startswith(METRIC)] == [*given, *added]


def test_every_trial_is_composed_with_the_metric_also_where_a_file_is_searched(tmp_path):
    with planner() as hydra:
        arguments = ("experiment=tutorial_shallow,catalogue_softmax", UNSEEN)
        plan = hydra.plan(*arguments)
        composer = hydra.composer(plan, *arguments)
        for point in plan.points:
            composed = plan.compose(composer, plan.space.overrides(point))
            assert composed.evaluation.metric == "seen_filtered_top_100"
            assert f"{METRIC}=seen_filtered_top_100" in composed.hydra.overrides.task


def test_the_reference_goes_by_the_metric_of_the_study():
    with planner() as hydra:
        plan = hydra.plan(*SEARCH, UNSEEN, "study.reference=tutorial_three_layer")
        reference = plan_reference(plan, hydra.loader)
    assert reference.configs["tutorial_three_layer"]["evaluation"]["metric"] == (
        "seen_filtered_top_100"
    )
    assert [objective.metric for objective in reference.study.objectives] == [
        "seen_filtered_top_100"
    ]


def before_the_keys(identity: dict) -> dict:
    """What a study has stored that began when the configuration had fewer keys."""
    old = json.loads(json.dumps(identity))
    for settings in (old[attributes.PROTOCOL], *old.get(attributes.CONFIGS, {}).values()):
        for key in (METRIC, "train.precision", "data.columns.weight", "model.tower_options"):
            del settings[key]
        for feature in [*settings["features.query"], *settings["features.candidate"]]:
            del feature["options"]
    return old


def test_a_study_that_began_before_some_keys_goes_on(plan_of, tmp_path):
    plan = plan_of(*SEARCH)
    Sqlite(tmp_path).make(plan.study.objectives, before_the_keys(plan.identity()), "s")
    study = load_study(tmp_path)
    check_identity(study, tmp_path, plan.identity(), plan.app)
    # What goes by another figure is another study.
    with pytest.raises(ConfigError) as caught:
        check_identity(study, tmp_path, plan_of(*SEARCH, UNSEEN).identity(), plan.app)
    keys = [problem.split(":")[0] for problem in caught.value.problems]
    assert METRIC in keys


def test_a_study_whose_trials_kept_their_weights_by_another_figure_is_not_mixed(plan_of, tmp_path):
    plan = plan_of(*SEARCH, UNSEEN)
    assert plan.identity()[attributes.PROTOCOL][METRIC] == "seen_filtered_top_100"
    Sqlite(tmp_path).make(plan.study.objectives, before_the_keys(plan.identity()), "s")
    with pytest.raises(ConfigError) as caught:
        check_identity(load_study(tmp_path), tmp_path, plan.identity(), plan.app)
    (problem,) = caught.value.problems
    assert problem.startswith(
        f"{METRIC}: got seen_filtered_top_100, but the study began with top_100"
    )


def test_a_reference_from_before_some_keys_is_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with planner() as hydra:
        plan = hydra.plan(*SEARCH, "study.reference=tutorial_three_layer")
        first = plan_reference(plan, hydra.loader)
        first.directory.mkdir(parents=True)
        values = before_the_keys(first.identity())
        Sqlite(first.directory).make(first.study.objectives, values, first.name)
        assert plan_reference(plan, hydra.loader).directory == first.directory


WRONG = [
    (
        [*SEARCH, UNSEEN, f"{METRIC}=top_100"],
        f"{METRIC}: got 'top_100' while study.objectives[0].metric is 'seen_filtered_top_100'; ",
    ),
    (
        [*SEARCH, f"{METRIC}=seen_filtered_top_10"],
        f"{METRIC}: got 'seen_filtered_top_10' while study.objectives[0].metric is 'top_100'; ",
    ),
    ([f"{METRIC}=top_100,top_10"], f"{METRIC}: must not be searched"),
    (
        [f"+study.space={{{METRIC}: {{choices: [top_100, top_10]}}}}", "study.n_trials=3"],
        f"{METRIC}: must not be searched",
    ),
    (
        [
            "+study.space={experiment: {choices: [tutorial_shallow, catalogue_softmax]}}",
            "study.sampler=random",
            "study.n_trials=3",
        ],
        "evaluation.split: got 'test', on which a search would choose",
    ),
    (
        ["experiment=tutorial_shallow,catalogue_softmax", "study.confirm.best=1"],
        "study.confirm.best: got 1 with evaluation.split 'test'",
    ),
    (
        ["data.split_seed=42,43", "study.confirm.best=2"],
        "study.confirm.best: got 2 while data.split_seed is searched",
    ),
    (
        ["data.cut=0,1", "data.split=temporal", "study.confirm.best=2"],
        "study.confirm.best: got 2 while data.cut is searched",
    ),
    (
        ["data.cut=0,1", RATE, "data.split=temporal", "study.n_trials=3"],
        "data.cut: must not be searched by study.sampler 'tpe', which would choose the luckiest",
    ),
    (
        [RATE, "study.n_trials=3", "study.confirm.best=1", "study.confirm.cuts=2"],
        "study.confirm.cuts: got 2 with data.split 'random', which has no cuts; must be null",
    ),
    (
        [RATE, "study.n_trials=3", "study.reference=tutorial"],
        "study.reference: got 'tutorial'; must be null or one of",
    ),
    (
        [
            RATE,
            "study.n_trials=3",
            "study.split_seeds=[1,2]",
            "study.confirm.best=1",
            "study.confirm.split_seeds=0",
        ],
        "study.confirm.best: got 1 with study.split_seeds [1, 2]",
    ),
    (
        ["model=one_layer,two_layer", "study.n_trials=3", "study.sampler=cmaes"],
        "study.sampler: got 'cmaes', which samples only ranges that every trial has",
    ),
    (["model.dropout=interval(0,0.5)", "study.sampler=grid"], "model.dropout: is a range without"),
    ([RATE], "study.n_trials: study.sampler 'tpe' never ends"),
    (["study.n_trials=3", "study.sampler=tpe"], "study.space: is empty"),
    (["model.dropout=0,1.5"], "model.dropout: got 1.5"),
    (["model.dropout=interval(0,2)", "study.n_trials=3"], "model.dropout.high: got 2.0"),
    ([RATE, "study.n_trials=3", "study.enqueue=[{x: 1}]"], "study.enqueue[0].x: is not searched"),
    (
        [RATE, "study.n_trials=3", "study.enqueue=[{optimizer.learning_rate: 2}]"],
        "study.enqueue[0].optimizer.learning_rate: got 2",
    ),
    ([RATE, "study.n_trials=3", "study.callbacks=[toy_study:nothing]"], "study.callbacks[0]: got"),
    ([RATE, "study.n_trials=3", "study.warm_start=/nowhere"], "study.warm_start: got '/nowhere'"),
    (
        ["model=one_layer,two_layer", "study.workers=2", "hydra/launcher=basic"],
        "study.workers: got 2 with hydra/launcher 'basic'",
    ),
    (
        ["model=one_layer,two_layer", "hydra/launcher=ray", "hydra.launcher.ray.init.address=auto"],
        "study.workers: got 'auto' with hydra/launcher 'ray'; must be the number",
    ),
    (["+study.space.model={choices: [one_layer, no_layer]}"], "study.space.model"),
    ([RATE, "study.n_trials=0"], "study.n_trials: got 0"),
]


@pytest.mark.parametrize(("arguments", "start"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_told_with_its_key(problems_of, arguments, start):
    assert [line for line in problems_of(*arguments) if line.startswith(start)]


def test_all_that_is_wrong_is_told_at_once(problems_of):
    problems = problems_of(
        RATE,
        "+study.sampler_options.tpe.n=1",
        "study.objectives=[{metric: top_9}]",
        "study.max_failures=-1",
    )
    keys = {problem.split(":")[0] for problem in problems}
    assert keys == {
        "study.n_trials", "study.sampler_options.tpe.n", "study.objectives[0].metric",
        "study.max_failures",
    }  # fmt: skip


RAY_ELSEWHERE = {"ray": {"init": {"address": "auto"}, "remote": {"num_cpus": None}}}
RAY_HERE = {"ray": {"init": {"address": "local"}, "remote": {"num_cpus": 2}}}


@pytest.mark.parametrize(
    ("workers", "threads", "launcher", "options", "shared"),
    [
        ("auto", None, "joblib", {}, (8, 1)),
        ("auto", 2, "joblib", {}, (4, 2)),
        ("auto", 3, "joblib", {}, (2, 3)),
        ("auto", 16, "joblib", {}, (1, 16)),
        (2, None, "joblib", {}, (2, 4)),
        (3, None, "joblib", {}, (3, 2)),
        (16, None, "joblib", {}, (16, 1)),
        (2, 8, "joblib", {}, (2, 8)),
        ("auto", None, "basic", {}, (1, 8)),
        (1, 2, "basic", {}, (1, 2)),
        ("auto", None, "ray", RAY_HERE, (4, 2)),
        # This machine's cores say nothing of the others'.
        (2, None, "ray", RAY_ELSEWHERE, (2, 1)),
        (2, None, "submitit_slurm", {"cpus_per_task": None}, (2, 1)),
        (100, None, "submitit_slurm", {"cpus_per_task": 4}, (100, 4)),
        (2, 3, "submitit_slurm", {"cpus_per_task": 4}, (2, 3)),
        (2, None, "submitit_local", {"cpus_per_task": None}, (2, 4)),
    ],
)
def test_workers_and_their_threads_use_all_cores(
    monkeypatch, workers, threads, launcher, options, shared
):
    monkeypatch.setattr(launchers, "available_cores", lambda: 8)
    choices = {"runtime": {"choices": {"hydra/launcher": launcher}}}
    config = OmegaConf.create({"hydra": {**choices, "launcher": options}})
    assert share_cores(config, workers, threads) == shared


@pytest.mark.parametrize(
    ("launcher", "extra"),
    [("ray", "ray"), ("submitit_slurm", "slurm"), ("submitit_local", "slurm")],
)
def test_a_launcher_that_is_not_installed_is_told_with_its_extra(
    monkeypatch, problems_of, launcher, extra
):
    monkeypatch.setattr(launchers, "find_spec", lambda _: None)
    arguments = ["model=one_layer,two_layer", f"hydra/launcher={launcher}", "study.workers=2"]
    assert problems_of(*arguments) == [
        f"hydra/launcher: got {launcher!r}, which is not installed; install it with pip install -c "
        f"constraints.txt -e '.[{extra}]'"
    ]
