"""SIGKILL, at any moment, of any part of a study."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from fault_table import Fault
from toy_runs import (
    BASIC,
    STUDY,
    check_grid,
    check_whole,
    end_all,
    finished,
    finished_trials,
    leaderboard,
    processes_of,
    results_of,
    run,
    running,
    trials_of,
    wait_for_running,
    wait_for_the_end_of_all,
    wait_until,
)

from sweeper.study import attributes
from sweeper.study.execution import locks
from sweeper.study.execution.recovery import PROCESS_DIED, counts_toward_budget, has_failed

TWO = "study.workers=2"
GRID = (
    "-m", "data.split_seed=0,1,2,3,4,5", "train.epochs=6", "train.eval_every_epochs=1", STUDY,
)  # fmt: skip
# Lasts longer than all its kills.
LONG_GRID = (
    "-m", "data.split_seed=range(0,40)", "model.dropout=range(0,0.8,0.1)", "train.epochs=6",
    "train.eval_every_epochs=1", STUDY, TWO, "study.max_retries=100",
)  # fmt: skip
POINTS = 320
KILLS = int(os.environ.get("KILLS", "50"))


def begun(study: Path) -> int:
    return len(list(study.glob("trials/*")))


def workers_of(main: int) -> list[int]:
    """joblib's processes, also those that have not begun to work."""
    with suppress(psutil.Error):
        children = psutil.Process(main).children()
        return [child.pid for child in children if "popen_loky" in " ".join(child.cmdline())]
    return []


def is_joblibs(process: int) -> bool:
    return "loky" in (line := " ".join(psutil.Process(process).cmdline())) or "tracker" in line


def kill_all(session: int) -> None:
    while processes_of(session):
        end_all(session)


class Killed:
    """A study that goes on while parts of it are killed.

    Args:
      start: begins the study's command.
      fault: counts what it costs.
    """

    def __init__(
        self, study: Path, whom: str, start: Callable[..., subprocess.Popen[str]], fault: Fault
    ) -> None:
        self.study, self.whom, self.start, self.fault = study, whom, start, fault
        self.process: subprocess.Popen[str] | None = None
        self.results: dict[int, float] = {}

    def kill_after(self, seconds: float, in_trials: bool) -> None:
        """Kills so many seconds after the last kill or start, or after trials run again.

        Notes how long it took until they did, where it comes to that.
        """
        since, before = time.monotonic(), begun(self.study)
        if self.process is None:
            self.process = self.start(*LONG_GRID, seconds=0.25)
        end = since + (60.0 if in_trials else seconds)
        run_again = False
        while time.monotonic() < end:
            if not run_again and begun(self.study) > before:
                run_again = True
                self.fault.recoveries.append(time.monotonic() - since)
                end = time.monotonic() + seconds if in_trials else end
            time.sleep(0.02)
        self.check_results()
        assert self.process.poll() is None, "the study ended before its kills"
        self.kill(self.process)
        self.fault.injected += 1

    def kill(self, process: subprocess.Popen[str]) -> None:
        if self.whom == "worker":
            workers = wait_until(lambda: workers_of(process.pid))
            with suppress(ProcessLookupError):
                os.kill(random.choice(workers), signal.SIGKILL)
            return
        if self.whom == "main":
            process.kill()
        else:
            kill_all(process.pid)
        process.wait()
        self.process = None

    def check_results(self) -> None:
        """No trial that was complete once ceases to be, or has another value."""
        now = results_of(self.study)
        self.fault.lost += sum(now.get(number) != value for number, value in self.results.items())
        self.results = now


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["worker", "main", "session"])
def test_killed_at_random_moments(tmp_path, started, fault, whom):
    study = tmp_path / "study"
    names = {"worker": "one worker", "main": "the main process", "session": "all processes at once"}
    row = fault(f"SIGKILL of {names[whom]}")
    random.seed(os.environ.get("KILL_SEED", "0"))
    sessions: list[int] = []

    def begin(*arguments: str, **options: float) -> subprocess.Popen[str]:
        process = started(*arguments, **options)
        sessions.append(process.pid)
        return process

    killed = Killed(study, whom, begin, row)
    for _ in range(KILLS):
        if random.random() < 0.4:
            killed.kill_after(random.uniform(0.1, 4.0), in_trials=False)
        else:
            killed.kill_after(random.uniform(0.0, 2.0), in_trials=True)
    if killed.process:
        end_all(killed.process.pid)
        killed.process.wait()
    finished(tmp_path, *LONG_GRID, timeout=300)
    killed.check_results()
    trials = trials_of(study)
    cut_short = [trial for trial in trials if not counts_toward_budget(trial)]
    # Each kill costs the trials in progress, one of each worker; the last one is the test's own.
    row.lost += max(0, len(cut_short) - 2 * (KILLS + 1))
    points = Counter(
        trial.user_attrs[attributes.GRID_POINT] for trial in trials if counts_toward_budget(trial)
    )
    row.duplicates = sum(number - 1 for number in points.values())
    check_grid(study, POINTS)
    assert cut_short
    assert (row.injected, row.lost, row.duplicates) == (KILLS, 0, 0)
    # What holds the locks are workers and trials; they have ended.
    locks.wait_for_workers(study)
    left = {process for session in sessions for process in processes_of(session)}
    assert whom == "main" or not left
    # joblib's own, that had no work yet when the main process was killed.
    assert all(is_joblibs(process) for process in left)


