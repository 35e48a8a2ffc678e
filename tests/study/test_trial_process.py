"""The process that trials run in: real forks, signals and deaths."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT
from toy_runs import is_alive, wait_until

from sweeper.common.errors import DataChangedError
from sweeper.study.execution import trial_child, trial_process
from sweeper.study.execution.trial_child import (
    COMPLETE,
    DIED,
    FAILED,
    INTERRUPTED,
    OUTPUT,
    PRUNED,
    Job,
)
from sweeper.study.execution.trial_process import TrialProcess
from sweeper.study.reporting import expected_fingerprint, in_study, report


@pytest.fixture(autouse=True)
def _look_often(monkeypatch) -> None:
    for module in (trial_child, trial_process):
        monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.05)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Makes processes for a task, and closes them in the end."""
    made: list[Process] = []

    def make(task: Callable[[Job], Any], should_stop: Any = lambda: False) -> Process:
        made.append(Process(tmp_path, task, should_stop))
        return made[-1]

    yield make
    for each in made:
        each.trials.close()


class Process:
    """A `TrialProcess` with jobs numbered from 0, each in its own directory."""

    def __init__(self, root: Path, task: Callable[[Job], Any], should_stop: Any) -> None:
        self.root, self.trials, self.number = root, TrialProcess(task, should_stop), -1
        self.reported: list[tuple[int, dict]] = []

    @property
    def directory(self) -> Path:
        """Of the last job."""
        return self.root / str(self.number)

    def run(self, unwanted_from: int = 1000) -> Any:
        self.number += 1

        def note(step: int, metrics: Any) -> bool:
            self.reported.append((step, metrics))
            return step >= unwanted_from

        return self.trials.run(Job(self.number, self.directory, ["a=1"]), note)


def fail(error: BaseException) -> Callable[[Job], None]:
    def task(job: Job) -> None:
        raise error

    return task


def wait_for_signal(job: Job) -> None:
    (job.directory / "pid").write_text(str(os.getpid()))
    try:
        time.sleep(60)
    finally:
        (job.directory / "closed").touch()


def test_a_job_returns_its_values_and_runs_where_it_should(process):
    own = process(lambda job: [job.number, job.overrides, os.getpid(), in_study()])
    outcome = own.run()
    number, overrides, pid, reporting = outcome.values
    assert (outcome.state, number, overrides, reporting) == (COMPLETE, 0, ["a=1"], True)
    assert pid != os.getpid()
    assert not in_study()


