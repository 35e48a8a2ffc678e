"""Ray's nodes that share no file system with the main process: a database is all they have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from toy_runs import check_grid, end_all, wait_until

from benchmarks.postgresql_server import free_port

ray = pytest.importorskip("ray", reason="needs sweeper[ray]")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]
SIZE = 8
GRID = (
    "-m", f"data.split_seed=range(0,{SIZE})", "train.epochs=2", "train.eval_every_epochs=1",
    "hydra.sweep.dir=study", "hydra/launcher=ray", "study.workers=2", "storage=postgresql",
)  # fmt: skip
RAY = str(Path(sys.executable).with_name("ray"))


@contextmanager
def node(*options: str, hidden: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A node of Ray's; in a mount namespace of its own, where a directory is another one."""
    command = [RAY, "start", "--block", "--disable-usage-stats", "--include-dashboard=false",
               *options]  # fmt: skip
    if "--head" not in options:
        command.remove("--include-dashboard=false")
    if hidden is not None:
        script = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", script, str(hidden), *command]
    process = subprocess.Popen(
        command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        end_all(process.pid)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a cluster of a head and two nodes of one CPU, one of which can't see `tmp_path`."""
    able = os.getuid() == 0 and subprocess.run(["unshare", "--mount", "true"]).returncode == 0
    if not able:
        pytest.skip("needs a mount namespace of its own")
    # A cluster that the command line starts would ask for a token.
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    place = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        head = ("--head", "--num-cpus=0", f"--port={place.rpartition(':')[2]}",
                "--node-ip-address=127.0.0.1")  # fmt: skip
        stack.enter_context(node(*head))
        wait_until(lambda: nodes_of(place) == 1)
        stack.enter_context(node(f"--address={place}", "--num-cpus=1"))
        # One after the other: they would take the same ports.
        wait_until(lambda: nodes_of(place) == 2)
        stack.enter_context(node(f"--address={place}", "--num-cpus=1", hidden=tmp_path))
        wait_until(lambda: nodes_of(place) == 3)
        yield place


def nodes_of(address: str) -> int:
    """How many nodes the cluster has; 0 where it doesn't answer yet."""
    program = f"import ray; ray.init({address!r}, logging_level=50); print(len(ray.nodes()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return int(done.stdout.split()[-1]) if done.returncode == 0 else 0


def test_a_study_over_nodes_near_and_far(
    tmp_path: Path,
    server,
    address: str,
    started: Callable[..., subprocess.Popen[str]],
) -> None:
    process = started(
        *GRID, f"storage.url={server.url()}", f"hydra.launcher.ray.init.address={address}",
        seconds=0.5,
    )  # fmt: skip
    assert process.wait(180) == 0, (tmp_path / "printed.txt").read_text()
    study = tmp_path / "study"
    check_grid(study, SIZE)
    places = [path.read_text() for path in study.glob("trials/*/.hydra/hydra.yaml")]
    assert len(places) == SIZE
    far = sum(f"output_dir: {study}" not in text for text in places)
    assert 0 < far < SIZE
    assert len(list(study.glob("trials/*/ended.txt"))) == SIZE
