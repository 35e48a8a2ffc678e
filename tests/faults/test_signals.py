"""Ctrl-C, SIGTERM and SIGHUP: an end in order, within ten seconds."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from optuna.trial import TrialState
from processes import started_module
from toy_runs import (
    BASIC,
    RANGE,
    STUDY,
    check_grid,
    check_whole,
    finished,
    processes_of,
    running,
    trials_of,
    wait_for_running,
    wait_for_the_end_of_all,
    wait_until,
)

from sweeper.study import attributes
from sweeper.two_tower import record

GRID = ("-m", "data.split_seed=0,1,2,3,4,5", "train.epochs=6", "train.eval_every_epochs=1", STUDY)
TWO = "study.workers=2"


@pytest.mark.parametrize(
    ("launcher", "at_once"), [(TWO, 2), pytest.param(BASIC, 1, marks=pytest.mark.slow)]
)
def test_ctrl_c_ends_all_and_the_same_command_goes_on(tmp_path, started, fault, launcher, at_once):
    row = fault(f"Ctrl-C, {launcher}")
    study = tmp_path / "study"
    cut_short: list[int] = []
    # A terminal sends it to all processes, `kill` to one.
    for send in (os.killpg, os.kill):
        process = started(*GRID, launcher, seconds=1.0)
        wait_for_running(study, len(cut_short) + at_once)
        pressed = time.monotonic()
        send(process.pid, signal.SIGINT)
        row.injected += 1
        assert process.wait(timeout=30) == 130
        assert time.monotonic() - pressed < 10
        wait_for_the_end_of_all(process)

        trials = trials_of(study)
        assert not any(trial.state == TrialState.RUNNING for trial in trials)
        assert not any(trial.user_attrs.get(attributes.CRASH_COUNT) for trial in trials)
        ended = [trial.number for trial in trials if trial.state == TrialState.FAIL]
        assert len(ended) == len(cut_short) + at_once
        cut_short = ended
        again = [trial.user_attrs.get(attributes.RETRY_OF) for trial in trials]
        assert set(cut_short) <= set(again)
    printed = (tmp_path / "printed.txt").read_text()
    assert "Traceback" not in printed
    assert f"{at_once} interrupted" in printed
    assert f"resume   {sys.executable} " in printed
    finished(tmp_path, *GRID, launcher)
    check_grid(study, 6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_system_ends_a_study_in_order(tmp_path, started, fault, number):
    """Sent to all its processes, as a scheduler or a closed terminal does."""
    row = fault(f"{number.name}, a study")
    process = started(*GRID, TWO, seconds=1.0)
    study = tmp_path / "study"
    wait_for_running(study, 2)
    pressed = time.monotonic()
    os.killpg(process.pid, number)
    row.injected += 1
    assert process.wait(timeout=30) == 128 + number
    assert time.monotonic() - pressed < 10
    wait_for_the_end_of_all(process)
    trials = trials_of(study)
    assert not any(trial.user_attrs.get(attributes.CRASH_COUNT) for trial in trials)
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
    assert command.startswith("resume   ")
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_by_itself_ends_in_order(tmp_path, fault, number):
    row = fault(f"{number.name}, a run by itself")
    with started_module(
        tmp_path, "sweeper", "data=synthetic", "train=quick", "train.epochs=100000",
        "train.eval_every_epochs=1", "hydra.run.dir=run", start_new_session=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:  # fmt: skip
        while not process.stdout.readline().startswith("epoch "):
            assert process.poll() is None
        # A scheduler may tell the group and then the process.
        os.killpg(process.pid, number)
        told = time.monotonic()
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)
        assert time.monotonic() - told < 10
    assert process.returncode == 128 + number
    assert "Traceback" not in printed
    interrupted = record.read(tmp_path / "run")
    assert (interrupted.state, interrupted.reason) == (
        "interrupted", f"interrupted by {number.name}",
    )  # fmt: skip
    assert interrupted.history
    row.injected += 1


def test_ctrl_c_ends_trials_that_report_all_the_time(tmp_path, started):
    """The worker looks by the time, not where a trial leaves it one."""
    process = started(
        "-m", "data.split_seed=0,1", "train.epochs=100000", "train.eval_every_epochs=1", STUDY,
        "study.workers=1", seconds=0.005,
    )  # fmt: skip
    wait_for_running(tmp_path / "study", 1)
    pressed = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - pressed < 10
    wait_for_the_end_of_all(process)
