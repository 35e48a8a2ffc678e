"""Toy studies started in the background, and a SLURM of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from toy_runs import wait_until

from benchmarks.postgresql_server import free_port

CONFIGURATION = """\
ClusterName=tests
SlurmctldHost=localhost
SlurmUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket,cred_expire=5
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=5
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=localhost CPUs=4 RealMemory=2000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=4
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
"""


@pytest.fixture(scope="session")
def slurm_place(tmp_path_factory) -> Iterator[Path]:
    """The directory of a SLURM with one node of four CPUs, two partitions, and no accounting."""
    if shutil.which("slurmctld") is None or os.getuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "needs SLURM's daemons (slurm-wlm, munge), and root to start them"
        )
    place = tmp_path_factory.mktemp("slurm")
    key, configuration = place / "munge.key", place / "slurm.conf"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    ports = {"controller_port": free_port(), "node_port": free_port()}
    configuration.write_text(CONFIGURATION.format(place=place, **ports))
    for name in ("state", "spool"):
        (place / name).mkdir()
    names = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid",
             "log-file": "munged.log", "seed-file": "munge.seed"}  # fmt: skip
    options = [f"--{option}={place / name}" for option, name in names.items()]
    environment = {**os.environ, "SLURM_CONF": str(configuration)}

    def is_up() -> bool:
        command = ["sinfo", "--noheader", "--format=%T"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return set(done.stdout.split()) == {"idle"}

    with ExitStack() as daemons:
        for command in (
            ["munged", "--foreground", "--force", *options],
            ["slurmctld", "-D", "-f", configuration],
            ["slurmd", "-D", "-N", "localhost", "-f", configuration],
        ):
            daemons.enter_context(running_daemon(command, place / f"{command[0]}.printed"))
            wait_until((place / "munge.socket").exists, seconds=10)
        wait_until(is_up, seconds=30)
        yield place
        subprocess.run(["scancel", "--signal=KILL", "--full", "--me"], env=environment)
        subprocess.run(["scancel", "--me"], env=environment)


@contextmanager
def running_daemon(command: list[str | Path], printed: Path) -> Iterator[None]:
    with printed.open("w") as file:
        daemon = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait(timeout=30)


@pytest.fixture
def slurm(slurm_place, monkeypatch) -> Iterator[None]:
    """What is run from here on finds that SLURM; none of its jobs is left after the test."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_place / "slurm.conf"))
    yield
    jobs = subprocess.run(["squeue", "-h"], capture_output=True, text=True).stdout.split()
    if jobs:
        subprocess.run(["scancel", "--signal=KILL", "--full", "--me"])
        subprocess.run(["scancel", "--me"])
