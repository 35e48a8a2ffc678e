"""What a launcher has started outside of this process: begun, looked after, ended.

Hydra's launchers return when all their jobs have. Where a scheduler has them that may be
never: one waits for a place while the study is done, or has been killed unheard.
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
        """To be called before the launch."""

    def any_left(self) -> bool:
        """Whether one runs, or waits for its place."""

    def where(self) -> str:
        """Where they tell what went wrong."""

    def end(self, returned: bool) -> None:
        """Ends all that are left, at once, and what was begun with them.

        Args:
          returned: the launch has, so that all have told of their end.
        """


class RayJobs:
    """Ray's tasks, which end with their driver: this process, while it is connected."""

    def __init__(self, config: DictConfig) -> None:
        init = OmegaConf.to_container(config.hydra.launcher.ray.init, resolve=True)
        self._init: dict[str, Any] = dict(init)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Starts a cluster, or joins one.

        Raises:
          ConfigError: there is none at `hydra.launcher.ray.init.address`.
        """
        import ray

        self._check_address()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            # Else the launcher does, and Ray's own handler takes SIGTERM from the study.
            ray.init(**self._init)
        except ConnectionError as error:
            raise self._no_cluster(error) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _check_address(self) -> None:
        """Ray itself asks an address that nobody answers at for minutes."""
        host, colon, port = str(self._init.get("address")).rpartition(":")
        if colon and port.isdecimal() and "/" not in host:
            try:
                socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()
            except OSError as error:
                raise self._no_cluster(error) from error

    def _no_cluster(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"hydra.launcher.ray.init.address: got {self._init.get('address')!r}, where no "
            f"cluster of Ray's answers ({str(error).splitlines()[0]}); must be local, auto, or "
            "HOST:PORT of its head, with RAY_AUTH_MODE=token where it wants a token"
        )

    def any_left(self) -> bool:
        return True

    def where(self) -> str:
        return "Ray's dashboard, or /tmp/ray"

    def end(self, returned: bool) -> None:
        import ray

        ray.shutdown()


class SubmititJobs:
    """Those that submitit has started: each has a folder, named after it."""

    def __init__(self, config: DictConfig) -> None:
        self._folder = Path(config.hydra.launcher.submitit_folder).parent
        self._earlier: set[str] = set()

    def begin(self) -> None:
        self._earlier = self._names()

    def any_left(self) -> bool:
        started = self._names() - self._earlier
        # None has been started yet, or some are left.
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
    """SLURM's jobs, asked for by `squeue`, which needs no accounting."""

    def begin(self) -> None:
        # The watch asks instead: sooner, and where SLURM keeps no accounts, too.
        from submitit import SlurmJob

        SlurmJob.watcher.update = lambda: None  # type: ignore[method-assign]
        super().begin()
        # Of a start whose main process was killed, some may still wait for their place.
        self._kill(self._left(self._earlier))

    def _left(self, names: set[str]) -> list[str]:
        command = ["squeue", "--me", "--array", "--noheader", "--format=%i"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return sorted(names)  # Its controller doesn't answer; the jobs go on.
        return sorted(names & set(done.stdout.split()))

    def _kill(self, names: list[str]) -> None:
        # The second alone would leave them time to be queued again.
        for options in (["--signal=KILL", "--full"], []):
            if names:
                subprocess.run(["scancel", "--quiet", *options, *names], capture_output=True)


class LocalJobs(SubmititJobs):
    """Processes that submitit starts on this machine, children of this one."""

    def _left(self, names: set[str]) -> list[str]:
        return [name for name in names if is_running(int(name))]

    def _kill(self, names: list[str]) -> None:
        for name in names:
            with suppress(ProcessLookupError):
                # Its worker ends soon after its parent.
                os.kill(int(name), signal.SIGKILL)


def jobs_of(config: DictConfig) -> Jobs | None:
    """What a launcher is going to start; None where its workers are children of this process."""
    kinds: dict[str, Callable[[DictConfig], Jobs]] = {
        RAY: RayJobs,
        SUBMITIT_SLURM: SlurmJobs,
        SUBMITIT_LOCAL: LocalJobs,
    }
    kind = kinds.get(launcher_of(config))
    return kind(config) if kind else None
