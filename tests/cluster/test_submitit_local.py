"""Studies through submitit's local processes, which hear the same signals as SLURM's jobs."""

from __future__ import annotations

import os
import signal
import time

import pytest
from optuna.trial import TrialState
from toy_runs import check_grid, processes_of, running, trials_of, wait_until

from sweeper.study import attributes
from sweeper.study.execution.worker_loop import PREEMPTED

pytest.importorskip("submitit", reason="needs sweeper[slurm]")

pytestmark = pytest.mark.slow

SIZE = 6
GRID = (
    "-m", f"data.split_seed=range(0,{SIZE})", "train.epochs=6", "train.eval_every_epochs=1",
    "hydra.sweep.dir=study", "hydra/launcher=submitit_local", "study.workers=2",
)  # fmt: skip


def test_a_worker_that_is_asked_to_leave_comes_back(tmp_path, started):
    study = tmp_path / "study"
    process = started(*GRID, seconds=0.3)
    wait_until(lambda: len(running(study)) == 2)
    os.kill(running(study)[0][1], signal.SIGUSR2)
    assert process.wait(timeout=60) == 0, (tmp_path / "printed.txt").read_text()
    check_grid(study, SIZE)
    (lost,) = [trial for trial in trials_of(study) if trial.user_attrs.get(attributes.INTERRUPTED)]
    assert lost.user_attrs[attributes.REASON] == PREEMPTED
    workers = {path.read_text().split()[1] for path in study.glob("trials/*/process.txt")}
    assert len(workers) == 3


def test_a_signal_to_the_main_process_ends_all(tmp_path, started):
    study = tmp_path / "study"
    process = started(*GRID, seconds=1.0)
    wait_until(lambda: len(running(study)) == 2)
    pressed = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert time.monotonic() - pressed < 10
    wait_until(lambda: not processes_of(process.pid), seconds=5)
    assert not any(trial.state == TrialState.RUNNING for trial in trials_of(study))
