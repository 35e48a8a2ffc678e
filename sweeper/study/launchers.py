"""What is particular to each of Hydra's launchers: its packages and how it assigns cores."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from importlib.util import find_spec

from omegaconf import DictConfig, open_dict

from sweeper.common.errors import ConfigError, install_command
from sweeper.common.runtime import available_cores, visible_gpus

BASIC, JOBLIB, RAY = "basic", "joblib", "ray"
SUBMITIT_LOCAL, SUBMITIT_SLURM = "submitit_local", "submitit_slurm"
SUBMITIT = (SUBMITIT_LOCAL, SUBMITIT_SLURM)
# By launcher: the extra that installs it, and the packages that it needs.
PACKAGES = {
    RAY: ("ray", ("ray", "hydra_plugins.hydra_ray_launcher")),
    **dict.fromkeys(SUBMITIT, ("slurm", ("submitit", "hydra_plugins.hydra_submitit_launcher"))),
}
# The value of `hydra.launcher.ray.init.address` for a cluster that the study starts and ends.
LOCAL = "local"


def accept_presets() -> None:
    """Silences Hydra's warning that it validates conf/hydra/launcher/ against plugins' schemas."""
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against")


def launcher_of(config: DictConfig) -> str:
    """Returns the name of Hydra's launcher."""
    return str(config.hydra.runtime.choices["hydra/launcher"])


def launcher_problems(config: DictConfig, workers: int | str) -> Iterator[str]:
    """Yields a line for each reason why the launcher can't start these workers.

    Args:
      workers: the value of `study.workers`.
    """
    name = launcher_of(config)
    extra, packages = PACKAGES.get(name, ("", ()))
    if not all(map(find_spec, packages)):
        yield (
            f"hydra/launcher: got {name!r}, which is not installed; install it with "
            + install_command(extra)
        )
    elif name == SUBMITIT_SLURM and shutil.which("sbatch") is None:
        yield (
            f"hydra/launcher: got {name!r}, but the command sbatch was not found; start the study "
            "on a machine with SLURM's commands, or use another launcher"
        )
    if is_remote(config) and workers == "auto":
        where = "SLURM" if name == SUBMITIT_SLURM else "Ray's cluster"
        yield (
            f"study.workers: got 'auto' with hydra/launcher {name!r}; must be the number of "
            f"workers in {where}"
        )


def is_remote(config: DictConfig) -> bool:
    """Returns whether the workers run on other machines than this one."""
    name = launcher_of(config)
    if name == RAY:
        return config.hydra.launcher.ray.init.get("address") != LOCAL
    return name == SUBMITIT_SLURM


def hands_out_gpus(config: DictConfig) -> bool:
    """Returns whether the launcher decides which GPUs a worker sees.

    It does on other machines, and here if the user sets the number of GPUs.
    """
    launcher, given = config.hydra.launcher, None
    if launcher_of(config) == RAY:
        given = launcher.ray.remote.get("num_gpus")
    elif launcher_of(config) in SUBMITIT:
        given = launcher.gpus_per_node
    return is_remote(config) or given is not None


def share_cores(config: DictConfig, workers: int | str, threads: int | None) -> tuple[int, int]:
    """Returns the number of workers, and of threads of each, so that they use all cores.

    Many workers of one thread finish more trials than few workers of many threads, because the
    small operations of a trial don't fill several cores. With GPUs there is one worker for each.
    On other machines, a trial has the cores that the launcher assigns to a worker, or one.

    Raises:
      ConfigError: several workers are wanted from Hydra's basic launcher, which has one.
    """
    cores, launcher = available_cores(), launcher_of(config)
    if launcher == BASIC:
        if workers not in ("auto", 1):
            raise ConfigError(
                f"study.workers: got {workers} with hydra/launcher 'basic', which runs one worker; "
                "must be 1, or hydra/launcher be 'joblib'"
            )
        workers = 1
    threads = threads or _configured_cores(config)
    if is_remote(config):
        threads = threads or 1
    number = max(1, cores // (threads or 1)) if workers == "auto" else int(workers)
    if workers == "auto" and (gpus := visible_gpus()):
        number = min(number, len(gpus))
    return number, threads or max(1, cores // number)


def _configured_cores(config: DictConfig) -> int | None:
    """Returns the cores of a worker that the user set for the launcher, rounded down, or None."""
    launcher = config.hydra.launcher
    given = None
    if launcher_of(config) == RAY:
        given = launcher.ray.remote.get("num_cpus")
    elif launcher_of(config) in SUBMITIT:
        given = launcher.cpus_per_task
    return None if given is None else max(1, int(given))


def fill_config(config: DictConfig, workers: int, threads: int) -> DictConfig:
    """Returns Hydra's configuration with the launcher's options that the user left open."""
    config = config.copy()
    with open_dict(config):
        launcher = config.hydra.launcher
        if "n_jobs" in launcher:
            launcher.n_jobs = workers
        if launcher_of(config) in SUBMITIT and launcher.cpus_per_task is None:
            launcher.cpus_per_task = threads
        if launcher_of(config) == RAY:
            init, remote = launcher.ray.init, launcher.ray.remote
            if remote.get("num_cpus") is None:
                remote.num_cpus = threads
            if init.get("address") == LOCAL:
                # Enough for all workers: Ray does not check that these CPUs exist.
                init.setdefault("num_cpus", max(1, round(workers * remote.num_cpus)))
                init.setdefault("include_dashboard", False)
    return config
