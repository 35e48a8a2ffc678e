"""Studies through a real SLURM: jobs that are preempted, requeued, killed, or wait for a place."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState
from toy_runs import check_grid, finished, run, running, trials_of, wait_until

from sweeper.study import attributes
from sweeper.study.execution.recovery import PROCESS_DIED, counts_toward_budget
from sweeper.study.execution.worker_loop import PREEMPTED

pytestmark = pytest.mark.slow

SIZE = 8
GRID = (
    "-m", f"data.split_seed=range(0,{SIZE})", "train.epochs=6", "train.eval_every_epochs=1",
    "hydra.sweep.dir=study", "hydra/launcher=submitit_slurm",
)  # fmt: skip


def jobs(*states: str) -> list[str]:
    """Of our user in SLURM: "12_0"; in these states, or in any that isn't the last."""
    chosen = [f"--states={','.join(states)}"] if states else []
    command = ["squeue", "--me", "--array", "--noheader", "--format=%i", *chosen]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def preempt(_: str) -> None:
    """A job of a partition that comes first, and leaves room for one worker."""
    subprocess.run(
        ["sbatch", "--partition=high", "--cpus-per-task=3", "--output=/dev/null", "--wrap=sleep 1"],
        check=True,
    )


def reach_time_limit(job: str) -> None:
    """What SLURM sends by `--signal=USR2@120`."""
    subprocess.run(["scancel", "--signal=USR2", job], check=True)


def cut_short(study: Path) -> list[FrozenTrial]:
    return [trial for trial in trials_of(study) if trial.user_attrs.get(attributes.INTERRUPTED)]


def workers_of(study: Path) -> set[int]:
    places = study.glob("trials/*/process.txt")
    return {int(place.read_text().split()[1]) for place in places}


@pytest.mark.parametrize("take", [preempt, reach_time_limit])
def test_a_worker_that_is_taken_away_comes_back_and_nothing_but_its_trial_is_lost(
    tmp_path, started, slurm, take
):
    study = tmp_path / "study"
    process = started(*GRID, "study.workers=2", seconds=0.8)
    wait_until(lambda: len(running(study)) == 2)
    processes = running(study)
    take(jobs()[0])
    (lost,) = wait_until(lambda: cut_short(study), seconds=10)
    # At once, while its job may still wait for its end.
    assert lost.user_attrs[attributes.REASON] == PREEMPTED
    again = [trial.user_attrs.get(attributes.RETRY_OF) for trial in trials_of(study)]
    assert lost.number in again
    assert any(not Path(f"/proc/{trial}").exists() for trial, _ in processes)
    assert process.wait(timeout=120) == 0, (tmp_path / "printed.txt").read_text()
    check_grid(study, SIZE)
    assert [trial.number for trial in cut_short(study)] == [lost.number]
    assert not any(trial.user_attrs.get(attributes.CRASH_COUNT) for trial in trials_of(study))
    # The same job ran a second worker.
    assert len(workers_of(study)) == 3
    wait_until(lambda: not jobs(), seconds=15)


def test_workers_that_are_killed_are_launched_again_without_accounting(tmp_path, started, slurm):
    study = tmp_path / "study"
    process = started(*GRID, "study.workers=2", seconds=0.2)
    wait_until(lambda: len(running(study)) == 2)
    for _, worker in running(study):
        os.kill(worker, signal.SIGKILL)
    assert process.wait(timeout=120) == 0, (tmp_path / "printed.txt").read_text()
    check_grid(study, SIZE)
    assert {trial.user_attrs[attributes.REASON] for trial in cut_short(study)} == {PROCESS_DIED}
    assert (
        "all that was launched ended without a result; see"
        in (tmp_path / "printed.txt").read_text()
    )


def test_ctrl_c_ends_the_jobs_that_run_and_those_that_wait(tmp_path, started, slurm):
    study = tmp_path / "study"
    process = started(*GRID, "study.workers=6", seconds=1.0)
    wait_until(lambda: len(running(study)) == 4 and len(jobs("PENDING")) == 2)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - pressed < 10
    wait_until(lambda: not jobs(), seconds=5)
    assert not any(trial.state == TrialState.RUNNING for trial in trials_of(study))
    assert len(cut_short(study)) == 4
    finished(tmp_path, *GRID, "study.workers=2")
    check_grid(study, SIZE)


def test_a_study_that_is_done_waits_for_no_job_that_has_no_place(tmp_path, slurm):
    # One CPU is left, and one worker may run at a time.
    command = ["sbatch", "--partition=high", "--cpus-per-task=3", "--wrap=sleep 60"]
    subprocess.run([*command, "--output=/dev/null"], check=True)
    wait_until(lambda: jobs("RUNNING"))
    finished(tmp_path, *GRID, "study.workers=2", "hydra.launcher.array_parallelism=1", timeout=40)
    check_grid(tmp_path / "study", SIZE)


def test_jobs_go_on_without_the_main_process_and_then_the_same_command_does(
    tmp_path, started, slurm
):
    study = tmp_path / "study"
    process = started(*GRID, "study.workers=2", seconds=0.8)
    wait_until(lambda: len(running(study)) == 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    refused = run(tmp_path, *GRID, "study.workers=2")
    assert refused.returncode == 2
    assert "workers of an earlier start run" in refused.stderr
    subprocess.run(["scancel", *jobs()], check=True)
    wait_until(lambda: cut_short(study), seconds=10)
    finished(tmp_path, *GRID, "study.workers=2")
    check_grid(study, SIZE)
    assert all(
        counts_toward_budget(trial)
        for trial in trials_of(study)
        if trial.state == TrialState.COMPLETE
    )
