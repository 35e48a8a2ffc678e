"""What a study makes of a database server that restarts, is full, or waits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from optuna.trial import TrialState
from processes import killed_at_the_end
from toy_runs import (
    STUDY,
    check_grid,
    check_whole,
    end_all,
    environment,
    processes_of,
    run,
    trials_of,
    wait_until,
)

from benchmarks.postgresql_server import Server, running_server
from sweeper.study import attributes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

POINTS = 40
GRID = (
    "-m", f"data.split_seed=range(0,{POINTS})", "train.epochs=4", "train.eval_every_epochs=1",
    STUDY, "study.workers=2", "storage=postgresql",
)  # fmt: skip
PLACE = "storage.url={}"
Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def own_server(server) -> Iterator[Server]:
    """A server of the test's own, to be stopped at will; `server` has set the password."""
    with running_server() as started:
        yield started


def wait_for_trials(study: Path, number: int) -> None:
    """Until so many trials have begun, by their directories."""
    wait_until(lambda: len(list(study.glob("trials/*"))) >= number)


def end_well(process: subprocess.Popen[str], directory: Path) -> None:
    assert process.wait(180) == 0, (directory / "printed.txt").read_text()[-3000:]


def test_a_server_that_restarts_at_any_time(tmp_path, started, fault, own_server):
    noted = fault("PostgreSQL restarted (all connections broken)")
    url, study = own_server.url(), tmp_path / "study"
    process = started(*GRID, PLACE.format(url), seconds=0.1)
    for restart in range(5):
        wait_for_trials(study, 6 * (restart + 1))
        own_server.stop()
        time.sleep((0.0, 1.0, 3.0, 0.5, 2.0)[restart])
        own_server.start()
        back, begun = time.monotonic(), len(list(study.glob("trials/*")))
        wait_for_trials(study, begun + 1)
        noted.injected += 1
        noted.recoveries.append(time.monotonic() - back)
    end_well(process, tmp_path)
    check_grid(study, POINTS)
    trials = trials_of(study)
    # A claim whose answer the restart swallowed may leave a trial that ran no more.
    noted.lost = max(0, sum(t.state == TrialState.FAIL for t in trials) - 2 * noted.injected)
    assert noted.lost == 0


def test_a_server_away_for_longer_than_the_study_waits(tmp_path, started, fault, own_server):
    noted = fault("PostgreSQL away for longer than storage.retry_seconds")
    url, study = own_server.url(), tmp_path / "study"
    arguments = (*GRID, PLACE.format(url), "storage.retry_seconds=2")
    process = started(*arguments, seconds=0.1)
    wait_for_trials(study, 6)
    own_server.stop()
    assert process.wait(120) == 2
    printed = (tmp_path / "printed.txt").read_text()
    assert "Traceback" not in printed
    own_server.start()
    back = time.monotonic()
    noted.injected += 1
    process = started(*arguments, seconds=0.05)
    begun = len(list(study.glob("trials/*")))
    wait_for_trials(study, begun + 1)
    noted.recoveries.append(time.monotonic() - back)
    end_well(process, tmp_path)
    check_grid(study, POINTS)


@pytest.mark.parametrize("broken", [False, True], ids=["", "own_broken"])
def test_no_connection_is_left(tmp_path, started, fault, server, broken):
    noted = fault("PostgreSQL's connections exhausted for 10 s" + ", the study's broken" * broken)
    url, study = server.url(), tmp_path / "study"
    process = started(*GRID, PLACE.format(url), seconds=0.1)
    wait_for_trials(study, 6)
    with ExitStack() as stack:
        taken = take_all_connections(stack, url)
        if broken:
            # Those that the study has, too, and it finds no other.
            end_others(taken[0])
            take_all_connections(stack, url)
        noted.injected += 1
        before = len(list(study.glob("trials/*")))
        time.sleep(5)
        # With those that it has the study goes on: it needs no other.
        assert broken or len(list(study.glob("trials/*"))) > before
        time.sleep(5 * broken)
    if broken:
        back, begun = time.monotonic(), len(list(study.glob("trials/*")))
        wait_for_trials(study, begun + 1)
        noted.recoveries.append(time.monotonic() - back)
    end_well(process, tmp_path)
    check_grid(study, POINTS)


