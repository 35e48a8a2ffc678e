"""A disk that is full, or can't be written to: said in a line, and nothing finished is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_up_data import folder_config, write_made_up_movielens
from processes import run_module
from toy_runs import STUDY, check_grid, contents, finished, results_of, run

from sweeper.common.errors import DataError
from sweeper.two_tower import record
from sweeper.two_tower.data.loading import load_interactions

Disk = Callable[[str], None]
GRID = ("-m", "data.split_seed=range(0,60)", "train.epochs=5", STUDY, "study.workers=2")


@pytest.fixture
def disk(tmp_path) -> Iterator[tuple[Path, Disk]]:
    """A small disk in memory, and what mounts it with other options."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")

    mount("size=4m")
    yield place, lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def the_error(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a command ended with."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def single_run(directory: Path, *arguments: str, **variables: str):
    return run_module(
        directory, "sweeper", "train=quick", "train.epochs=5", *arguments, **variables
    )


@pytest.mark.slow
def test_a_study_whose_disk_is_full_goes_on_once_there_is_room(disk, fault):
    place, remount = disk
    row = fault("a full disk, under a study")
    study = place / "study"
    before: dict[int, float] = {}
    for size in ("400k", "600k", "800k"):
        remount(f"size={size}")
        line = the_error(run(place, *GRID))
        assert str(study) in line
        assert (
            "the same command resumes the study" in line
            or "give a directory that can be written" in line
        )
        row.injected += 1
        now = results_of(study)
        row.lost += sum(now.get(number) != value for number, value in before.items())
        before = now
    assert before
    remount("size=8m")
    finished(place, *GRID)
    assert before.items() <= results_of(study).items()
    check_grid(study, 60)
    assert row.lost == 0


def test_a_record_that_finds_no_room_is_told(disk, fault):
    place, remount = disk
    row = fault("a full disk, under a run by itself")
    remount("size=48k")
    line = the_error(single_run(place, "data=synthetic", "hydra.run.dir=run"))
    assert "can't be written (No space left on device)" in line
    # What was written before is whole.
    assert record.read(place / "run").config
    row.injected += 1


def test_a_cache_without_room_is_told_and_built_once_there_is(disk, fault, tmp_path):
    place, remount = disk
    row = fault("a full disk, under the cache")
    folder = write_made_up_movielens(tmp_path / "ml-100k")
    remount("size=12k")
    variables = {"SWEEPER_CACHE_DIR": str(place / "cache")}
    line = the_error(single_run(tmp_path, f"data.source={folder}", **variables))
    assert "SWEEPER_CACHE_DIR" in line
    assert "No space left on device" in line
    row.injected += 1
    config = folder_config(folder, place / "cache")
    with pytest.raises(DataError, match="No space left on device"):
        load_interactions(config, lambda text: None)
    remount("size=4m")
    assert len(load_interactions(config, lambda text: None))


def test_a_study_that_can_only_be_read_is_told_and_left_alone(disk, fault):
    place, remount = disk
    row = fault("a read-only disk, under a study")
    grid = ("-m", "data.split_seed=0,1", "train.epochs=5", STUDY)
    remount("ro")
    assert "study" in the_error(run(place, *grid))
    remount("rw")
    finished(place, *grid)
    before = contents(place / "study")
    remount("ro")
    assert "study" in the_error(run(place, *grid))
    assert contents(place / "study") == before
    row.injected += 2


def test_a_cache_that_can_only_be_read_is_read(disk, fault, tmp_path):
    place, remount = disk
    row = fault("a read-only disk, under the cache")
    folder = write_made_up_movielens(tmp_path / "ml-100k")
    config = folder_config(folder, place / "cache")
    remount("ro")
    with pytest.raises(DataError, match="Read-only file system"):
        load_interactions(config, lambda text: None)
    remount("rw")
    load_interactions(config, lambda text: None)
    remount("ro")
    assert len(load_interactions(config, lambda text: None))
    row.injected += 2


@pytest.mark.slow
def test_an_export_without_room_leaves_nothing(disk, tmp_path):
    place, mount = disk
    done = single_run(tmp_path, "data=synthetic", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    mount("size=64k")
    done = run_module(tmp_path, "sweeper.export", "run", f"output={place / 'export'}")
    line = the_error(done)
    assert line.startswith("error: output: ")
    assert "No space left on device" in line
    assert line.endswith("; must be a directory that can be written and has room")
    assert list((place / "export").iterdir()) == []