def test_the_process_is_replaced_after_its_trials(process, monkeypatch):
    monkeypatch.setattr(trial_process, "TRIALS_A_PROCESS", 3)
    own = process(lambda job: os.getpid())
    pids = [own.run().values for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
    assert not any(is_alive(pid) for pid in pids[:6])


def test_all_that_is_printed_goes_to_the_trials_own_file_at_once(process, capfd):
    def task(job: Job) -> None:
        # Instead of pytest's, which knows nothing of file descriptors.
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        print("printed", job.number)
        os.write(2, b"by native code\n")
        subprocess.run(["echo", "by a program"], check=True)

    own = process(task)
    for number in range(2):
        own.run()
        # The process still lives: nothing waits for its end.
        lines = (own.directory / OUTPUT).read_text().splitlines()
        assert sorted(lines) == ["by a program", "by native code", f"printed {number}"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no good"), "ValueError: no good"),
        (MemoryError("no more"), "MemoryError: no more"),
        (SystemExit(7), "SystemExit: 7"),
        (ConnectionResetError("a server"), "ConnectionResetError: a server"),
        (EOFError("a file cut short"), "EOFError: a file cut short"),
        (GeneratorExit(), "GeneratorExit: "),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_task_is_a_failure_and_the_process_goes_on(process, error, reason):
    pids: list[int] = []
    own = process(fail(error))
    for _ in range(2):
        outcome = own.run()
        pids.append(own.trials._process.pid)
        assert (outcome.state, outcome.reason) == (FAILED, reason)
        assert "raise error\n" in outcome.traceback
    assert pids[0] == pids[1]


def test_a_value_that_cannot_be_sent_is_a_failure(process):
    own = process(lambda job: (lambda: 1) if job.number == 0 else 1)
    outcome = own.run()
    assert outcome.state == FAILED
    assert "can't be sent" in outcome.reason
    assert own.run().state == COMPLETE


def test_a_directory_that_is_there_is_left_alone(process, tmp_path):
    (tmp_path / "0").mkdir()
    own = process(lambda job: 1)
    outcome = own.run()
    assert outcome.state == FAILED
    assert "FileExistsError" in outcome.reason
    assert list((tmp_path / "0").iterdir()) == []


def test_reports_reach_the_parent_and_its_answer_the_trial(process):
    def task(job: Job) -> str:
        for epoch in range(1, 10):
            report(epoch, {"top_100": epoch / 10})
        return "to its end"

    own = process(task)
    assert own.run(unwanted_from=3).state == PRUNED
    assert own.reported == [(1, {"top_100": 0.1}), (2, {"top_100": 0.2}), (3, {"top_100": 0.3})]
    assert own.run().values == "to its end"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL (out of memory"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "was killed by SIGSEGV"),
        (lambda: os._exit(3), "ended with exit code 3"),
    ],
    ids=["SIGKILL", "SIGSEGV", "exit"],
)
def test_a_death_costs_one_trial(process, end, words):
    own = process(lambda job: end() if job.number == 0 else job.number)
    outcome = own.run()
    assert outcome.state == DIED
    assert words in outcome.reason
    assert own.run().values == 1


def test_a_death_between_two_trials_is_noticed(process):
    own = process(lambda job: os.getpid())
    pid = own.run().values
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    assert own.run().state == DIED
    assert own.run().state == COMPLETE


def test_a_death_is_noticed_though_a_process_that_the_trial_forked_lives_on_and_ends_it(process):
    def task(job: Job) -> None:
        if (child := os.fork()) == 0:
            time.sleep(60)
            os._exit(0)
        (job.directory / "child").write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)

    own = process(task)
    assert own.run().state == DIED
    # It belongs to the trial's process group.
    child = int((own.directory / "child").read_text())
    wait_until(lambda: not is_alive(child), seconds=5)


def test_an_interrupted_trial_closes_its_record_and_the_next_is_interrupted_too(process):
    own = process(wait_for_signal, should_stop=lambda: (own.directory / "pid").exists())
    for _ in range(2):
        outcome = own.run()
        assert (outcome.state, outcome.reason) == (INTERRUPTED, "interrupted by Ctrl-C")
        assert (own.directory / "closed").exists()


def test_a_second_ctrl_c_does_not_cut_the_end_of_a_trial_short(process):
    def task(job: Job) -> None:
        try:
            (job.directory / "begun").touch()
            time.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            (job.directory / "closed").touch()

    own = process(task, should_stop=lambda: (own.directory / "begun").exists())
    assert own.run().state == INTERRUPTED
    assert (own.directory / "closed").exists()


def test_a_trial_that_does_not_end_is_killed_and_the_next_has_another_process(process, monkeypatch):
    monkeypatch.setattr(trial_process, "SECONDS_TO_FINISH", 0.3)

    def task(job: Job) -> int:
        if job.number == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            (job.directory / "begun").touch()
            time.sleep(60)
        return job.number

    own = process(task, should_stop=lambda: (own.root / "0" / "begun").exists())
    assert own.run().state == INTERRUPTED
    outcome = own.run()
    assert (outcome.state, outcome.values) == (COMPLETE, 1)


def test_a_trial_that_catches_the_interrupt_and_ends_well_counts(process):
    def task(job: Job) -> str:
        try:
            (job.directory / "begun").touch()
            time.sleep(60)
        except KeyboardInterrupt:
            report(5, {"top_100": 0.5})
        return "with what there is"

    own = process(task, should_stop=lambda: (own.directory / "begun").exists())
    assert own.run(unwanted_from=0).values == "with what there is"


