"""What is particular to each of Hydra's launchers: what it needs, how it shares out cores."""

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
# By launcher: the extra that installs it, and the packages that it is made of.
PACKAGES = {
    RAY: ("ray", ("ray", "hydra_plugins.hydra_ray_launcher")),
    **dict.fromkeys(SUBMITIT, ("slurm", ("submitit", "hydra_plugins.hydra_submitit_launcher"))),
}
# Of `hydra.launcher.ray.init.address`: a cluster that the study starts and ends itself.
LOCAL = "local"


def accept_presets() -> None:
    """Hydra warns each time that conf/hydra/launcher/ is held to the launchers' own schemas."""
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against")


def launcher_of(config: DictConfig) -> str:
    """The name of Hydra's launcher."""
    return str(config.hydra.runtime.choices["hydra/launcher"])


def launcher_problems(config: DictConfig, workers: int | str) -> Iterator[str]:
    """A line for each reason why the launcher can't start these workers.

    Args:
      workers: `study.workers`.
    """
    name = launcher_of(config)
    extra, packages = PACKAGES.get(name, ("", ()))
    if not all(map(find_spec, packages)):
        yield (
            f"hydra/launcher: got {name!r}, which isn't installed; install it with "
            + install_command(extra)
        )
    elif name == SUBMITIT_SLURM and shutil.which("sbatch") is None:
        yield (
            f"hydra/launcher: got {name!r}, and there is no sbatch here; must be started where "
            "SLURM's commands are, or another launcher"
        )
    if is_remote(config) and workers == "auto":
        where = "SLURM" if name == SUBMITIT_SLURM else "Ray's cluster"
        yield (
            f"study.workers: got 'auto' with hydra/launcher {name!r}; must be a number, of "
            f"workers in {where}"
        )


def is_remote(config: DictConfig) -> bool:
    """Whether the workers have other cores than this machine's."""
    name = launcher_of(config)
    if name == RAY:
        return config.hydra.launcher.ray.init.get("address") != LOCAL
    return name == SUBMITIT_SLURM


def hands_out_gpus(config: DictConfig) -> bool:
    """Whether the launcher decides which GPUs a worker sees: elsewhere, or as the user told it."""
    launcher, given = config.hydra.launcher, None
    if launcher_of(config) == RAY:
        given = launcher.ray.remote.get("num_gpus")
    elif launcher_of(config) in SUBMITIT:
        given = launcher.gpus_per_node
    return is_remote(config) or given is not None


def share_cores(config: DictConfig, workers: int | str, threads: int | None) -> tuple[int, int]:
    """(workers, threads of each), so that together they use all cores.

    Many workers of one thread get more done than few of many: a trial's small
    operations don't fill several cores. With GPUs there is one worker for each. On other
    machines a trial has the cores that the launcher is told to give to a worker, or one.

    Raises:
      ConfigError: Hydra's basic launcher, which has one worker, and several wanted.
    """
    cores, launcher = available_cores(), launcher_of(config)
    if launcher == BASIC:
        if workers not in ("auto", 1):
            raise ConfigError(
                f"study.workers: got {workers} with hydra/launcher 'basic', which runs one after "
                "the other; must be 1, or hydra/launcher 'joblib'"
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
    """The whole cores of a worker, where the user gave the launcher a number."""
    launcher = config.hydra.launcher
    given = None
    if launcher_of(config) == RAY:
        given = launcher.ray.remote.get("num_cpus")
    elif launcher_of(config) in SUBMITIT:
        given = launcher.cpus_per_task
    return None if given is None else max(1, int(given))


def fill_config(config: DictConfig, workers: int, threads: int) -> DictConfig:
    """Hydra's configuration, with what the user left open for the launcher to be told."""
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
                # Room for all: what Ray counts is no more than a promise.
                init.setdefault("num_cpus", max(1, round(workers * remote.num_cpus)))
                init.setdefault("include_dashboard", False)
    return config
