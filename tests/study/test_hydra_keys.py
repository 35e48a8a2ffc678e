"""Keys of Hydra's own that its users expect to count: a study honours them or refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf
from plans import Planner, planner
from small_trials import small_config

from sweeper.common.errors import ConfigError
from sweeper.study import attributes, launcher_options, launchers
from sweeper.study.launcher_options import number_of_workers, option_problems
from sweeper.study.trial_directories import trial_subdir
from sweeper.two_tower.validation import working_directory_problems

GRID = ("data=synthetic", "model.dropout=0.1,0.2")


@pytest.fixture(scope="module")
def hydra():
    with planner() as found:
        yield found


def problems(hydra: Planner, *arguments: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        hydra.plan(*GRID, *arguments)
    return error.value.problems


def launched_by(launcher: str, **options):
    choices = {"runtime": {"choices": {"hydra/launcher": launcher}}}
    return OmegaConf.create({"hydra": {**choices, "launcher": options}})


@pytest.mark.parametrize(
    ("n_jobs", "workers", "number"),
    [(-1, "auto", "auto"), (-1, 3, 3), (None, 3, 3), (5, "auto", 5), (5, 5, 5), (-2, "auto", 7),
     (-100, "auto", 1)],
)  # fmt: skip
def test_as_many_workers_as_joblib_is_told_to_run_jobs(monkeypatch, n_jobs, workers, number):
    monkeypatch.setattr(launcher_options, "available_cores", lambda: 8)
    assert number_of_workers(launched_by("joblib", n_jobs=n_jobs), workers) == number
    # The key is joblib's alone.
    assert number_of_workers(launched_by("ray", n_jobs=n_jobs), workers) == workers


def test_they_stay_so_many_however_few_cores_there_are(hydra, monkeypatch):
    monkeypatch.setattr(launchers, "available_cores", lambda: 2)
    plan = hydra.plan(*GRID, "hydra.launcher.n_jobs=6")
    assert (plan.workers, plan.study.workers, plan.threads) == (6, 6, 1)


def test_two_numbers_of_workers_are_refused_and_both_named(hydra):
    (line,) = problems(hydra, "hydra.launcher.n_jobs=3", "study.workers=2")
    assert line.startswith("hydra.launcher.n_jobs: got 3 with study.workers 2")
    (line,) = problems(hydra, "hydra.launcher.n_jobs=0")
    assert line.startswith("hydra.launcher.n_jobs: got 0; must be")


@pytest.mark.parametrize(
    ("launcher", "option", "value"),
    [("joblib", "timeout", 60.0), ("joblib", "batch_size", "2"), ("joblib", "pre_dispatch", "1"),
     ("joblib", "backend", "threading"), ("joblib", "prefer", "threads"),
     ("joblib", "require", "sharedmem"), ("submitit_slurm", "tasks_per_node", 2),
     ("submitit_local", "nodes", 2)],
)  # fmt: skip
def test_options_that_workers_cannot_be_launched_with_are_refused(launcher, option, value):
    (line,) = option_problems(launched_by(launcher, **{option: value}))
    assert line.startswith(f"hydra.launcher.{option}: got {value!r}, which ")
    assert "; must be " in line


def test_the_launchers_own_values_are_none_of_these(hydra):
    hydra.plan(*GRID, "hydra.launcher.verbose=1", "hydra.launcher.pre_dispatch=all")


def test_trials_lie_where_hydra_is_told_to_put_them(hydra):
    subdir = "hydra.sweep.subdir='runs/${hydra:job.num}_${model.dropout}/${hydra.job.id}'"
    plan = hydra.plan(*GRID, subdir)
    composer = hydra.composer(plan, *GRID, subdir)
    place = trial_subdir(plan.compose(composer, ["model.dropout=0.2"]), 12)
    assert place == "runs/12_0.2/sweeper_12"
    assert plan.subdir is not None
    assert hydra.plan(*GRID).subdir is None
    # Hydra's own default counts where it is given.
    assert hydra.plan(*GRID, "hydra.sweep.subdir='${hydra.job.num}'").subdir == "${hydra.job.num}"


@pytest.mark.parametrize(
    ("subdir", "words"),
    [
        ("${model.dropout}", "which is '0.1' for several trials; must contain ${hydra.job.num}"),
        ("../${hydra.job.num}", "which is '../0'; must be a directory below hydra.sweep.dir"),
        ("/tmp/${hydra.job.num}", "which is '/tmp/0'; must be a directory below hydra.sweep.dir"),
        ("workers/${hydra.job.num}", "must not begin with 'workers'"),
        ("reference_${hydra.job.num}", "must not begin with 'reference_0'"),
        ("${hydra.job.num}" + 300 * "x", "which is 301 bytes long; each name must have at most"),
    ],
)
def test_places_that_trials_cannot_have_are_refused(hydra, subdir, words):
    (line,) = problems(hydra, f"hydra.sweep.subdir='{subdir}'")
    assert line.startswith(f"hydra.sweep.subdir: got {subdir!r}")
    assert words in line


@pytest.mark.parametrize(
    ("noted", "place"),
    [("runs/7_x", "runs/7_x"), ("../../etc", "trials/0003"), ("/etc", "trials/0003"),
     ("", "trials/0003")],
)  # fmt: skip
def test_a_place_that_a_database_names_is_below_the_study(noted, place):
    trial = SimpleNamespace(number=3, user_attrs={attributes.DIRECTORY: noted})
    assert attributes.place_of(trial) == place


def test_data_that_trials_would_not_find_from_their_own_directories_is_refused():
    config = small_config()
    config.data.path, config.data.cache_dir = "ratings.csv", "/var/cache"
    (line,) = working_directory_problems(config, True)
    assert line.startswith("hydra.job.chdir: got True with data.path 'ratings.csv'")
    assert list(working_directory_problems(config, False)) == []
    assert list(working_directory_problems(small_config(), True)) == []
