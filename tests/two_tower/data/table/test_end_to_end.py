"""Two CSV files, by the command line: trained, recorded, its errors told with exit code 2."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from processes import run_module

from sweeper.two_tower.record import TRIAL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings and films, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("my files")
    rng = np.random.default_rng(0)
    lines = [
        f"u{rng.integers(30)},f{rng.integers(20)},{rng.integers(1, 6)},2024-01-{day:02d}"
        for day in rng.integers(1, 29, 400)
    ]
    (folder / "ratings.csv").write_text("user,film,stars,seen on\n" + "\n".join(lines) + "\n")
    nothing = [f"u{number % 5},f{number % 7},0,2024-01-01" for number in range(40)]
    (folder / "nothing.csv").write_text("user,film,stars,seen on\n" + "\n".join(nothing) + "\n")
    films = [f'f{number},"Film {number}, the",{1990 + number},a|b' for number in range(22)]
    (folder / "films.csv").write_text("film,title,year,genres\n" + "\n".join(films) + "\n")
    return folder


def run(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return run_module(
        folder, "sweeper", "data=table", "data.path=ratings.csv",
        "data.columns.user=user", "data.columns.item=film", "data.columns.timestamp='seen on'",
        "data.columns.rating=stars", "data.filter.min_rating=2", "data.items.path=films.csv",
        "features=ids", "model=linear", "train=quick", "train.epochs=2",
        "train.eval_every_epochs=1", "hydra.run.dir=run", *overrides,
        SWEEPER_CACHE_DIR=str(folder / "c"),
    )  # fmt: skip


def test_a_user_trains_on_two_files(folder: Path) -> None:
    done = run(folder, "data.split=leave_last_out")
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "run" / TRIAL).read_text())
    assert record["state"] == "completed"
    data = record["data"]
    assert data["candidates"] == 22
    assert data["is_weighted"] is False
    # The times are days.
    (line,) = data["ties"]
    assert "a held-out row and the one before it have the same time" in line
    assert f"ties     {line}" in done.stdout
    assert list(data["dropped_rows"]) == ["rated below 2"]
    assert data["interactions"] + data["dropped_rows"]["rated below 2"] == 400
    assert "dropped " in done.stdout
    assert record["metrics"]["test"]["top_50"] == 1.0


WEIGHTS = ["data.columns.rating=null", "data.filter.min_rating=null", "data.columns.weight=stars"]


def test_the_record_and_the_terminal_say_that_rows_have_weights(
    folder: Path, tmp_path: Path
) -> None:
    done = run(folder, *WEIGHTS, "train.xla=false", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / TRIAL).read_text())["data"]["is_weighted"] is True
    assert "column 'stars' weights training rows in the loss" in done.stdout


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([*WEIGHTS, "data.path=nothing.csv"], "error: data.columns.weight: the largest weight"),
        (["data.path=none.csv"], "error: data.path: got 'none.csv', where there is no file"),
        (["data.path=null"], "error: data.path: is missing; must be a file, a folder of files"),
        (["data.items.path=none.csv"], "error: data.items.path: got 'none.csv', where there is no"),
        (["data.columns.user=film"], "error: data.columns.user: got 'film', which is also data."),
        (
            ["data.split=temporal", "data.columns.timestamp=null"],
            "error: data.split: got 'temporal'",
        ),
        (["data.columns.rating=null"], "error: data.filter.min_rating: got 2 without data.columns"),
        (["data.items.path=null", "data.filter.unknown_items=drop"], "unknown_items: got 'drop' w"),
        (["data=synthetic"], "error: data.path: is given with data.name 'synthetic'; it only"),
        (["features=tutorial"], "features.query[0].column: got 'user_id'; must be one of"),
        (["data.columns.user=usr"], "error: data.columns.user: got 'usr'; must be one of user"),
    ],
)
def test_what_is_wrong_is_told_and_ends_with_2(
    folder: Path, tmp_path: Path, overrides: list[str], words: str
) -> None:
    done = run(folder, *overrides, f"hydra.run.dir={tmp_path}")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert words in done.stderr
