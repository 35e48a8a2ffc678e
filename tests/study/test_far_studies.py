"""A whole study whose workers share nothing but a database leaves what one on one machine does."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from processes import ROOT

from benchmarks.postgresql_server import PASSWORD
from sweeper.study import attributes
from sweeper.study.execution.recovery import has_failed
from sweeper.study.storage.factory import load_study
from sweeper.two_tower import record as records

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]
STUDY = (
    "study=architecture", "data=synthetic", "data.synthetic.num_interactions=3000", "train=quick",
    "train.epochs=4", "train.eval_every_epochs=2", "evaluation.baselines=[popularity]",
    "study.sampler=random", "study.pruner=none", "study.n_trials=3", "study.confirm.best=1",
    "study.confirm.train_seeds=1", "study.confirm.split_seeds=1",
    "study.reference=tutorial_shallow", "hydra/launcher=basic",
)  # fmt: skip
# Workers that can't see the study's directory.
FAR = """
import runpy, sys
from sweeper.study.execution import worker
worker.is_shared = lambda *_: False
sys.argv[0] = "sweeper"
runpy.run_module("sweeper", run_name="__main__", alter_sys=True)
"""
# What differs from one run to the next, whoever runs it.
TIMES = {"seconds", "milliseconds_per_query"}


def run(directory: Path, command: list[str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *command, *STUDY, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows_of(study: Path) -> list[dict[str, str]]:
    with (study / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key not in TIMES} for row in rows]


def test_it_leaves_the_same(tmp_path, server):
    near, far = tmp_path / "near", tmp_path / "far"
    run(tmp_path, ["-m", "sweeper"], "study.name=near", f"hydra.sweep.dir={near}")
    place = ("storage=postgresql", f"storage.url={server.url()}")
    run(tmp_path, ["-c", FAR], "study.name=far", f"hydra.sweep.dir={far}", *place)
    for part in (".", "reference", "confirmation"):
        assert rows_of(near / part) == rows_of(far / part)
    best = [OmegaConf.to_container(OmegaConf.load(study / "best.yaml")) for study in (near, far)]
    assert best[0] == best[1]
    own = {"study.db", "storage.yaml", ".turn.lock"}
    files = [
        {path.relative_to(study) for path in study.rglob("*") if path.is_file()}
        for study in (near, far)
    ]
    assert {path for path in files[0] ^ files[1] if path.name not in own} == set()
    # In the one database all three have names that tell whose they are.
    names = [load_study(far / part).study_name for part in (".", "reference", "confirmation")]
    assert names == ["far", "far/reference", "far/confirmation"]
    # The password stands in no file, of this study or of its trials.
    for path in far.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path


def test_a_worker_that_has_other_data_than_the_study_ends_it_before_it_trains(tmp_path):
    study = ("data=synthetic", "data.synthetic.num_interactions=3000", "train=quick",
             "train.epochs=2", "train.eval_every_epochs=2", "hydra/launcher=basic",
             f"hydra.sweep.dir={tmp_path / 's'}", "study.report=false")  # fmt: skip
    command = [sys.executable, "-m", "sweeper", "-m", *study, "study.name=s"]
    options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    values = "optimizer.learning_rate=0.1,0.2"
    done = subprocess.run([*command, values, "study.n_trials=1"], capture_output=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    stored = load_study(tmp_path / "s")
    own = stored.user_attrs[attributes.FINGERPRINT]
    assert own == records.read(tmp_path / "s" / "trials" / "0000").data["fingerprint"]
    # As if it had begun on a machine with other data.
    stored.set_user_attr(attributes.FINGERPRINT, "f" * 64)
    done = subprocess.run([*command, values], capture_output=True, **options)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert "a trial ended the study: DataChangedError: data: synthetic: 1,000 users" in line
    assert f"as {socket.gethostname()} has it, isn't the data that the study began with" in line
    assert f"(its fingerprint is {own[:12]}, and was ffffffffffff)" in line
    # It has no weights, counts as no failure, and runs again once the data is back.
    second = load_study(tmp_path / "s").get_trials()[1]
    assert not has_failed(second)
    assert records.read(tmp_path / "s" / "trials" / "0001").epochs is None
    stored.set_user_attr(attributes.FINGERPRINT, own)
    done = subprocess.run([*command, values], capture_output=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
