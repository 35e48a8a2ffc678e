"""A contract that every sampler keeps, and the options of each."""

from __future__ import annotations

import importlib.util
import warnings

import optuna
import pytest

from sweeper.common.errors import ConfigError
from sweeper.study.algorithms.choices import SINGLE_OBJECTIVE
from sweeper.study.algorithms.samplers import KINDS, build_sampler, sampler_problems
from sweeper.study.config import SAMPLERS, StudyConfig

HAS_TORCH = importlib.util.find_spec("torch") is not None

# Small enough for each sampler to leave its random start within twelve trials.
OPTIONS = {
    "tpe": {"n_startup_trials": 4},
    "cmaes": {"popsize": 4},
    "nsga2": {"population_size": 4},
    "gp": {"n_startup_trials": 4},
}
EVERY = [
    pytest.param(name, marks=pytest.mark.skipif(name == "gp" and not HAS_TORCH, reason="no torch"))
    for name in SAMPLERS
]
# These walk along one sequence that all workers share.
OWN_STREAMS = [parameter for parameter in EVERY if parameter.values != ("qmc",)]


def study_config(sampler: str, **values: object) -> StudyConfig:
    return StudyConfig(sampler=sampler, sampler_options=OPTIONS, **values)  # type: ignore[arg-type]


def values_of(trial: optuna.Trial) -> dict[str, object]:
    """A mixed space, with a parameter that only half of the trials have."""
    trial.suggest_float("rate", 1e-3, 1.0, log=True)
    trial.suggest_int("layers", 1, 4)
    if trial.suggest_categorical("activation", ["relu", "tanh"]) == "relu":
        trial.suggest_float("dropout", 0.0, 0.5)
    return trial.params


def objective(trial: optuna.Trial) -> float:
    values = values_of(trial)
    return abs(values["rate"] - 0.1) + values["layers"] + values.get("dropout", 0.3)


def run(sampler: optuna.samplers.BaseSampler, trials: int = 12, study=None) -> list[dict]:
    study = study or optuna.create_study()
    study.sampler = sampler
    study.optimize(objective, n_trials=trials)
    return [trial.params for trial in study.trials]


@pytest.fixture(autouse=True)
def _nothing_reaches_the_user(caplog):
    """Neither a warning nor a line of Optuna's log."""
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    optuna.logging.disable_propagation()
    assert not [record for record in caplog.get_records("call") if record.name.startswith("optuna")]


def test_every_name_has_a_sampler():
    assert tuple(KINDS) == SAMPLERS


@pytest.mark.parametrize("name", EVERY)
def test_values_are_in_range(name):
    points = run(build_sampler(study_config(name), worker=0, finished=0))
    assert len(points) == 12
    for point in points:
        assert 1e-3 <= point["rate"] <= 1.0
        assert point["layers"] in (1, 2, 3, 4)
        assert point["activation"] in ("relu", "tanh")
        assert ("dropout" in point) == (point["activation"] == "relu")
        assert 0.0 <= point.get("dropout", 0.0) <= 0.5
    assert {point["activation"] for point in points} == {"relu", "tanh"}


