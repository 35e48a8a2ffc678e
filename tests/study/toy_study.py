"""`python toy_study.py …`: the command line of `python -m sweeper` with a made-up objective.

Its value at `optimizer.learning_rate` x and `model.dropout` d is -(log10(x) + 2)² - d after
`train.epochs` epochs of `TOY_SECONDS` each, reached from below. `name` decides what goes wrong.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from sweeper.cli.command_line import start
from sweeper.study.reporting import report
from sweeper.two_tower.config import config_directory

# What goes wrong in trials of `name=in_turn`, by data.split_seed.
WAYS = (
    "nan", "nothing", "no_number", "one_too_many", "no_pickle", "raises", "out_of_memory", "exits",
    "reports_another", "prints", "nothing_goes_wrong", "infinity", "reports_nan",
    "reports_infinity", "exits_at_once", "allocates", "aborts",
)  # fmt: skip
SECONDS = float(os.environ.get("TOY_SECONDS", "0"))


@hydra.main(config_path=str(config_directory()), config_name="config", version_base="1.3")
def run(config: DictConfig) -> Any:
    directory = Path(HydraConfig.get().runtime.output_dir)
    if gpus := os.environ.get("CUDA_VISIBLE_DEVICES"):
        (directory / "gpus.txt").write_text(gpus)
    (directory / "process.txt").write_text(f"{os.getpid()} {os.getppid()}")
    value = -((math.log10(config.optimizer.learning_rate) + 2) ** 2) - config.model.dropout
    how = WAYS[config.data.split_seed] if config.name == "in_turn" else config.name
    metric = "top_1" if how == "reports_another" else "top_100"
    odd = {"reports_nan": math.nan, "reports_infinity": math.inf}
    for epoch in range(1, config.train.epochs + 1):
        time.sleep(SECONDS)
        if epoch % config.train.eval_every_epochs == 0:
            # Seeds, one after the other, are counted from 0.
            step = epoch - (config.study.seed_mode == "sequential")
            report(step, {metric: odd.get(how or "", value - 1 / epoch)})
    (directory / "ended.txt").write_text(str(value))
    if len(config.study.objectives) == 2:
        return value, float(config.model.dropout)
    return go_wrong(how, config.optimizer.learning_rate, directory, value)


def go_wrong(how: str | None, learning_rate: float, directory: Path, value: float) -> Any:
    if how == "nan":
        return math.nan
    if how == "nothing":
        return None
    if how == "one_too_many":
        return value, value
    if how == "no_number":
        return "good"
    if how == "no_pickle":
        return lambda: value
    if how == "raises" or (how == "raises_above_a_tenth" and learning_rate > 0.1):
        raise ValueError(f"no good: {learning_rate}")
    if how == "out_of_memory":
        raise MemoryError("no more")
    if how == "exits":
        sys.exit(7)
    if how == "infinity":
        return math.inf
    if how == "exits_at_once":
        os._exit(3)
    if how == "allocates":
        with little_memory():
            return len(bytearray(2**40))
    if how == "aborts":
        with little_memory():
            # C++'s `operator new`: its `std::bad_alloc` ends the process.
            ctypes.CDLL("libstdc++.so.6")._Znwm(ctypes.c_size_t(2**40))
    if (how or "").startswith("leaves_children"):
        subprocess.Popen(["sleep", "600"])
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        if how == "leaves_children_and_dies":
            os.kill(os.getpid(), signal.SIGKILL)
    if how in ("sleeps", "leaves_children_and_sleeps"):
        time.sleep(600)
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "dies_once" and not (directory.parent / "died").exists():
        (directory.parent / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hangs":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        time.sleep(600)
    if how == "prints":
        print("line\n" * 1_000_000)
    return value


@contextmanager
def little_memory() -> Iterator[None]:
    """Lets this process have 256 MB more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + 2**28
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def stop_after_three(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """A callback of Optuna's."""
    if len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))) >= 3:
        study.stop()


def fail_always(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """A callback of Optuna's that is no good."""
    raise ValueError("a callback that is no good")


class NoteCalls(Callback):
    """A callback of Hydra's that writes a line into the working directory at each call."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        self.note("multirun start")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        self.note("multirun end")

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        self.note(f"start {config.hydra.job.num}")

    def on_job_end(self, config: DictConfig, job_return: Any, **_: Any) -> None:
        self.note(f"end {config.hydra.job.num} {job_return.status.name}")

    def note(self, text: str) -> None:
        logging.getLogger(__name__).info(text)
        with Path("calls.txt").open("a") as file:
            file.write(f"{text}\n")


if __name__ == "__main__":
    start(run)
