"""Each rule of a study with its message: the key, what was given, what would be right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_up_configs import SEEDS, SEQUENTIAL, objectives, study_config, trial_config

from sweeper.study.algorithms.choices import resolve_pruner, resolve_sampler
from sweeper.study.config import ObjectiveConfig
from sweeper.study.validation import study_problems
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import Config
from sweeper.two_tower.studies.study_rules import example_problems


def problems_of(
    config: Config | None = None,
    names: tuple[str, ...] = ("optimizer.learning_rate",),
    continuous: tuple[str, ...] = (),
    numeric: tuple[str, ...] = ("optimizer.learning_rate",),
    **values: Any,
) -> list[str]:
    app, config = TwoTowerApp(), config or trial_config()
    study = study_config(**values)
    study.sampler = resolve_sampler(study, continuous)
    study.pruner = resolve_pruner(study, config, app)
    app.objective_overrides(study, config, ())
    space: Any = SimpleNamespace(
        keys=names, continuous=lambda: continuous, unconditional_ranges=lambda: numeric
    )
    problems = study_problems(study, config, space, app)
    return [*problems, *app.study_problems(study, config, names)]


def only_problem(**values: Any) -> str:
    problems = problems_of(**values)
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"timeout_seconds": 60.0, "n_trials": None},
        {"sampler": "grid", "n_trials": None},
        {"objectives": objectives("top_1", "seen_filtered_top_50", "num_parameters")},
        {"objectives": objectives("top_100", "train_seconds"), "sampler": "nsga2"},
        {"objectives": objectives("train_seconds")},
        {"pruner": "hyperband"},
        {"split_seeds": [7, 8]},
        {**SEQUENTIAL},
        {**SEQUENTIAL, "pruner": "median"},
        {**SEQUENTIAL, "split_seeds": [1, 2]},
        {"sampler_options": {"tpe": {"n_startup_trials": 5}, "cmaes": {"popsize": 8}}},
        {"pruner": "threshold", "pruner_options": {"threshold": {"lower": 0.1}}},
        {"name": "first study.2"},
        {"callbacks": ["posixpath:join"]},
    ],
)
def test_what_is_right(values):
    assert problems_of(**values) == []


# Study's values, and its one problem from the key on.
VALUES = [
    ({"seed": -1}, "study.seed: got -1; must be a finite number of at least 0"),
    ({"n_trials": 0}, "study.n_trials: got 0; must be a finite number of at least 1"),
    (
        {"workers": "all"},
        "study.workers: got 'all'; must be auto or a whole number from 1 to 1,000",
    ),
    ({"objectives": []}, "study.objectives: got []; must be given, not empty"),
    (
        {"objectives": [ObjectiveConfig(direction="up")]},
        "study.objectives[0].direction: got 'up'; must be one of maximize, minimize",
    ),
    (
        {"sampler": "tpa"},
        "study.sampler: got 'tpa'; must be one of tpe, random, grid, qmc, cmaes, nsga2, gp. "
        "Did you mean 'tpe'?",
    ),
    ({"pruner": "medain"}, "must be one of successive_halving, hyperband, median, percentile, "),
    ({"seed_mode": "both"}, "study.seed_mode: got 'both'; must be one of lockstep, sequential"),
    ({"name": ""}, "study.name: got ''; must be a name for a directory"),
    ({"name": "a/b"}, "study.name: got 'a/b'; must be a name for a directory: not empty, "),
    ({"name": "a\\b"}, "study.name: got 'a\\\\b'; must be"),
    (
        {
            "name": "..",
        },
        "study.name: got '..'; must be",
    ),
    ({"name": ".hidden"}, "study.name: got '.hidden'; must be"),
    (
        {"warm_start": "/nowhere/at/all"},
        "study.warm_start: got '/nowhere/at/all', which holds no study (study.db, study.journal, ",
    ),
    ({"warm_start": ""}, "study.warm_start: got '', which holds no study (study.db"),
    (
        {"objectives": objectives("top_10 0")},
        "study.objectives[0].metric: got 'top_10 0'; must be one of top_1, top_5, top_10, top_50, "
        "top_100, ndcg_1, ndcg_5, ndcg_10, ndcg_50, ndcg_100, mrr, seen_filtered_top_1, "
        "seen_filtered_top_5, seen_filtered_top_10, seen_filtered_top_50, seen_filtered_top_100, "
        "seen_filtered_ndcg_1, seen_filtered_ndcg_5, seen_filtered_ndcg_10, "
        "seen_filtered_ndcg_50, seen_filtered_ndcg_100, seen_filtered_mrr, num_parameters, "
        "milliseconds_per_query, train_seconds. Did you mean 'top_100'?",
    ),
    (
        {"objectives": objectives("recall@100")},
        "train_seconds. It is called 'top_100' here: a row has one relevant item",
    ),
    ({"objectives": objectives("")}, "study.objectives[0].metric: got ''; must be given"),
    (
        {"objectives": objectives("top_5", "top_1", "top_5")},
        "study.objectives[2].metric: got 'top_5', which an earlier objective has; must be given "
        "once",
    ),
    (
        {"objectives": objectives("top_100", "milliseconds_per_query")},
        "study.objectives[1].metric: got 'milliseconds_per_query', which is never measured; set "
        "evaluation.measure_latency=true",
    ),
    (
        {"objectives": [ObjectiveConfig("num_parameters")]},
        "study.objectives[0].direction: got 'maximize' for num_parameters, which is a cost; must "
        "be minimize",
    ),
    (
        {"sampler": "grid", "enqueue": [{"model.dropout": 0.1}]},
        "study.enqueue: cannot be combined with study.sampler 'grid', which tries all values",
    ),
    (
        {"n_trials": None},
        "study.n_trials: study.sampler 'tpe' never ends by itself; must be set, or "
        "study.timeout_seconds must be",
    ),
    (
        {"names": (), "space": {}, "sampler": "random"},
        "study.space: is empty, and the command line searches no value, but study.sampler is "
        "'random'; must have a parameter to search",
    ),
    (
        {"sampler": "grid", "continuous": ("optimizer.learning_rate",)},
        "study.space.optimizer.learning_rate: is a range without a step, which a grid can't list; "
        "set a step or choices, or use another study.sampler",
    ),
    (
        {"sampler": "grid", "space": {}, "continuous": ("optimizer.learning_rate",)},
        "optimizer.learning_rate: is a range without a step, which a grid can't list;",
    ),
    (
        {"sampler": "cmaes", "objectives": objectives("top_1", "top_100")},
        "study.sampler: got 'cmaes' with 2 study.objectives, but it supports one; must be tpe, "
        "random, grid, qmc, nsga2 or gp",
    ),
    (
        {"sampler": "cmaes", "numeric": ()},
        "study.sampler: got 'cmaes', which samples only ranges that every trial has, but there are "
        "none",
    ),
    (
        {"objectives": objectives("top_1", "top_100"), "pruner": "median"},
        "study.pruner: got 'median' with 2 study.objectives; must be 'none'",
    ),
    (
        {"objectives": objectives("num_parameters"), "pruner": "median"},
        "study.pruner: got 'median' with the objective 'num_parameters', which is known only at "
        "the end of a trial; must be 'none'",
    ),
    (
        {"pruner": "wilcoxon", "split_seeds": SEEDS},
        "study.pruner: got 'wilcoxon' with study.seed_mode 'lockstep'; requires 'sequential'",
    ),
    (
        {**SEQUENTIAL, "pruner": "wilcoxon", "split_seeds": [1, 2, 3]},
        "study.pruner: got 'wilcoxon' with 3 study.split_seeds; must be at least 4, because with "
        "fewer its test can't reach p_threshold",
    ),
    (
        {**SEQUENTIAL, "pruner": "hyperband"},
        "study.pruner: got 'hyperband', which counts epochs, with study.seed_mode 'sequential'; "
        "must be wilcoxon, median, percentile, threshold or none",
    ),
    ({**SEQUENTIAL, "pruner": "successive_halving"}, "got 'successive_halving', which counts"),
    (
        {"seed_mode": "sequential"},
        "study.seed_mode: got 'sequential' without study.split_seeds; must be 'lockstep', or",
    ),
    ({"split_seeds": [3, 4, 3]}, "study.split_seeds: got 3 2 times; must be given once"),
    ({"split_seeds": [3, -1]}, "study.split_seeds: got -1; must be whole numbers of at least 0"),
    (
        {"split_seeds": SEEDS, "names": ("data.split_seed",)},
        "study.split_seeds: got [1, 2, 3, 4] while data.split_seed is searched; must be empty, or",
    ),
    ({"names": ("evaluation.split",)}, "evaluation.split: must not be searched"),
    (
        {"callbacks": ["os.path.join"]},
        "study.callbacks[0]: got 'os.path.join'; must have the form package.module:Name",
    ),
    (
        {"callbacks": ["posixpath:join", "no_such_package:f"]},
        "study.callbacks[1]: got 'no_such_package:f'; there is no module 'no_such_package'",
    ),
    ({"callbacks": ["posixpath:joined"]}, "has no 'joined'. Did you mean 'join'?"),
    ({"callbacks": ["posixpath:sep"]}, "got 'posixpath:sep', which is '/'; must be callable"),
    (
        {"sampler_options": {"tpe": {"n_startup": 20}}},
        "study.sampler_options.tpe.n_startup: is not an option of TPESampler. Did you mean "
        "'n_startup_trials'?",
    ),
    (
        {"pruner_options": {"median": {"n_warmup": 3}}},
        "study.pruner_options.median.n_warmup: is not an option of MedianPruner.",
    ),
    ({"pruner": "threshold"}, "study.pruner_options.threshold: Either lower or upper must be"),
]


@pytest.mark.parametrize(("values", "problem"), VALUES)
def test_what_is_wrong(values, problem):
    assert problem in only_problem(**values)


def test_one_evaluation_leaves_nothing_to_prune():
    config = trial_config(train__eval_every_epochs=4)
    assert only_problem(config=config, pruner="median") == (
        "study.pruner: got 'median' with train.eval_every_epochs 4 of train.epochs 4, so that "
        "a trial reports only once, at its end; must be 'none', or train.eval_every_epochs must "
        "be smaller"
    )
    assert problems_of(config=config) == []
    assert problems_of(config=config, pruner="none") == []
    assert problems_of(config=config, pruner="median", names=("train.epochs",)) == []
    assert problems_of(config=config, **SEQUENTIAL, pruner="median") == []


def test_no_choice_on_test_rows():
    config = trial_config(evaluation__split="test")
    assert only_problem(config=config) == (
        "evaluation.split: got 'test', on which a search would choose; must be 'validation'"
    )
    assert problems_of(config=config, sampler="grid") == []
    assert only_problem(config=config, sampler="grid", pruner="median").startswith(
        "study.pruner: got 'median' with evaluation.split 'test', on which it would choose"
    )


@pytest.mark.parametrize(
    ("metric", "wanted", "problem"),
    [
        ("top_100", ("top_100",), None),
        ("seen_filtered_top_10", ("seen_filtered_top_10", "num_parameters"), None),
        # What is known only at the end keeps no weights: any metric may.
        ("top_10", ("num_parameters", "top_100"), None),
        ("top_10", ("top_9",), None),
        ("top_10", (), None),
        (
            "top_100",
            ("seen_filtered_top_100", "top_100"),
            "evaluation.metric: got 'top_100' while study.objectives[0].metric is "
            "'seen_filtered_top_100'; must be the same, since trials keep their weights by it",
        ),
    ],
)
def test_trials_keep_their_weights_by_the_first_objective(metric, wanted, problem):
    study = study_config(objectives=objectives(*wanted))
    problems = list(example_problems(study, trial_config(evaluation__metric=metric), ()))
    assert problems == ([problem] if problem else [])


def test_the_metric_is_not_searched():
    study = study_config(objectives=objectives("top_10"))
    assert list(example_problems(study, trial_config(), ("evaluation.metric",))) == [
        "evaluation.metric: must not be searched, because trials that keep their weights by "
        "different metrics can't be compared"
    ]


def test_split_seeds_need_a_split_that_has_one():
    for split in ("temporal", "leave_last_out"):
        problem = only_problem(config=trial_config(data__split=split), split_seeds=[1, 2])
        assert f"got [1, 2] with data.split {split!r}, which has no seed" in problem
        assert "cuts: data.cut=0,1,2 in a grid, and study.confirm.cuts" in problem
        assert problems_of(config=trial_config(data__split=split)) == []


def test_query_times_that_are_measured():
    config = trial_config(evaluation__measure_latency=True)
    assert problems_of(config=config, objectives=objectives("milliseconds_per_query")) == []


def test_cmaes_with_a_range():
    assert problems_of(sampler="cmaes", numeric=("optimizer.learning_rate",)) == []


def test_gp_without_torch(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert only_problem(sampler="gp").startswith("study.sampler: got 'gp', which needs PyTorch")


def test_warm_start_from_a_study(tmp_path: Path):
    (tmp_path / "study.db").touch()
    assert problems_of(warm_start=str(tmp_path)) == []


def test_a_callback_whose_module_fails(tmp_path: Path, monkeypatch):
    (tmp_path / "broken_callbacks.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    problem = only_problem(callbacks=["broken_callbacks:stop"])
    assert problem.endswith("can't be loaded: ZeroDivisionError: division by zero")


def test_all_problems_at_once():
    problems = problems_of(
        config=trial_config(evaluation__split="test", data__split="temporal"),
        seed=-1,
        name="a/b",
        n_trials=None,
        sampler="cmaes",
        sampler_options={"cmaes": {"popsize": "8"}},
        pruner="wilcoxon",
        objectives=objectives("top_2", "top_1"),
        split_seeds=[1, 1],
        callbacks=["nowhere:at_all"],
    )
    keys = [problem.split(":")[0] for problem in problems]
    assert keys == [
        "study.seed", "study.name", "study.objectives[0].metric", "study.n_trials",
        "study.sampler", "study.sampler_options.cmaes.popsize", "study.pruner", "study.pruner",
        "study.callbacks[0]", "study.split_seeds", "study.split_seeds", "evaluation.split",
    ]  # fmt: skip


def test_importing_the_checks_does_not_import_optuna():
    code = "import sys, sweeper.study.validation; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
