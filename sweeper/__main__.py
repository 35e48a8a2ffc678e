"""`python -m sweeper`: composes the configuration, runs the trial, returns the objective."""

from __future__ import annotations

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sweeper.command_line import exit_codes, prepare
from sweeper.config import config_directory, register_schema, to_dataclass


@hydra.main(config_path=str(config_directory()), config_name="config", version_base="1.3")
def run(config: DictConfig) -> float:
    """Runs one trial in Hydra's output directory; returns its objective."""
    from pathlib import Path

    from sweeper.trial import OBJECTIVE, run_trial

    with exit_codes():
        record = run_trial(to_dataclass(config), Path(HydraConfig.get().runtime.output_dir))
    return record.metrics[record.config["evaluation"]["rows"]][OBJECTIVE]


def main() -> None:
    register_schema()
    with exit_codes():
        prepare()
        run()


if __name__ == "__main__":
    main()
