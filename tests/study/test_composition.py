"""Trials are composed as Hydra composes them, only faster."""

from __future__ import annotations

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from sweeper.study.composition import Composer
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import config_directory
from sweeper.two_tower.config.experiment import register_schema

TRIALS = [
    [],
    ["model.dropout=0.1"],
    ["optimizer=adam", "task=full_softmax", "optimizer.learning_rate=0.01"],
    ["optimizer=sgd", "model.layer_sizes=[64,32]", "++optimizer.options.momentum=0.5"],
    ["optimizer=sgd", "++optimizer.options.nesterov=true", "train.threads=1"],
    ["model=linear", "features=ids", "features.embedding_dim=8", "name='a, b=c'"],
    ["experiment=catalogue_softmax", "data.split_seed=3", "model.query_layer_sizes=null"],
]


@pytest.fixture
def composer():
    register_schema()
    fixed = ["train.epochs=7", "hydra.sweep.dir=x", "task.temperature=0.5"]
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", fixed, run_mode=RunMode.MULTIRUN)
        task = [text for text in fixed if not text.startswith("hydra.")]
        yield Composer(config, task, frozenset(TwoTowerApp.groups), loader)


def test_every_trial_is_composed_as_hydra_does(composer) -> None:
    # Twice, since the second comes from what the first left.
    for overrides in [*TRIALS, *TRIALS]:
        ours = composer.compose(overrides)
        theirs = composer.loader.load_sweep_config(composer.config, [*composer.fixed, *overrides])
        assert OmegaConf.to_yaml(ours) == OmegaConf.to_yaml(theirs)
        assert OmegaConf.to_container(ours, resolve=False) == OmegaConf.to_container(theirs)


def test_a_trial_leaves_the_next_as_it_was(composer) -> None:
    composer.compose(["features.query=[{column: user_id, kind: embedding}]", "model.dropout=0.5"])
    assert composer.compose([]).model.dropout == 0.0
    assert len(composer.compose([]).features.query) == 3


def test_an_unknown_key_is_refused_as_hydra_does(composer) -> None:
    with pytest.raises(HydraException, match="dropuot"):
        composer.compose(["model.dropuot=0.1"])
