"""The command `python -m sweeper`, which runs a trial or a study of many trials."""

from __future__ import annotations

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sweeper.cli.command_line import start
from sweeper.common.exit_codes import exit_codes
from sweeper.study.config import StudyConfig, to_study
from sweeper.study.reporting import expected_fingerprint, in_study, report
from sweeper.two_tower.config import config_directory, to_dataclass
from sweeper.two_tower.tracking.tracker import STANDALONE, Origin


@hydra.main(config_path=str(config_directory()), config_name="config", version_base="1.3")
def run(config: DictConfig) -> list[float]:
    """Runs one trial in Hydra's output directory and returns its objective values."""
    if in_study():
        # The study handles errors, and continues with the next trial.
        return objectives(config)
    with exit_codes():
        return objectives(config)


def objectives(config: DictConfig) -> list[float]:
    """Trains and scores the configuration on each of its splits; returns the objective values."""
    from sweeper.two_tower.trial.repeats import run_repeats

    study, directory = to_study(config), Path(HydraConfig.get().runtime.output_dir)
    record = run_repeats(
        to_dataclass(config),
        study.split_seeds,
        study.seed_mode,
        directory,
        report,
        # Drawing takes as long as an epoch; a study leaves it to its report.
        draw=not in_study(),
        origin=origin(study) if in_study() else STANDALONE,
        fingerprint=expected_fingerprint(),
    )
    return [record.value(objective.metric) for objective in study.objectives]


def origin(study: StudyConfig) -> Origin:
    """Returns which trial of which study this process runs."""
    config = HydraConfig.get()
    return Origin(study.name or Path(config.sweep.dir).name, config.job.num)


def main() -> None:
    start(run)


if __name__ == "__main__":
    main()
