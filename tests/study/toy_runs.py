"""Runs `toy_study.py` in processes of its own, and looks at what it leaves."""

from __future__ import annotations

import csv
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from processes import run_forked

from sweeper.study import attributes
from sweeper.study.execution.recovery import counts_toward_budget
from sweeper.study.storage.factory import load_study

HERE = Path(__file__).parent
TOY = HERE / "toy_study.py"
# A study of a range; TPE unless a test says otherwise.
RANGE = ("--multirun", "optimizer.learning_rate=tag(log,interval(0.001,0.1))")
BASIC = "hydra/launcher=basic"
# The toy's trials never look at their data, which the study looks at before them.
NO_DATA = "data=synthetic"
# Its trials leave no record that a report could tell of.
NO_REPORT = "study.report=false"
STUDY = "hydra.sweep.dir=study"


def environment(seconds: float = 0.0) -> dict[str, str]:
    path = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
    return {**os.environ, "PYTHONPATH": path, "TOY_SECONDS": str(seconds)}


def _without_report(arguments: Sequence[str]) -> list[str]:
    basic_sweeper = "hydra/sweeper=basic" in arguments
    return [*arguments, NO_DATA, *([] if basic_sweeper else [NO_REPORT])]


def run(
    directory: Path, *arguments: str, seconds: float = 0.0, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Runs the toy in a directory to its end; an epoch takes `seconds`."""
    return run_forked(
        directory,
        str(TOY),
        *_without_report(arguments),
        timeout=timeout,
        environment=environment(seconds),
    )


def finished(directory: Path, *arguments: str, **options: Any) -> str:
    """As `run`, for what must go well; returns what it printed."""
    done = run(directory, *arguments, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def start(
    directory: Path, *arguments: str, seconds: float = 0.0, ignored: int | None = None
) -> subprocess.Popen[str]:
    """Starts the toy, the leader of a session that all its processes belong to.

    It has every signal's usual handler but the `ignored` one's, whatever these tests inherit.
    """

    def set_signals() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)

    with (directory / "printed.txt").open("a") as printed:
        return subprocess.Popen(
            [sys.executable, str(TOY), *_without_report(arguments)],
            cwd=directory,
            env=environment(seconds),
            stdout=printed,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=set_signals,
        )


@contextmanager
def starting(directory: Path, seconds: float) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the toy in the background; nothing of its sessions is left afterwards.

    Args:
      seconds: of an epoch, unless a start says otherwise.
    """
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        processes.append(start(directory, *arguments, **{"seconds": seconds, **options}))
        return processes[-1]

    try:
        yield begin
    finally:
        for process in processes:
            end_all(process.pid)
            process.wait()


def _state_and_session(process: int) -> tuple[str, int]:
    """From /proc; ("Z", 0) for one that has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return "Z", 0
    # After the name, which may hold anything: state, parent, group, session.
    state, _, _, session, *_ = text.rpartition(")")[2].split()
    return state, int(session)


def is_alive(process: int) -> bool:
    return _state_and_session(process)[0] != "Z"


def processes_of(session: int) -> list[int]:
    """The living processes of a session."""
    every = [int(place.name) for place in Path("/proc").glob("[0-9]*")]
    states = {process: _state_and_session(process) for process in every}
    return [process for process, (state, own) in states.items() if own == session and state != "Z"]


def end_all(session: int) -> None:
    """Kills what a test may have left."""
    for process in processes_of(session):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What the condition returns as soon as it holds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def load(study: Path) -> optuna.Study:
    return load_study(study)


def trials_of(study: Path) -> list[FrozenTrial]:
    return load(study).get_trials()


def results_of(study: Path) -> dict[int, float]:
    """The value of each complete trial, by number; read beside whoever writes."""
    if not (study / "study.db").exists():
        return {}
    query = "SELECT number, value FROM trials JOIN trial_values USING (trial_id)"
    with closing(sqlite3.connect(study / "study.db", timeout=60)) as connection:
        return dict(connection.execute(f"{query} WHERE state = 'COMPLETE'"))


def running(study: Path) -> list[tuple[int, int]]:
    """The processes (trial's, worker's) of the trials that have begun and not ended."""
    begun = [path for path in study.glob("trials/*/process.txt") if path.read_text()]
    open_ = [path for path in begun if not path.with_name("ended.txt").exists()]
    return [tuple(map(int, path.read_text().split())) for path in open_]


def wait_for_running(study: Path, number: int) -> list[tuple[int, int]]:
    """The processes of so many trials that have begun and not ended, and of their workers."""
    return wait_until(lambda: len(found := running(study)) == number and found)


def wait_for_the_end_of_all(process: subprocess.Popen[str]) -> None:
    wait_until(lambda: not processes_of(process.pid), seconds=10)


def finished_trials(study: Path) -> int:
    return sum(trial.state.is_finished() for trial in trials_of(study))


def leaderboard(study: Path) -> list[dict[str, str]]:
    with (study / "leaderboard.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def contents(directory: Path) -> dict[Path, tuple[int, bytes]]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def check_whole(study: Path, total: int) -> list[FrozenTrial]:
    """Holds a study that has ended to what always must be; returns the trials that count."""
    trials = trials_of(study)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert all(trial.state.is_finished() for trial in trials)
    taken = [trial for trial in trials if counts_toward_budget(trial)]
    assert len(taken) == total
    # Each has a directory of its own, and each that was cut short was run again, once.
    directories = [trial.user_attrs.get(attributes.DIRECTORY) for trial in trials]
    given = [directory for directory in directories if directory]
    assert len(set(given)) == len(given)
    cut_short = [
        trial.number
        for trial in trials
        if not counts_toward_budget(trial) and attributes.DUPLICATE not in trial.user_attrs
    ]
    again = [
        trial.user_attrs[attributes.RETRY_OF]
        for trial in trials
        if attributes.RETRY_OF in trial.user_attrs
    ]
    assert sorted(again) == cut_short
    for trial in trials:
        if attributes.RETRY_OF in trial.user_attrs:
            before = trials[trial.user_attrs[attributes.RETRY_OF]].params
            # It may have been cut short itself, before it had asked for all that it was given.
            assert before.items() <= {**trial.system_attrs["fixed_params"], **trial.params}.items()
    rows = leaderboard(study)
    assert sorted(int(row["number"]) for row in rows) == [trial.number for trial in trials]
    return taken


def check_grid(study: Path, size: int) -> None:
    """As `check_whole`, of a grid: each of its points was run to its end once."""
    taken = check_whole(study, size)
    points = [trial.user_attrs[attributes.GRID_POINT] for trial in taken]
    assert sorted(points) == list(range(size))
    assert {trial.state for trial in taken} == {TrialState.COMPLETE}
