"""Trials that go wrong: each has its reason, the study goes on, and nothing is left behind."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from optuna.trial import TrialState
from processes import run_module
from toy_runs import (
    BASIC,
    NO_REPORT,
    RANGE,
    STUDY,
    check_grid,
    check_whole,
    finished,
    is_alive,
    processes_of,
    run,
    wait_until,
)
from toy_study import WAYS

from sweeper.study import attributes
from sweeper.two_tower import record

EPOCHS = "train.epochs=5"


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
    "infinity": ("top_100 came out as inf; must be a finite number", ""),
    "reports_nan": ("top_100 was reported as nan at step 5; must be finite", ""),
    "reports_infinity": ("top_100 was reported as inf at step 5; must be finite", ""),
    "exits_at_once": ("the trial's process ended with exit code 3", ""),
    "allocates": ("MemoryError: ", "bytearray(2**40)"),
    "aborts": ("the trial's process was killed by SIGABRT; it last printed: ", ""),
}


def test_each_failure_has_its_reason_and_the_study_goes_on(tmp_path, fault):
    row = fault("a trial that goes wrong")
    seeds = ",".join(map(str, range(len(WAYS))))
    finished(
        tmp_path, "-m", f"data.split_seed={seeds}", "name=in_turn", BASIC, STUDY, EPOCHS,
        "study.max_retries=0", "study.max_failures=100",
    )  # fmt: skip
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
    row.injected += len(FAILURES)
    aborted = trials[WAYS.index("aborts")].user_attrs[attributes.REASON]
    assert "std::bad_alloc" in aborted
    output = study / f"trials/{WAYS.index('prints'):04d}/output.txt"
    assert output.read_text().count("line\n") == 1_000_000


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
        "study.callbacks=[toy_study:fail_always]",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a callback that is no good" in done.stdout + done.stderr
    check_grid(tmp_path / "study", 2)


@pytest.mark.parametrize("how", ["sleeps", pytest.param("hangs", marks=pytest.mark.slow)])
def test_a_trial_that_takes_too_long_fails_and_the_study_goes_on(tmp_path, fault, how):
    """One that hangs hears no interrupt, and is killed."""
    row = fault(f"a trial that {how}, with a time limit")
    done = run(
        tmp_path, "-m", "data.split_seed=0,1", f"name={how}", BASIC, STUDY, EPOCHS,
        "study.trial_timeout_seconds=1",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no trial completed: 2 failed" in done.stderr
    for trial in check_whole(tmp_path / "study", 2):
        assert trial.state == TrialState.FAIL
        reason = trial.user_attrs[attributes.REASON]
        assert reason == "study.trial_timeout_seconds: it took longer than 1 s"
        row.injected += 1


@pytest.mark.parametrize("how", ["leaves_children", "leaves_children_and_dies"])
def test_what_a_trial_has_started_ends_with_its_process(tmp_path, started, fault, how):
    row = fault(f"a trial that {how.replace('_', ' ')}")
    process = started(
        "-m", "data.split_seed=0,1", f"name={how}", BASIC, STUDY, EPOCHS, "study.max_retries=0",
        seconds=0,
    )  # fmt: skip
    # Sleepers hold the lock of the workers, too, as long as they live.
    # All of them have died, so that there is no result.
    code = 1 if how.endswith("dies") else 0
    assert process.wait(timeout=60) == code, (tmp_path / "printed.txt").read_text()
    assert not processes_of(process.pid)
    check_whole(tmp_path / "study", 2)
    row.injected += 2


def test_what_a_trial_has_started_ends_with_its_worker(tmp_path, started, fault):
    row = fault("SIGKILL of a worker whose trial has children")
    process = started(
        "-m", "data.split_seed=0,1", "name=leaves_children_and_sleeps", "study.workers=1", STUDY,
        EPOCHS, "study.max_retries=0", seconds=0,
    )  # fmt: skip
    first = wait_until(lambda: sleepers_of(process.pid))
    (path,) = tmp_path.glob("study/trials/*/process.txt")
    worker = int(path.read_text().split()[1])
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, first)), seconds=10)
    row.injected += 1


def sleepers_of(session: int) -> list[int]:
    """The programs that trials of a session have started."""
    alive = processes_of(session)
    return [process for process in alive if psutil.Process(process).name() == "sleep"]


@pytest.mark.slow
def test_a_loss_that_is_not_finite_fails_a_real_trial(tmp_path):
    done = run_module(
        tmp_path, "sweeper", "-m", "data=synthetic", "train=quick", "train.epochs=5",
        "optimizer.learning_rate=0.1,1e30", STUDY, NO_REPORT, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    taken = check_whole(tmp_path / "study", 2)
    assert [trial.state for trial in taken] == [TrialState.COMPLETE, TrialState.FAIL]
    assert "TrialError" in taken[1].user_attrs[attributes.REASON]
    assert record.read(tmp_path / "study/trials/0001").state == "failed"
