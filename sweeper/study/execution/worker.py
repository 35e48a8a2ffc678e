"""Defines the worker, which Hydra's launchers run in place of the task function."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from sweeper.common.errors import OutputError
from sweeper.common.runtime import assign_gpu, visible_gpus
from sweeper.study import attributes
from sweeper.study.composition import Composer
from sweeper.study.execution import locks
from sweeper.study.execution.artifact_sync import is_shared
from sweeper.study.execution.preemption import PreemptionHandler
from sweeper.study.execution.trial_child import STOPPING, Job, exit_when_orphaned
from sweeper.study.execution.worker_loop import WorkerLoop
from sweeper.study.launchers import (
    BASIC,
    JOBLIB,
    SUBMITIT,
    SUBMITIT_SLURM,
    accept_presets,
    hands_out_gpus,
    launcher_of,
)
from sweeper.study.plan import Plan
from sweeper.study.storage.errors import as_output_error
from sweeper.study.trial_directories import trial_subdir


@dataclass
class Worker:
    """Runs trials of a study until none is left; launchers pickle it to run it elsewhere.

    Attributes:
      plan: the plan of the study.
      config: Hydra's configuration of the multirun.
      context: Hydra's context, with the user's callbacks.
      task: the function that runs one trial.
      token: the token in the marker file of the study's directory.
      main_process: the process identifier of the main process.
      gpus: the GPUs that the main process sees; submitit hides them from its local processes.
    """

    plan: Plan
    config: DictConfig
    context: HydraContext
    task: TaskFunction
    token: str
    main_process: int = field(default_factory=os.getpid)
    gpus: list[str] = field(default_factory=visible_gpus)

    def __call__(self, _: DictConfig) -> None:
        launcher, preemption = launcher_of(self.config), PreemptionHandler()
        # joblib also runs a single worker in the main process.
        own_process = launcher not in (BASIC, JOBLIB) or os.getpid() != self.main_process
        if own_process:
            # joblib's workers are children of the main process, which may have died while this
            # worker started. Under other launchers the parent is another process.
            is_child = launcher == JOBLIB
            # The main process handles these signals and stops the study.
            for stopping in STOPPING if is_child else (signal.SIGINT,):
                signal.signal(stopping, signal.SIG_IGN)
            exit_when_orphaned(self.main_process if is_child else os.getppid())
        if launcher in SUBMITIT:
            preemption.install()
        silence_optuna()
        accept_presets()
        # Errors are turned into one line here, as they lose their causes between processes.
        readable_errors = as_output_error(self.plan.directory)
        number = HydraConfig.get().job.num
        gpu = assign_gpu([] if hands_out_gpus(self.config) else self.gpus, number)
        with (
            self._place() as uploads_files,
            locks.worker(self.plan.directory),
            readable_errors,
            gpu,
        ):
            WorkerLoop(
                self.plan,
                self.run_trial,
                self.steps_of,
                number,
                uploads_files,
                preemption.is_preempted,
                self.directory_of,
            ).run()
        preemption.forward(will_be_killed=launcher == SUBMITIT_SLURM)

    @contextmanager
    def _place(self) -> Iterator[bool]:
        """Yields whether files of trials must be uploaded, as the study's directory is not shared.

        Raises:
          OutputError: neither the directory nor a database is reachable from this worker.
        """
        directory, storage = self.plan.directory, self.plan.storage.name
        if is_shared(directory, self.token):
            yield False
            return
        if storage != "postgresql":
            raise OutputError(
                f"hydra.sweep.dir: {directory} can't be seen from {socket.gethostname()}, where a "
                f"worker runs; must be on a file system that all workers share, or use "
                f"storage=postgresql instead of {storage!r}"
            )
        with tempfile.TemporaryDirectory(prefix="sweeper_") as scratch:
            self.plan = replace(self.plan, directory=Path(scratch))
            yield True

    @cached_property
    def _composer(self) -> Composer:
        loader = self.context.config_loader
        return Composer(self.config, self.plan.fixed, frozenset(self.plan.app.groups), loader)

    def steps_of(self, overrides: list[str]) -> int:
        """Returns the maximum number of steps of a trial."""
        composed = self.plan.compose(self._composer, overrides)
        return int(self.plan.app.num_steps(composed))

    def directory_of(self, number: int, overrides: list[str]) -> str:
        """Returns the directory of a trial, relative to the study's directory."""
        if self.plan.subdir is None:
            return attributes.directory_of(number)
        return trial_subdir(self.plan.compose(self._composer, overrides), number)

    def run_trial(self, job: Job) -> Any:
        """Composes one trial's configuration and runs the task; in the trial's process."""
        plan = self.plan
        config = plan.compose(self._composer, job.overrides)
        with open_dict(config):
            config.hydra.job.id = f"{config.hydra.job.name}_{job.number}"
            config.hydra.job.num = job.number
            config.hydra.sweep.dir = str(plan.directory)
            config.hydra.sweep.subdir = str(job.directory.relative_to(plan.directory))
        HydraConfig.instance().set_config(config)
        result = run_job(
            task_function=self.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        # `result.return_value` would print the error before it raises.
        if isinstance(result._return_value, BaseException):
            raise result._return_value
        return result._return_value


def silence_optuna() -> None:
    """Silences Optuna's log lines, which would break the live table."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    # Some samplers warn after each trial that they ignore its constraints.
    warnings.filterwarnings("ignore", message="Constraints have been set")