@pytest.mark.parametrize("name", EVERY)
def test_one_seed_gives_one_sequence(name):
    first, second = (run(build_sampler(study_config(name), 3, 7)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", OWN_STREAMS)
@pytest.mark.parametrize(
    ("other", "worker", "finished"),
    [({}, 1, 0), ({}, 0, 12), ({"seed": 1}, 0, 0)],
    ids=["another worker", "a resumed study", "another seed"],
)
def test_another_worker_start_or_seed_gives_other_points(name, other, worker, finished):
    first = run(build_sampler(study_config(name), 0, 0))
    second = run(build_sampler(study_config(name, **other), worker, finished))
    # Later ones may agree: what a sampler has learned can send it to an end of a range.
    assert not {point["rate"] for point in first[:4]} & {point["rate"] for point in second[:4]}


def test_quasi_monte_carlo_goes_on_along_one_sequence():
    """Two workers and a second start together take the points of one worker alone."""
    alone = run(build_sampler(study_config("qmc"), 0, 0), trials=17)
    study = optuna.create_study()
    for finished in (0, 8):
        workers = [build_sampler(study_config("qmc"), worker, finished) for worker in (0, 1)]
        for index in range(8):
            run(workers[index % 2], trials=1, study=study)
    together = [trial.params["rate"] for trial in study.trials]
    # The first trial, which tells the space, is drawn at random, as a conditional value is.
    assert together[1:] == [point["rate"] for point in alone[1:16]]
    assert len(set(together)) == 16


def test_quasi_monte_carlo_draws_what_is_outside_its_sequence_from_own_streams():
    firsts = [run(build_sampler(study_config("qmc"), worker, 0), trials=1) for worker in (0, 1)]
    assert firsts[0] != firsts[1]


def test_quasi_monte_carlo_obeys_the_seed():
    first, second = (run(build_sampler(study_config("qmc", seed=seed), 0, 0)) for seed in (0, 1))
    assert not {point["rate"] for point in first[1:]} & {point["rate"] for point in second[1:]}


@pytest.mark.parametrize("name", EVERY)
def test_several_objectives(name):
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.sampler = build_sampler(study_config(name), 0, 0)

    def objectives(trial: optuna.Trial) -> tuple[float, float]:
        return objective(trial), float(trial.params["layers"])

    if name in SINGLE_OBJECTIVE:
        with pytest.raises(ValueError, match="multi-objective"):
            values_of(study.ask())
    else:
        study.optimize(objectives, n_trials=12)
        assert len(study.best_trials) >= 1


def test_a_sampler_that_learns_beats_chance():
    def distance(trial: optuna.Trial) -> float:
        return sum((trial.suggest_float(name, -10, 10) - 3) ** 2 for name in "xyz")

    def best(name: str, seed: int) -> float:
        sampler = build_sampler(StudyConfig(sampler=name, seed=seed), 0, 0)
        study = optuna.create_study(sampler=sampler)
        study.optimize(distance, n_trials=60)
        return study.best_value

    names = ("random", "tpe", "cmaes")
    mean = {name: sum(best(name, seed) for seed in range(3)) / 3 for name in names}
    assert mean["tpe"] < mean["random"] / 2
    assert mean["cmaes"] < mean["random"] / 2


def test_a_sampler_must_be_chosen_first():
    with pytest.raises(ValueError, match=r"study\.sampler is null"):
        build_sampler(StudyConfig(), 0, 0)


def test_gp_without_torch(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = (
        "study.sampler: got 'gp', which needs PyTorch; install it with "
        "pip install -c constraints.txt -e '.[gp]'"
    )
    with pytest.raises(ConfigError) as caught:
        build_sampler(StudyConfig(sampler="gp"), 0, 0)
    assert caught.value.problems == [words]
    assert sampler_problems(StudyConfig(sampler="gp"), "gp") == [words]
    # Options that wait for it are no problem while another sampler is chosen.
    options = {"gp": {"n_startup_trials": 5}}
    assert sampler_problems(StudyConfig(sampler="tpe", sampler_options=options), "tpe") == []


def problems_of(**options: object) -> list[str]:
    return sampler_problems(StudyConfig(sampler="tpe", sampler_options=options), "tpe")


def test_options_reach_the_constructor():
    sampler = build_sampler(study_config("tpe"), 0, 0)
    assert sampler._n_startup_trials == 4
    options = {"tpe": {"group": False, "multivariate": False, "constant_liar": False}}
    sampler = build_sampler(StudyConfig(sampler="tpe", sampler_options=options), 0, 0)
    assert (sampler._group, sampler._multivariate, sampler._constant_liar) == (False,) * 3
    assert problems_of(**OPTIONS, qmc={"scramble": False}, tpe_=None)[1:] == []


KEY = "study.sampler_options"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"tpe": {"n_startup": 20}},
            f"{KEY}.tpe.n_startup: is not an option of TPESampler. Did you mean 'n_startup_trials'",
        ),
        ({"tpe": {"zzzz": 20}}, f"{KEY}.tpe.zzzz: is not an option of TPESampler"),
        ({"qmc": {"scrambel": True}}, "is not an option of QMCSampler. Did you mean 'scramble'?"),
        (
            {"tpe": {"seed": 3}},
            f"{KEY}.tpe.seed: must not be given; set study.seed instead",
        ),
        (
            {"grid": {"shuffle": True}},
            "grid.shuffle: is not an option of sampler grid, which has no options",
        ),
        ({"random": {"n": 1}}, f"{KEY}.random.n: is not an option of RandomSampler"),
        (
            {"tpa": {"n_startup_trials": 20}},
            f"{KEY}.tpa: is unknown; must be one of {', '.join(SAMPLERS)}. Did you mean 'tpe'?",
        ),
        ({"tpe": 5}, f"{KEY}.tpe: got 5; must be a mapping of options to values"),
        (
            {"tpe": {"n_startup_trials": "20"}},
            f"{KEY}.tpe.n_startup_trials: got '20'; must be a whole number",
        ),
        ({"tpe": {"n_startup_trials": True}}, "got True; must be a whole number"),
        ({"tpe": {"n_startup_trials": 2.5}}, "got 2.5; must be a whole number"),
        ({"tpe": {"n_startup_trials": None}}, "got None; must be a whole number"),
        ({"tpe": {"group": 1}}, f"{KEY}.tpe.group: got 1; must be true or false"),
        ({"tpe": {"gamma": "default"}}, f"{KEY}.tpe.gamma: requires a Python object, which"),
        ({"nsga2": {"crossover": "uniform"}}, f"{KEY}.nsga2.crossover: requires a Python object"),
        ({"nsga2": {"mutation_prob": "high"}}, "got 'high'; must be a number or null"),
        ({"nsga2": {"population_size": 1}}, f"{KEY}.nsga2: `population_size` must be greater"),
        ({"qmc": {"qmc_type": "lattice"}}, "Choose either `halton` or `sobol`."),
        (
            {"cmaes": {"use_separable_cma": True, "with_margin": True}},
            f"{KEY}.cmaes: Currently, we do not support",
        ),
        (
            {"tpe": {"multivariate": False}},
            f"{KEY}.tpe: ``group`` option can only be enabled when ``multivariate`` is enabled.",
        ),
        ({"gp": {"n_startup": 5}}, f"{KEY}.gp.n_startup: is not an option of GPSampler."),
        ({"cmaes": {1: 2}}, f"{KEY}.cmaes.1: is not an option of CmaEsSampler"),
    ],
)
def test_options_that_are_refused(options, problem):
    problems = problems_of(**options)
    assert len(problems) == 1
    assert problem in problems[0]


def test_all_problems_at_once():
    options = {"tpe": {"n_startup": 1, "seed": 2, "group": "x"}, "nsga2": {"population_size": 0}}
    assert len(problems_of(**options)) == 4
