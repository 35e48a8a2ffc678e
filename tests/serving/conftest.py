"""A run and its export, which several tests read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from small_trials import compose_config

from sweeper.serving.export import export
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.trial import run_trial


@dataclass(frozen=True)
class Exported:
    """A run of made-up data with the shipped `features=history`, and what was exported of it."""

    run: Path
    record: TrialRecord
    output: Path
    version: Path


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """To be read only."""
    place = tmp_path_factory.mktemp("exported")
    config = compose_config(
        "data=synthetic", "features=history", "model=two_layer", "train=quick", "train.epochs=3",
        "train.eval_every_epochs=1", "train.xla=false", "data.synthetic.num_users=40",
        "data.synthetic.num_items=120", "data.synthetic.num_interactions=1000",
        "features.embedding_dim=4", "model.layer_sizes=[8,4]", "evaluation.baselines=[ease]",
    )  # fmt: skip
    record = run_trial(config, place / "run", console=Console(quiet=True), draw=False)
    version = export(place / "run", Console(quiet=True), output=place / "export")
    return Exported(place / "run", record, place / "export", version)


@pytest.fixture(scope="session")
def exported_sequence(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A run with the shipped `features=sequence`, split by time; to be read only."""
    place = tmp_path_factory.mktemp("exported_sequence")
    config = compose_config(
        "data=synthetic", "features=sequence", "data.split=temporal", "train=quick",
        "train.epochs=2", "train.eval_every_epochs=1", "train.xla=false",
        "data.synthetic.num_users=40", "data.synthetic.num_items=120",
        "data.synthetic.num_interactions=1000", "features.embedding_dim=4",
    )  # fmt: skip
    record = run_trial(config, place / "run", console=Console(quiet=True), draw=False)
    version = export(place / "run", Console(quiet=True), output=place / "export")
    return Exported(place / "run", record, place / "export", version)
