"""Studies through Ray: a cluster of two nodes, one of which dies, and one of the study's own."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from optuna.trial import TrialState
from toy_runs import (
    check_grid,
    finished,
    is_alive,
    run,
    running,
    trials_of,
    wait_until,
)

from sweeper.study import attributes
from sweeper.study.execution.recovery import PROCESS_DIED

ray = pytest.importorskip("ray", reason="needs sweeper[ray]")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = pytest.mark.slow

SIZE = 8
GRID = (
    "-m", f"data.split_seed=range(0,{SIZE})", "train.epochs=6", "train.eval_every_epochs=1",
    "hydra.sweep.dir=study", "hydra/launcher=ray", "study.workers=2",
)  # fmt: skip


@pytest.fixture
def cluster() -> Iterator[cluster_utils.Cluster]:
    """A head without CPUs for tasks, to which two nodes of one CPU are added."""
    own = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    yield own
    own.shutdown()


def on(cluster: cluster_utils.Cluster) -> str:
    return f"hydra.launcher.ray.init.address={cluster.address}"


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def nodes_of(study: Path) -> dict[int, int]:
    """Of each worker that runs a trial now, the process of its node."""
    return {worker: parent(worker) for _, worker in running(study)}


def raylet(node: ray._private.node.Node) -> int:
    return node.all_processes["raylet"][0].process.pid


def all_of(tmp_path: Path) -> list[int]:
    """Every living process that inherited the test's mark."""
    mark, found = f"TOY_MARK={tmp_path}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (place / "environ").read_bytes().split(b"\0") and is_alive(int(place.name)):
                found.append(int(place.name))
    return found


def test_a_node_that_dies_costs_its_trial_and_no_more(tmp_path, cluster, started):
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    study = tmp_path / "study"
    process = started(*GRID, on(cluster), seconds=0.5)
    # The processes of the nodes, and not of the head: each has one worker.
    wait_until(lambda: set(nodes_of(study).values()) == {raylet(node) for node in nodes})
    wait_until(lambda: len(list(study.glob("trials/*/process.txt"))) == 4)
    workers = {node: worker for worker, node in nodes_of(study).items()}
    dead, left = workers[raylet(nodes[1])], workers[raylet(nodes[0])]
    cluster.remove_node(nodes[1], allow_graceful=False)
    assert process.wait(timeout=120) == 0, (tmp_path / "printed.txt").read_text()
    check_grid(study, SIZE)
    (lost,) = [trial for trial in trials_of(study) if trial.user_attrs.get("interrupted")]
    assert lost.user_attrs[attributes.REASON] == PROCESS_DIED
    places = [path.read_text().split() for path in study.glob("trials/*/process.txt")]
    done = Counter(int(worker) for _, worker in places)
    # Both nodes had trials, and the one that is left had those of the other, too.
    assert done[dead] == 2
    assert done[left] > 3
    assert done.total() == SIZE + 1
    # Wherever the nodes were started.
    assert {path.name for path in study.glob("workers/*")} == {"0", "1"}


# A terminal sends Ctrl-C to all processes.
@pytest.mark.parametrize(
    ("send", "number"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)]
)
def test_a_signal_ends_the_cluster_of_its_own_in_order(
    tmp_path, monkeypatch, started, send, number
):
    monkeypatch.setenv("TOY_MARK", str(tmp_path))
    study = tmp_path / "study"
    process = started(*GRID, seconds=1.0)
    wait_until(lambda: len(running(study)) == 2)
    pressed = time.monotonic()
    send(process.pid, number)
    assert process.wait(timeout=30) == 128 + number, (tmp_path / "printed.txt").read_text()
    assert time.monotonic() - pressed < 10
    trials = trials_of(study)
    assert not any(trial.state == TrialState.RUNNING for trial in trials)
    # In order: the trials themselves told of it.
    ended = [trial for trial in trials if trial.user_attrs.get(attributes.INTERRUPTED)]
    assert len(ended) == 2
    assert PROCESS_DIED not in {trial.user_attrs[attributes.REASON] for trial in ended}
    wait_until(lambda: not all_of(tmp_path), seconds=5)
    finished(tmp_path, *GRID)
    check_grid(study, SIZE)


def test_the_cluster_of_others_is_left_alone(tmp_path, cluster, started):
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    study = tmp_path / "study"
    for number in (signal.SIGINT, signal.SIGKILL):
        before = len(list(study.glob("trials/*")))
        process = started(*GRID, on(cluster), seconds=1.0)
        wait_until(lambda: len(list(study.glob("trials/*/process.txt"))) == before + 2)  # noqa: B023
        ours = [each for pair in running(study)[-2:] for each in pair]
        process.send_signal(number)
        assert process.wait(timeout=30) in (130, -signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, ours)), seconds=10)  # noqa: B023
        assert all(is_alive(raylet(node)) for node in cluster.list_all_nodes())
    finished(tmp_path, *GRID, on(cluster))
    check_grid(study, SIZE)


def test_workers_end_with_a_main_process_that_is_killed(tmp_path, started):
    study = tmp_path / "study"
    process = started(*GRID, seconds=1.0)
    wait_until(lambda: len(running(study)) == 2)
    ours = [each for pair in running(study) for each in pair]
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_alive, ours)), seconds=10)
    finished(tmp_path, *GRID)
    check_grid(study, SIZE)


def test_an_address_without_a_cluster_is_the_users_mistake(tmp_path):
    done = run(tmp_path, *GRID, "hydra.launcher.ray.init.address=localhost:1")
    assert done.returncode == 2
    assert "hydra.launcher.ray.init.address: got 'localhost:1', where no cluster" in done.stderr
