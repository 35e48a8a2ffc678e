"""What a study makes of a database server that restarts, is full, or waits."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from optuna.trial import TrialState
from toy_runs import STUDY, check_grid, check_whole, leaderboard, trials_of, wait_until

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


def finished(study: Path) -> int:
    """How many rows the leaderboard, which the main process keeps, has that are complete."""
    try:
        return sum(row["state"] == "complete" for row in leaderboard(study))
    except (OSError, KeyError):
        return 0


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


def test_no_connection_is_left(tmp_path, started, fault, server):
    noted = fault("PostgreSQL's connections exhausted for 10 s")
    url, study = server.url(), tmp_path / "study"
    process = started(*GRID, PLACE.format(url), seconds=0.1)
    wait_for_trials(study, 6)
    with ExitStack() as stack:
        taken = take_all_connections(stack, url)
        # Those that the study has are broken, and it finds no other.
        end_others(taken[0])
        take_all_connections(stack, url)
        noted.injected += 1
        time.sleep(10)
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