def test_ctrl_c_between_two_trials_ends_nothing(process):
    own = process(lambda job: os.getpid())
    pid = own.run().values
    os.kill(pid, signal.SIGINT)
    assert own.run().values == pid


def test_an_error_of_the_report_ends_the_trial_and_is_raised(process):
    def task(job: Job) -> None:
        report(1, {"top_100": 0.1})
        time.sleep(60)

    def refuse(step: int, metrics: Any) -> bool:
        raise RuntimeError("the storage is gone")

    own = process(task)
    started = time.monotonic()
    for number in range(2):
        with pytest.raises(RuntimeError, match="the storage is gone"):
            own.trials.run(Job(number, own.root / str(number), []), refuse)
    assert time.monotonic() - started < 5


def test_close_ends_the_process(process):
    own = process(lambda job: os.getpid())
    pid = own.run().values
    own.trials.close()
    assert not is_alive(pid)
    own.trials.close()


def test_the_process_ends_soon_after_its_worker_was_killed(tmp_path):
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=work, args=(tmp_path,))
    worker.start()
    place = tmp_path / "0" / "pid"
    pid = int(wait_until(lambda: place.exists() and place.read_text()))
    worker.kill()
    worker.join()
    wait_until(lambda: not is_alive(pid), seconds=10)


def work(root: Path) -> None:
    TrialProcess(wait_for_signal, lambda: False).run(Job(0, root / "0", []), lambda *_: False)


def test_end_with_a_parent_that_has_gone_already(tmp_path):
    code = (
        "import time; from sweeper.study.execution.trial_child import exit_when_orphaned; "
        "exit_when_orphaned(1234567)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}; time.sleep(60)"],
        cwd=ROOT,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 1


def leave_a_file(job: Job) -> str:
    handle, name = tempfile.mkstemp()
    os.close(handle)
    assert os.environ["TMPDIR"] == tempfile.gettempdir()
    return name


def test_what_libraries_leave_behind_goes_with_the_process(process) -> None:
    each = process(leave_a_file)
    first, second = Path(each.run().values), Path(each.run().values)
    assert first.exists()
    assert first.parent == second.parent
    each.trials.close()
    assert not first.parent.exists()


def test_it_goes_too_when_the_worker_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        f"sys.path += {[str(folder) for folder in Path(__file__).parents[:2]]!r}\n"
        "from test_trial_process import leave_a_file\n"
        "from sweeper.study.execution.trial_child import Job\n"
        "from sweeper.study.execution.trial_process import TrialProcess\n"
        "trials = TrialProcess(leave_a_file, lambda: False)\n"
        f"print(trials.run(Job(0, Path({str(tmp_path)!r}) / '0', []), lambda *_: False).values)\n"
        "sys.stdout.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    place = Path(done.stdout.strip()).parent
    wait_until(lambda: not place.exists())


def test_no_group_is_killed_once_its_leader_has_been_reaped(process, monkeypatch):
    # From then on its identifier may be that of a new process, and of its group.
    killed, kill_group = [], os.killpg

    def noted(group: int, number: int) -> None:
        os.waitid(os.P_PID, group, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # raises for a reaped one
        killed.append(group)
        kill_group(group, number)

    monkeypatch.setattr(os, "killpg", noted)
    own = process(lambda job: os.getpid() if job.number else os._exit(3))
    assert own.run().reason == "the trial's process ended with exit code 3"
    pid = own.run().values
    own.trials.close()
    assert pid in killed
    assert len(killed) == 2
    assert not is_alive(pid)


def test_changed_data_is_no_failure_of_the_trials_and_ends_the_study(process):
    outcome = process(fail(DataChangedError("another table"))).run()
    assert (outcome.state, outcome.reason) == (INTERRUPTED, "DataChangedError: another table")


def test_a_job_says_which_data_is_expected(tmp_path):
    trials = TrialProcess(lambda job: expected_fingerprint(), lambda: False)
    job = Job(0, tmp_path / "0", [], "f" * 64)
    assert trials.run(job, lambda step, metrics: False).values == "f" * 64
    trials.close()
    assert expected_fingerprint() is None