def test_trials_and_workers_that_are_killed_are_run_again(tmp_path, started):
    process = started(*GRID, TWO)
    study = tmp_path / "study"
    (trial, _), _ = wait_for_running(study, 2)
    os.kill(trial, signal.SIGKILL)
    wait_until(lambda: finished_trials(study) >= 3)
    worker = wait_until(lambda: [parent for own, parent in running(study) if own != trial])[0]
    os.kill(worker, signal.SIGKILL)
    assert process.wait(timeout=60) == 0, (tmp_path / "printed.txt").read_text()
    wait_for_the_end_of_all(process)
    check_grid(study, 6)
    reasons = [
        trial.user_attrs[attributes.REASON]
        for trial in trials_of(study)
        if not counts_toward_budget(trial)
    ]
    assert 2 <= len(reasons) <= 3
    assert reasons[0].startswith("the trial's process was killed by SIGKILL")
    assert set(reasons[1:]) == {PROCESS_DIED}
    rows = [row for row in leaderboard(study) if row["state"] == "interrupted"]
    assert [row["reason"] for row in rows] == reasons
    # The worker's end is told, and not in the words of a trial's.
    assert "workers  ended early by TerminatedWorkerError" in (tmp_path / "printed.txt").read_text()


def test_a_trial_under_which_its_process_always_dies_fails_in_the_end(tmp_path):
    # Nothing is swept: that is one trial.
    done = run(tmp_path, "-m", BASIC, STUDY, "train.epochs=5", "study.max_retries=2", "name=dies")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error: study: no trial completed: 1 failed; the first, in " in done.stderr
    study = tmp_path / "study"
    (failed,) = check_whole(study, 1)
    assert has_failed(failed)
    assert failed.number == failed.user_attrs[attributes.CRASH_COUNT] - 1 == 2
    assert "was killed by SIGKILL (out of memory" in failed.user_attrs[attributes.REASON]


@pytest.mark.parametrize("launcher", [TWO, pytest.param(BASIC, marks=pytest.mark.slow)])
def test_the_main_process_is_killed_and_started_again_at_once(tmp_path, started, launcher):
    process = started(*GRID, launcher)
    study = tmp_path / "study"
    wait_until(lambda: running(study) and finished_trials(study))
    process.kill()
    process.wait()
    # It waits for the workers of the first, that end by themselves.
    again = started(*GRID, launcher, seconds=0)
    wait_for_the_end_of_all(process)
    assert again.wait(timeout=60) == 0, (tmp_path / "printed.txt").read_text()
    check_grid(study, 6)
    assert any(not counts_toward_budget(trial) for trial in trials_of(study))


@pytest.mark.slow
def test_the_main_process_is_killed_while_its_workers_start(tmp_path, started):
    process = started(*GRID, TWO)
    wait_until(lambda: len(processes_of(process.pid)) > 2)
    time.sleep(0.5)
    process.kill()
    # joblib's processes may wait for work for a while; they hold nothing back.
    finished(tmp_path, *GRID, TWO)
    check_grid(tmp_path / "study", 6)
