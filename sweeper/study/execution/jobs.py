"""Starts, watches and ends the jobs of a launcher that run outside this process.

Hydra's launchers return when all their jobs have ended. With a scheduler this may never
happen: a job may still be queued when the study is done, or may have been killed silently.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig, OmegaConf

from sweeper.common.errors import ConfigError
from sweeper.study.execution.children import is_running
from sweeper.study.launchers import RAY, SUBMITIT_LOCAL, SUBMITIT_SLURM, launcher_of

SECONDS_TO_CONNECT = 10.0


class Jobs(Protocol):
    """The jobs of one launch."""

    def begin(self) -> None:
        """Prepares for the launch; must be called before it."""

    def any_left(self) -> bool:
        """Returns whether any job runs or is queued."""

    def where(self) -> str:
        """Returns where the jobs log what went wrong."""

    def end(self, returned: bool) -> None:
        """Ends all remaining jobs at once, and whatever `begin` started.

        Args:
          returned: whether the launch returned, so that every job has reported its end.
        """


class RayJobs:
    """Ray's tasks, which end with their driver: this process, while it is connected."""

    def __init__(self, config: DictConfig) -> None:
        init = OmegaConf.to_container(config.hydra.launcher.ray.init, resolve=True)
        self._init: dict[str, Any] = dict(init)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Starts a cluster or joins one.

        Raises:
          ConfigError: there is no cluster at `hydra.launcher.ray.init.address`.
        """
        import ray

        self._check_address()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            # Otherwise the launcher calls it, and Ray's handler of SIGTERM replaces the study's.
            ray.init(**self._init)
        except ConnectionError as error:
            raise self._no_cluster(error) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _check_address(self) -> None:
        """Checks the address, since Ray retries one that does not answer for minutes."""
        host, colon, port = str(self._init.get("address")).rpartition(":")
        if colon and port.isdecimal() and "/" not in host:
            try:
                socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()
            except OSError as error:
                raise self._no_cluster(error) from error

    def _no_cluster(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"hydra.launcher.ray.init.address: got {self._init.get('address')!r}, where no "
            f"cluster of Ray answers ({str(error).splitlines()[0]}); must be local, auto, or "
            "HOST:PORT of its head, with RAY_AUTH_MODE=token if it requires a token"
        )

    def any_left(self) -> bool:
        return True

    def where(self) -> str:
        return "Ray's dashboard, or /tmp/ray"

    def end(self, returned: bool) -> None:
        import ray

        ray.shutdown()


class SubmititJobs:
    """Submitit's jobs, each of which has a folder named after it."""

    def __init__(self, config: DictConfig) -> None:
        self._folder = Path(config.hydra.launcher.submitit_folder).parent
        self._earlier: set[str] = set()

    def begin(self) -> None:
        self._earlier = self._names()

    def any_left(self) -> bool:
        started = self._names() - self._earlier
        # Before the first job starts, there are jobs to wait for.
        return not started or bool(self._left(started))

    def where(self) -> str:
        return str(self._folder)

    def end(self, returned: bool) -> None:
        if not returned:
            self._kill(self._left(self._names() - self._earlier))

    def _names(self) -> set[str]:
        return {path.name for path in self._folder.glob("*/")}

    def _left(self, names: set[str]) -> list[str]:
        raise NotImplementedError

    def _kill(self, names: list[str]) -> None:
        raise NotImplementedError


class SlurmJobs(SubmititJobs):
    """SLURM's jobs, listed by `squeue`, which does not need SLURM's accounting."""

    def begin(self) -> None:
        # `LaunchMonitor` polls instead, which is faster and works without SLURM's accounting.
        from submitit import SlurmJob

        SlurmJob.watcher.update = lambda: None  # type: ignore[method-assign]
        super().begin()
        # Jobs of an earlier start whose main process was killed may still be queued.
        self._kill(self._left(self._earlier))

    def _left(self, names: set[str]) -> list[str]:
        command = ["squeue", "--me", "--array", "--noheader", "--format=%i"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return sorted(names)  # The controller does not answer, but jobs keep running.
        return sorted(names & set(done.stdout.split()))

    def _kill(self, names: list[str]) -> None:
        # Without the signal first, jobs would have time to be requeued.
        for options in (["--signal=KILL", "--full"], []):
            if names:
                subprocess.run(["scancel", "--quiet", *options, *names], capture_output=True)


class LocalJobs(SubmititJobs):
    """Child processes of this process that submitit starts on this machine."""

    def _left(self, names: set[str]) -> list[str]:
        return [name for name in names if is_running(int(name))]

    def _kill(self, names: list[str]) -> None:
        for name in names:
            with suppress(ProcessLookupError):
                # The worker in it ends soon after its parent.
                os.kill(int(name), signal.SIGKILL)


def jobs_of(config: DictConfig) -> Jobs | None:
    """Returns the jobs that a launcher will start, or None if its workers are child processes."""
    kinds: dict[str, Callable[[DictConfig], Jobs]] = {
        RAY: RayJobs,
        SUBMITIT_SLURM: SlurmJobs,
        SUBMITIT_LOCAL: LocalJobs,
    }
    kind = kinds.get(launcher_of(config))
    return kind(config) if kind else None
