"""Who may work on a study's directory, by real processes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_runs import wait_until

from sweeper.common.errors import OutputError
from sweeper.study.execution import locks

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Has another process hold a lock; returns it."""
    others: list[Any] = []

    def start(lock: Callable[[Path], Any], seconds: float = 60.0) -> Any:
        held = FORK.Event()

        def stay() -> None:
            with lock(tmp_path):
                held.set()
                time.sleep(seconds)

        others.append(FORK.Process(target=stay))
        others[-1].start()
        assert held.wait(10)
        return others[-1]

    yield start
    for other in others:
        other.kill()
        other.join()


@pytest.fixture
def _impatient(monkeypatch) -> None:
    monkeypatch.setattr(locks, "SECONDS_TO_END", {locks.MAIN: 0.2, locks.WORKERS: 0.2})


@pytest.mark.usefixtures("_impatient")
def test_a_second_main_process_is_refused(tmp_path, hold):
    hold(locks.main_process)
    with (
        pytest.raises(OutputError, match="another process runs the study"),
        locks.main_process(tmp_path),
    ):
        pass


@pytest.mark.usefixtures("_impatient")
def test_the_main_process_is_refused_while_a_worker_runs(tmp_path, hold):
    hold(locks.worker)
    with pytest.raises(OutputError, match="workers of an earlier start"):
        locks.wait_for_workers(tmp_path)
    # One main process and its workers don't keep each other out, nor do workers.
    with locks.main_process(tmp_path), locks.worker(tmp_path):
        pass


def test_who_comes_waits_for_those_that_end(tmp_path, hold):
    hold(locks.main_process, seconds=0.3)
    hold(locks.worker, seconds=0.3)
    with locks.main_process(tmp_path):
        locks.wait_for_workers(tmp_path)


@pytest.mark.parametrize("lock", [locks.main_process, locks.worker], ids=["main", "worker"])
def test_a_lock_ends_with_a_process_that_is_killed(tmp_path, hold, lock):
    hold(lock).kill()
    with locks.main_process(tmp_path):
        locks.wait_for_workers(tmp_path)


def test_a_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="mine"), locks.main_process(tmp_path):
        raise ValueError("mine")
    with locks.main_process(tmp_path):
        pass


def test_the_process_of_a_trial_keeps_its_workers_lock(tmp_path, monkeypatch):
    ended, child = FORK.Event(), None
    with locks.worker(tmp_path):
        child = FORK.Process(target=ended.wait, args=(30,))
        child.start()
    monkeypatch.setattr(locks, "SECONDS_TO_END", {locks.MAIN: 0.2, locks.WORKERS: 0.2})
    with pytest.raises(OutputError, match="workers of an earlier start"):
        locks.wait_for_workers(tmp_path)
    ended.set()
    wait_until(lambda: not child.is_alive())
    locks.wait_for_workers(tmp_path)