def take_all_connections(stack: ExitStack, url: str) -> list[psycopg.Connection]:
    connections = []
    while True:
        try:
            connections.append(stack.enter_context(psycopg.connect(url)))
        except psycopg.OperationalError:
            return connections


def end_others(connection: psycopg.Connection) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sweeper'"
    )


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_lock_that_another_program_holds_for_half_a_minute(tmp_path, started, fault, server):
    noted = fault("A lock on the trials' table held for 30 s")
    url, study = server.url(), tmp_path / "study"
    process = started(*GRID, PLACE.format(url), seconds=0.1)
    wait_for_trials(study, 6)
    with locked(url, "trials"):
        noted.injected += 1
        time.sleep(30)
    back, begun = time.monotonic(), len(list(study.glob("trials/*")))
    wait_for_trials(study, begun + 1)
    noted.recoveries.append(time.monotonic() - back)
    end_well(process, tmp_path)
    taken = check_whole(study, POINTS)
    assert sorted(trial.user_attrs[attributes.GRID_POINT] for trial in taken) == [*range(POINTS)]


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["one", "all"])
def test_a_signal_while_the_server_is_away(tmp_path, started, fault, own_server, send):
    noted = fault("SIGTERM while PostgreSQL is away")
    url, study = own_server.url(), tmp_path / "study"
    process = started(*GRID, PLACE.format(url), seconds=0.1)
    wait_for_trials(study, 4)
    own_server.stop()
    time.sleep(2)
    told = time.monotonic()
    send(process.pid, signal.SIGTERM)
    process.wait(30)
    assert time.monotonic() - told < 10
    wait_until(lambda: not processes_of(process.pid), seconds=5)
    noted.injected += 1
    own_server.start()
    finished_in = started(*GRID, PLACE.format(url), seconds=0.02)
    end_well(finished_in, tmp_path)
    check_grid(study, POINTS)


def test_a_copy_of_a_studys_directory_does_not_run_it_too(tmp_path, started, server):
    url, study = server.url(), tmp_path / "study"
    process = started(*GRID, PLACE.format(url), seconds=0.1)
    wait_for_trials(study, 4)
    shutil.copytree(study, tmp_path / "copy")
    arguments = [each for each in GRID if each != STUDY]
    second = run(tmp_path, *arguments, PLACE.format(url), "hydra.sweep.dir=copy")
    assert second.returncode == 2
    (line,) = second.stderr.splitlines()
    assert "another process runs the study 'study'" in line
    assert f":{study};" in line
    end_well(process, tmp_path)
    check_grid(study, POINTS)


FAR_WORKER = """
import sys, time
from pathlib import Path
from plans import planner
from sweeper.study.execution.worker_loop import WorkerLoop
with planner() as planned:
    plan = planned.plan(*sys.argv[1:])
def objective(job):
    print("runs", job.number, flush=True, file=open("far.txt", "a"))
    time.sleep(4)
    return 0.5
WorkerLoop(plan, objective, lambda _: 4, 7, uploads_files=True).run()
"""


def test_a_worker_elsewhere_outlives_its_main_process(tmp_path, started, server):
    """As a job of SLURM's does: a second start is refused, until the worker has ended."""
    url, study = server.url(), tmp_path / "study"
    process = started(*GRID, PLACE.format(url), seconds=0.1)
    wait_for_trials(study, 4)
    plan = [each for each in GRID if each != "-m"]
    far = subprocess.Popen(
        [sys.executable, "-c", FAR_WORKER, *plan, PLACE.format(url)],
        cwd=tmp_path,
        env=environment(),
    )
    with killed_at_the_end(far):
        wait_until((tmp_path / "far.txt").exists)
        end_all(process.pid)
        process.wait()
        refused = run(tmp_path, *GRID, PLACE.format(url))
        assert refused.returncode == 2
        assert "on other machines" in refused.stderr
    end_well(started(*GRID, PLACE.format(url), seconds=0.02), tmp_path)
    check_grid(study, POINTS)
