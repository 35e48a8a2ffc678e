"""The command line of `python -m sweeper` with an objective that only sleeps.

  SLEEP_SECONDS=5 python -m benchmarks.sleep_study study.n_trials=12 \\
    hydra.sweep.dir=/tmp/sleep 'optimizer.learning_rate=tag(log,interval(0.01,1))'

runs the study that any objective gets: the same sweeper, launcher, workers, storage
and directories. What is left of its time is what a study itself costs. Each trial
notes in its directory, in `times.json`, when the objective began and ended and
which worker ran it.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sweeper.cli.command_line import start
from sweeper.two_tower.config import config_directory

SLEEP_SECONDS = "SLEEP_SECONDS"
TIMES = "times.json"


@hydra.main(config_path=str(config_directory()), config_name="config", version_base="1.3")
def run(config: DictConfig) -> float:
    """Sleeps; returns something that a sampler can learn: best at a learning rate of 0.1."""
    start = time.time()
    time.sleep(float(os.environ.get(SLEEP_SECONDS, "0")))
    value = -((math.log10(config.optimizer.learning_rate) + 1) ** 2)
    # The trial's process is a child of its worker's.
    times = {"worker": os.getppid(), "start": start, "end": time.time()}
    directory = Path(HydraConfig.get().runtime.output_dir)
    (directory / TIMES).write_text(json.dumps(times), encoding="utf-8")
    return value


def main() -> None:
    start(run)


if __name__ == "__main__":
    main()
