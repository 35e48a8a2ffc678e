"""Two studies in one place, places with odd names, and a home that can't be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_data import write_made_up_movielens
from processes import ROOT
from toy_runs import (
    BASIC,
    STUDY,
    check_grid,
    finished,
    results_of,
    run,
    wait_for_running,
    wait_until,
)

GRID = ("-m", "data.split_seed=0,1", "train.epochs=5", "train.eval_every_epochs=1", STUDY, BASIC)


def test_two_that_start_at_the_same_moment(tmp_path, started, fault):
    row = fault("two starts of a study at the same moment")
    both = [started(*GRID, seconds=1.0) for _ in range(2)]
    first = wait_until(lambda: next((each for each in both if each.poll() is not None), None))
    (other,) = (each for each in both if each is not first)
    assert first.returncode == 2, (tmp_path / "printed.txt").read_text()
    printed = (tmp_path / "printed.txt").read_text()
    assert f"another process runs the study in {tmp_path}/study" in printed
    assert "Traceback" not in printed
    assert other.wait(timeout=60) == 0
    check_grid(tmp_path / "study", 2)
    row.injected += 1


@pytest.mark.slow
def test_a_second_main_process_is_refused(tmp_path, started):
    process = started(*GRID, seconds=3)
    wait_for_running(tmp_path / "study", 1)
    done = run(tmp_path, *GRID)
    assert done.returncode == 2
    assert "another process runs the study in" in done.stderr
    assert process.poll() is None


ODD = ["späte Ernte 秋", "it's", 'say "ten"', "a=b", "one, two", "[odd]", "100 %", "%41", "#1?x"]


SOME_SLOW = [ODD[0], *(pytest.param(name, marks=pytest.mark.slow) for name in ODD[1:])]


def quoted(value: str) -> str:
    """As Hydra's grammar wants it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@pytest.mark.parametrize("name", SOME_SLOW)
def test_a_study_in_a_place_with_an_odd_name(tmp_path, name):
    place = f"studies/{name}"
    grid = ("-m", "data.split_seed=0", "train.epochs=5", BASIC, f"hydra.sweep.dir={quoted(place)}")
    finished(tmp_path, *grid)
    (study,) = (tmp_path / "studies").iterdir()
    assert study.name == name
    assert len(results_of(study)) == 1
    assert "the study already has 1 trial" in finished(tmp_path, *grid)


@pytest.mark.parametrize("name", SOME_SLOW)
def test_a_study_of_an_odd_name(tmp_path, name):
    finished(
        tmp_path, "-m", "data.split_seed=0", "train.epochs=5", BASIC, f"study.name={quoted(name)}"
    )
    (study,) = (tmp_path / "outputs").iterdir()
    assert study.name == name
    assert len(results_of(study)) == 1


def load(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Loads the made-up data in a process of its own."""
    code = (
        "import sys; from made_up_data import DataConfig; "
        "from sweeper.two_tower.data.loading import load_interactions; "
        "from sweeper.common.exit_codes import exit_codes\n"
        f"config = DataConfig(name='movielens_100k', source={str(folder)!r})\n"
        "with exit_codes(): load_interactions(config, print)"
    )
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "two_tower" / "data")))
    environment = {k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=100,
    )


# Nobody can make a directory there, root neither.
HOME = {"HOME": "/proc/home", "SWEEPER_CACHE_DIR": ""}


def test_a_home_that_cannot_be_written(tmp_path):
    done = load(write_made_up_movielens(tmp_path / "ml-100k"), **HOME)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "/proc/home/.cache/sweeper can't be written" in line
    assert "SWEEPER_CACHE_DIR" in line


@pytest.mark.parametrize("name", SOME_SLOW)
def test_another_cache_serves_in_place_of_a_home(tmp_path, name):
    folder = write_made_up_movielens(tmp_path / "ml-100k")
    done = load(folder, **HOME | {"SWEEPER_CACHE_DIR": str(tmp_path / name)})
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / name / "encoded").iterdir())
