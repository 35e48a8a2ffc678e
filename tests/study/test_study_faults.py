"""What a study makes of Ctrl-C, killed processes and trials that fail, in real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from toy_runs import (
    BASIC,
    RANGE,
    STUDY,
    check_grid,
    check_whole,
    end_all,
    finished,
    leaderboard,
    processes_of,
    run,
    running,
    start,
    trials_of,
    wait_until,
)
from toy_study import WAYS

from sweeper.study import attributes
from sweeper.study.settling import GONE, has_failed, is_taken

GRID = ("-m", "data.split_seed=0,1,2,3,4,5", "train.epochs=6", "train.eval_every_epochs=1", STUDY)
# Of an epoch, so that a trial takes long enough to be caught in it.
SLOW = 0.12
TWO = "study.workers=2"


@pytest.fixture
def started(tmp_path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the toy in the background; nothing of it is left after the test."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, seconds: float = SLOW, **more: Any) -> subprocess.Popen[str]:
        processes.append(start(tmp_path, *arguments, seconds=seconds, **more))
        return processes[-1]

    yield begin
    for process in processes:
        end_all(process.pid)
        process.wait()


def wait_for_running(study: Path, number: int) -> list[tuple[int, int]]:
    """The processes of so many trials that have begun and not ended, and of their workers."""
    return wait_until(lambda: len(found := running(study)) == number and found)


def wait_for_the_end_of_all(process: subprocess.Popen[str]) -> None:
    wait_until(lambda: not processes_of(process.pid), seconds=10)


def finished_trials(study: Path) -> int:
    return sum(trial.state.is_finished() for trial in trials_of(study))


@pytest.mark.parametrize(
    ("launcher", "at_once"), [(TWO, 2), pytest.param(BASIC, 1, marks=pytest.mark.slow)]
)
def test_ctrl_c_ends_all_and_the_same_command_goes_on(tmp_path, started, launcher, at_once):
    study = tmp_path / "study"
    cut_short: list[int] = []
    # A terminal sends it to all processes, `kill` to one.
    for send in (os.killpg, os.kill):
        process = started(*GRID, launcher, seconds=1.0)
        wait_for_running(study, len(cut_short) + at_once)
        pressed = time.monotonic()
        send(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert time.monotonic() - pressed < 10
        wait_for_the_end_of_all(process)

        trials = trials_of(study)
        assert not any(trial.state == TrialState.RUNNING for trial in trials)
        assert not any(trial.user_attrs.get(attributes.DEATHS) for trial in trials)
        ended = [trial.number for trial in trials if trial.state == TrialState.FAIL]
        assert len(ended) == len(cut_short) + at_once
        cut_short = ended
        again = [trial.user_attrs.get(attributes.RETRY_OF) for trial in trials]
        assert set(cut_short) <= set(again)
    printed = (tmp_path / "printed.txt").read_text()
    assert "Traceback" not in printed
    assert f"{at_once} interrupted" in printed
    assert f"go on    {sys.executable} " in printed
    finished(tmp_path, *GRID, launcher)
    check_grid(study, 6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_system_ends_a_study_in_order(tmp_path, started, number):
    """Sent to all its processes, as a scheduler or a closed terminal does."""
    process = started(*GRID, TWO, seconds=1.0)
    study = tmp_path / "study"
    wait_for_running(study, 2)
    pressed = time.monotonic()
    os.killpg(process.pid, number)
    assert process.wait(timeout=30) == 128 + number
    assert time.monotonic() - pressed < 10
    wait_for_the_end_of_all(process)
    trials = trials_of(study)
    assert not any(trial.user_attrs.get(attributes.DEATHS) for trial in trials)
    assert sum(trial.state == TrialState.WAITING for trial in trials) == 2
    finished(tmp_path, *GRID, TWO)
    check_grid(study, 6)


def test_a_grid_without_a_name_is_told_where_it_goes_on(tmp_path, started):
    process = started("-m", "data.split_seed=0,1", "train.epochs=6", BASIC, seconds=1.0)
    wait_until(lambda: any(map(running, tmp_path.glob("outputs/multirun/*"))))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    (study,) = tmp_path.glob("outputs/multirun/*")
    command = (tmp_path / "printed.txt").read_text().splitlines()[-1]
    assert command.startswith("go on    ")
    assert command.endswith(f" hydra.sweep.dir=outputs/multirun/{study.name}")


def test_a_study_under_nohup_outlives_its_terminal(tmp_path, started):
    process = started(
        "-m", "data.split_seed=0,1", "train.epochs=6", STUDY, BASIC, seconds=0.3,
        ignored=signal.SIGHUP,
    )  # fmt: skip
    wait_for_running(tmp_path / "study", 1)
    os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(timeout=60) == 0, (tmp_path / "printed.txt").read_text()
    check_grid(tmp_path / "study", 2)


def test_what_was_cut_short_comes_before_the_sets_that_wait(tmp_path, started):
    rates = [0.01 * number for number in range(1, 6)]
    sets = ", ".join(f"{{optimizer.learning_rate: {rate}}}" for rate in rates)
    search = (
        *RANGE, "study.sampler=random", "study.n_trials=3", f"study.enqueue=[{sets}]",
        "train.epochs=6", "train.eval_every_epochs=1", STUDY, BASIC,
    )  # fmt: skip
    process = started(*search, seconds=1.0)
    study = tmp_path / "study"
    wait_for_running(study, 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    finished(tmp_path, *search)
    taken = check_whole(study, 3)
    assert [trial.params["optimizer.learning_rate"] for trial in taken] == rates[:3]


@pytest.mark.slow
def test_ctrl_c_kills_a_trial_that_hears_nothing(tmp_path, started):
    process = started(*GRID, TWO, "name=hangs", seconds=0)
    study = tmp_path / "study"
    wait_until(lambda: len(list(study.glob("trials/*/ended.txt"))) == 2)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - pressed < 10
    wait_for_the_end_of_all(process)
    assert not any(trial.state == TrialState.RUNNING for trial in trials_of(study))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [BASIC, TWO])
def test_a_second_ctrl_c_ends_at_once(tmp_path, started, launcher):
    process = started(*GRID, launcher, "name=hangs", seconds=0)
    study = tmp_path / "study"
    wait_until(lambda: list(study.glob("trials/*/ended.txt")))
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - pressed < 4
    wait_for_the_end_of_all(process)


@pytest.mark.slow
def test_ctrl_c_while_the_workers_start(tmp_path, started):
    process = started(*GRID, TWO)
    wait_until(lambda: (tmp_path / "study" / "study.db").exists())
    wait_until(lambda: len(processes_of(process.pid)) > 2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    wait_for_the_end_of_all(process)
    finished(tmp_path, *GRID, TWO)
    check_grid(tmp_path / "study", 6)


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
        trial.user_attrs[attributes.REASON] for trial in trials_of(study) if not is_taken(trial)
    ]
    assert 2 <= len(reasons) <= 3
    assert reasons[0].startswith("the trial's process was killed by SIGKILL")
    assert set(reasons[1:]) == {GONE}
    rows = [row for row in leaderboard(study) if row["state"] == "interrupted"]
    assert [row["reason"] for row in rows] == reasons
    # The worker's end is told, and not in the words of a trial's.
    assert "workers  ended early by TerminatedWorkerError" in (tmp_path / "printed.txt").read_text()


def test_a_trial_under_which_its_process_always_dies_fails_in_the_end(tmp_path):
    # Nothing is swept: that is one trial.
    finished(tmp_path, "-m", BASIC, STUDY, "train.epochs=5", "study.max_retries=2", "name=dies")
    study = tmp_path / "study"
    (failed,) = check_whole(study, 1)
    assert has_failed(failed)
    assert failed.number == failed.user_attrs[attributes.DEATHS] - 1 == 2
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
    assert any(not is_taken(trial) for trial in trials_of(study))


@pytest.mark.slow
def test_the_main_process_is_killed_while_its_workers_start(tmp_path, started):
    process = started(*GRID, TWO)
    wait_until(lambda: len(processes_of(process.pid)) > 2)
    time.sleep(0.5)
    process.kill()
    # joblib's processes may wait for work for a while; they hold nothing back.
    finished(tmp_path, *GRID, TWO)
    check_grid(tmp_path / "study", 6)


@pytest.mark.slow
def test_a_second_main_process_is_refused(tmp_path, started):
    process = started(*GRID, TWO, seconds=3)
    wait_for_running(tmp_path / "study", 2)
    done = run(tmp_path, *GRID, TWO)
    assert done.returncode == 2
    assert "another process runs the study in" in done.stderr
    assert process.poll() is None


FAILURES = {
    "nan": ("top_100 came out as nan; must be a finite number", ""),
    "nothing": ("top_100 came out as None; must be a finite number", ""),
    "no_number": ("top_100 came out as 'good'; must be a finite number", ""),
    "one_too_many": ("the task returned (", ""),
    "no_pickle": ("the task returned what can't be sent", ""),
    "raises": ("ValueError: no good: 0.1", "raise ValueError"),
    "out_of_memory": ("MemoryError: no more", "raise MemoryError"),
    "exits": ("SystemExit: 7", "sys.exit(7)"),
    "reports_another": ("the task reported top_1 and not top_100", ""),
}


def test_each_failure_has_its_reason_and_the_study_goes_on(tmp_path):
    seeds = ",".join(map(str, range(len(WAYS))))
    finished(
        tmp_path, "-m", f"data.split_seed={seeds}", "name=in_turn", BASIC, STUDY, "train.epochs=5"
    )
    study = tmp_path / "study"
    trials = check_whole(study, len(WAYS))
    for trial, name in zip(trials, WAYS, strict=True):
        place = study / trial.user_attrs[attributes.DIRECTORY]
        if name in FAILURES:
            reason, line = FAILURES[name]
            assert trial.state == TrialState.FAIL
            assert trial.user_attrs[attributes.REASON].startswith(reason)
            assert (place / "traceback.txt").exists() == bool(line)
            assert not line or line in (place / "traceback.txt").read_text()
        else:
            assert trial.state == TrialState.COMPLETE
    output = study / f"trials/{WAYS.index('prints'):04d}/output.txt"
    assert output.read_text().count("line\n") == 100_000


def test_too_many_failures_end_the_study_with_the_first_traceback(tmp_path):
    search = (*RANGE, BASIC, STUDY, "train.epochs=5", "study.n_trials=9", "name=raises")
    done = run(tmp_path, *search, "study.max_failures=1")
    assert done.returncode == 1
    assert "error: study.max_failures: 2 trials failed, more than 1; the first, in" in done.stderr
    assert done.stderr.count("raise ValueError") == 1
    assert "trials/0000: ValueError: no good" in done.stderr
    check_whole(tmp_path / "study", 2)


def test_a_callback_that_fails_is_told(tmp_path):
    done = run(
        tmp_path, "-m", "data.split_seed=1,2", BASIC, STUDY, "train.epochs=5",
        "study.callbacks=[toy_study.fail_always]",
    )  # fmt: skip
    assert "a callback that is no good" in done.stdout + done.stderr
    check_grid(tmp_path / "study", 2)


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["main", "any"])
def test_processes_killed_at_random_moments(tmp_path, started, whom):
    """Whatever is killed whenever, the grid is complete in the end, each point once."""
    study, choose = tmp_path / "study", random.Random(os.environ.get("KILL_SEED", "0"))
    grid = (
        "-m", "data.split_seed=range(0,10)", "model.dropout=range(0,0.8,0.1)", "train.epochs=6",
        "train.eval_every_epochs=1", STUDY, TWO, "study.max_retries=100",
    )  # fmt: skip
    for _ in range(15):
        process = started(*grid, seconds=0.1)
        time.sleep(choose.uniform(1.0, 6.0))
        alive = processes_of(process.pid) if whom == "any" else []
        chosen = choose.choice(alive or [process.pid])
        os.kill(chosen, signal.SIGKILL)
        if chosen == process.pid:
            process.wait()
        if process.poll() is None:
            # It goes on; the next one would be refused.
            time.sleep(choose.uniform(0.5, 3.0))
            end_all(process.pid) if choose.random() < 0.5 else process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
    assert any(not is_taken(trial) for trial in trials_of(study))
    finished(tmp_path, *grid, timeout=300)
    check_grid(study, 80)
