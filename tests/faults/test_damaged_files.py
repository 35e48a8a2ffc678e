"""Files that were cut short: told in a line, or made again; nothing finished is lost."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from processes import run_module
from toy_runs import check_grid, results_of

pytestmark = pytest.mark.slow

STUDY = (
    "-m", "data=synthetic", "train=quick", "train.epochs=5", "model=linear,one_layer",
    "hydra.sweep.dir=study", "study.report=false",
)  # fmt: skip


def command(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module(directory, *arguments, timeout=200)


@pytest.fixture(scope="module")
def finished_study(tmp_path_factory) -> Path:
    """A study of real trials that is done."""
    directory = tmp_path_factory.mktemp("real")
    done = command(directory, "sweeper", *STUDY)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "study"


@pytest.fixture
def study(finished_study, tmp_path) -> Path:
    shutil.copytree(finished_study, tmp_path / "study")
    return tmp_path / "study"


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("name", ["trial.json", "history.csv"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_record_cut_short(study, fault, name, number):
    """Of the best trial, and of the other one."""
    row = fault(f"{name} of trial {number}, cut in half")
    before = results_of(study)
    cut_in_half(study / f"trials/{number:04d}" / name)
    row.injected += 1
    for done in (
        command(study.parent, "sweeper", *STUDY),
        command(study.parent, "sweeper.report", "study"),
    ):
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 2)
        if done.returncode:
            (line,) = done.stderr.splitlines()
            assert line.startswith(f"error: {study}/trials/{number:04d}/{name}: ")
    assert results_of(study) == before
    check_grid(study, 2)


def test_a_database_cut_short(study, fault):
    row = fault("study.db, cut in half")
    cut_in_half(study / "study.db")
    row.injected += 1
    done = command(study.parent, "sweeper", *STUDY)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {study}/study.db: is not a database of a study, or is damaged")
    # The trials' own records are there, and tell all that was finished.
    assert len(list(study.glob("trials/*/trial.json"))) == 2
