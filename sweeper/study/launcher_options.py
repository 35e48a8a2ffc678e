"""Checks options of Hydra's launchers that long-lived workers can't be launched with.

A study launches a few workers, each of which runs many trials. An option that is meant for
jobs of one trial each would not do here what its user expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from omegaconf import DictConfig

from sweeper.common.errors import ConfigError
from sweeper.common.runtime import available_cores
from sweeper.study.launchers import JOBLIB, SUBMITIT, launcher_of

_JOBLIB_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "timeout": (
        lambda value: value is None,
        "would end a worker and all its trials; must be null; use study.trial_timeout_seconds to "
        "limit a trial, and study.timeout_seconds to limit the study",
    ),
    "batch_size": (
        lambda value: value in ("auto", "1"),
        "would make workers wait for each other; must be auto",
    ),
    "pre_dispatch": (
        lambda value: value in ("2*n_jobs", "n_jobs", "all"),
        "would make workers wait for each other; must be 2*n_jobs or all",
    ),
    "backend": (
        lambda value: value in (None, "loky"),
        "is not supported by Hydra's launcher, which always uses 'loky'; must be null",
    ),
    "prefer": (
        lambda value: value == "processes",
        "is not supported by Hydra's launcher; must be processes",
    ),
    "require": (
        lambda value: value is None,
        "would run workers as threads of one process; must be null",
    ),
}
_SUBMITIT_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    name: (
        lambda value: value == 1,
        "would start each worker several times; must be 1; use study.workers to set the number "
        "of workers",
    )
    for name in ("tasks_per_node", "nodes")
}


def option_problems(config: DictConfig) -> Iterator[str]:
    """Yields a line for each option of the launcher that a study can't honour."""
    name = launcher_of(config)
    options = _JOBLIB_RULES if name == JOBLIB else _SUBMITIT_RULES if name in SUBMITIT else {}
    for option, (is_allowed, reason) in options.items():
        value = config.hydra.launcher.get(option)
        if option in config.hydra.launcher and not is_allowed(value):
            yield f"hydra.launcher.{option}: got {value!r}, which {reason}"


def number_of_workers(config: DictConfig, workers: int | str) -> int | str:
    """Returns `study.workers`, or what `hydra.launcher.n_jobs` sets if that is `auto`.

    Raises:
      ConfigError: both are given and differ, or the latter is 0.
    """
    n_jobs = config.hydra.launcher.get("n_jobs") if launcher_of(config) == JOBLIB else None
    # joblib's own default is the number of cores; `auto` chooses better.
    if n_jobs in (None, -1):
        return workers
    if n_jobs == 0:
        raise ConfigError(
            "hydra.launcher.n_jobs: got 0; must be the number of workers, or -1 for one per core"
        )
    # As in joblib, -2 leaves one core free.
    given = n_jobs if n_jobs > 0 else max(1, available_cores() + 1 + n_jobs)
    if workers not in ("auto", given):
        raise ConfigError(
            f"hydra.launcher.n_jobs: got {n_jobs} with study.workers {workers}; both set the "
            "number of workers; must be equal, or only one of them be set"
        )
    return int(given)
