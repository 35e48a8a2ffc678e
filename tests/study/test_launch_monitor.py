"""A launch that waits in vain is ended by an alarm, whose handler lasts no longer than it."""

from __future__ import annotations

import signal
import time

import pytest

from sweeper.study.execution import launch_monitor
from sweeper.study.execution.launch_monitor import JobsGoneError, LaunchMonitor


class MadeUpJobs:
    """Jobs that have all ended, or none."""

    def __init__(self, left: bool) -> None:
        self.left, self.ended = left, []

    def begin(self) -> None:
        pass

    def any_left(self) -> bool:
        return self.left

    def where(self) -> str:
        return "nowhere"

    def end(self, returned: bool) -> None:
        self.ended.append(returned)


@pytest.fixture
def own_handler():
    heard = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    yield heard
    signal.signal(signal.SIGALRM, before)


def wait_in_vain(watch: LaunchMonitor, is_done: bool) -> None:
    with watch:
        watch.poll(is_done, is_stopped=False, any_runs=False)
        watch.poll(is_done, is_stopped=False, any_runs=False)
        time.sleep(10)
        raise AssertionError("the launch went on")


def test_a_launch_is_ended_when_its_study_is_done(monkeypatch, own_handler):
    monkeypatch.setattr(launch_monitor, "SECONDS_TO_RETURN", 0.0)
    jobs = MadeUpJobs(left=True)
    wait_in_vain(LaunchMonitor(jobs), is_done=True)
    assert jobs.ended == [False]


def test_a_launch_whose_jobs_are_gone_is_an_error(monkeypatch, own_handler):
    monkeypatch.setattr(launch_monitor, "SECONDS_TO_RETURN", 0.0)
    monkeypatch.setattr(launch_monitor, "SECONDS_BETWEEN_QUESTIONS", -1.0)
    with pytest.raises(JobsGoneError, match="see nowhere"):
        wait_in_vain(LaunchMonitor(MadeUpJobs(left=False)), is_done=False)


def test_the_handler_that_was_there_before_is_there_again(own_handler):
    watch = LaunchMonitor(MadeUpJobs(left=True))
    with watch:
        pass
    # One that comes too late is not sent.
    watch.poll(is_done=True, is_stopped=True, any_runs=False)
    assert own_handler == []
    signal.raise_signal(signal.SIGALRM)
    assert own_handler == [signal.SIGALRM]
