"""Everything that YAML and the command line can set: a trial, and the study around it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from sweeper.study.config import StorageConfig, StudyConfig
from sweeper.study.launchers import accept_presets
from sweeper.two_tower.config.trial import Config


@dataclass
class ExperimentConfig(Config):
    """The schema of a primary configuration.

    Attributes:
      name: of a trial by itself, as reports show it; null: that of its directory.
    """

    study: StudyConfig = field(default_factory=StudyConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)


def register_schema() -> None:
    """Makes known to Hydra the schema, and `${or:…}`: the first value that is not null."""
    OmegaConf.register_new_resolver(
        "or", lambda *values: next((v for v in values if v is not None), None), replace=True
    )
    ConfigStore.instance().store(name="schema", node=ExperimentConfig)
    accept_presets()
