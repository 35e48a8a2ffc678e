"""The shipped YAML, the schema's lists of names, and what loads TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tensorflow as tf
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from processes import ROOT
from small_trials import compose_config

from sweeper.two_tower.config import (
    ACTIVATIONS,
    OPTIMIZERS,
    Config,
    ModelConfig,
    OptimizerConfig,
    config_directory,
    layer_sizes,
    to_dataclass,
    to_dictionary,
)
from sweeper.two_tower.config.experiment import register_schema
from sweeper.two_tower.validation import validate

PACKAGE = ROOT / "sweeper"
CONF = config_directory()
FILES = sorted(CONF.glob("*/*.yaml"))


def test_the_optimizers_are_those_of_keras() -> None:
    """All public ones that Keras finds by name; Adafactor and Lion it doesn't."""
    public = {
        name.lower()
        for name, value in vars(tf.keras.optimizers).items()
        if isinstance(value, type) and name != "Optimizer"
    }
    assert set(OPTIMIZERS) <= public
    found = set()
    for name in public:
        try:
            found.add(type(tf.keras.optimizers.get(name)).__name__.lower())
        except ValueError:
            continue
    assert set(OPTIMIZERS) == found


def test_the_activations_are_those_of_keras() -> None:
    """All lower-case functions of one tensor that Keras finds by name."""
    module = sys.modules[tf.keras.activations.get("relu").__module__]
    others = {"get", "serialize", "deserialize", "keras_export"}
    # Found by accident: Keras's module imports them, and its documentation has them not.
    others |= {"log_softmax", "relu6"}
    public = {
        name
        for name, value in {**vars(module), **vars(tf.keras.activations)}.items()
        if name.islower() and callable(value) and not name.startswith("_")
    }
    assert set(ACTIVATIONS) == public - others
    for name in ACTIVATIONS:
        output = tf.keras.activations.get(name)(tf.constant([[-1.0, 0.5]]))
        assert output.shape == (1, 2)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_every_shipped_yaml_is_valid(path) -> None:
    # A user's own table has a path that only the user knows.
    given = ["data.path=README.md"] if path.stem == "table" else []
    validate(compose_config(f"{path.parent.name}={path.stem}", *given))


def test_every_group_of_the_schema_has_files_and_a_default() -> None:
    groups = {path.parent.name for path in FILES}
    defaults = OmegaConf.load(CONF / "config.yaml").defaults
    named = {key for entry in defaults if not isinstance(entry, str) for key in entry}
    assert groups == {name for name in named if not name.startswith("override ")}
    validate(compose_config())


EXPERIMENTS = [path for path in FILES if path.parent.name == "experiment"]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_tells_why_and_its_command(path) -> None:
    lines = path.read_text().splitlines()
    assert f"# Command: python -m sweeper experiment={path.stem}" in lines
    assert any(line.startswith("# Why: ") for line in lines)
    # Its name is how records of it are told apart.
    assert compose_config(f"experiment={path.stem}").name == path.stem


@pytest.mark.parametrize(
    "override",
    ["model.layer_size=[8]", "train.epochs=many", "model.layer_norm=2.5", "data.split=[]"],
)
def test_an_unknown_key_or_a_wrong_type_fails_when_composed(override: str) -> None:
    register_schema()
    with (
        initialize_config_dir(str(CONF), version_base="1.3"),
        pytest.raises(ConfigCompositionException),
    ):
        compose("config", overrides=[override])


def test_experiments_set_what_they_are_named_after() -> None:
    two_layer = compose_config("experiment=tutorial_two_layer")
    assert two_layer.model.layer_sizes == [64, 32]
    assert (two_layer.optimizer.name, two_layer.optimizer.learning_rate) == ("adagrad", 0.1)
    assert (two_layer.train.epochs, two_layer.train.batch_size) == (300, 2048)
    assert (two_layer.data.test_size, two_layer.evaluation.split) == (20_000, "test")
    assert compose_config("experiment=tutorial_shallow").model.layer_sizes == [32]
    assert compose_config("experiment=tutorial_three_layer").model.layer_sizes == [128, 64, 32]
    assert compose_config("experiment=catalogue_softmax").task.name == "full_softmax"


def test_a_value_on_the_command_line_goes_before_an_experiment() -> None:
    config = compose_config("experiment=tutorial_two_layer", "train.epochs=7", "data.split_seed=3")
    assert (config.train.epochs, config.data.split_seed) == (7, 3)


def test_a_configuration_survives_the_way_through_a_record() -> None:
    config = compose_config("experiment=catalogue_softmax", "+optimizer.options.beta_1=0.8")
    assert to_dataclass(OmegaConf.create(to_dictionary(config))) == config


def test_layer_sizes_by_hand() -> None:
    assert layer_sizes(ModelConfig(layer_sizes=[8, 4]), 16) == ([8, 4], [8, 4])
    assert layer_sizes(ModelConfig(layer_sizes=[]), 16) == ([16], [16])
    own = ModelConfig(layer_sizes=[8], query_layer_sizes=[], candidate_layer_sizes=[32, 16])
    assert layer_sizes(own, 16) == ([16], [32, 16])


def test_configurations_share_no_mutable_default() -> None:
    first, second = Config(), Config()
    first.model.layer_sizes.append(1)
    first.optimizer.options["momentum"] = 0.5
    first.evaluation.baselines.clear()
    assert second == Config()
    assert OptimizerConfig().options == {}


@pytest.mark.parametrize(
    "module",
    ["cli.command_line", "__main__", "two_tower.trial.trial", "two_tower.trial.repeats",
     "two_tower.data.split", "study.plan", "study.runner", "study.execution.worker",
     "study.outputs.result_files", "report.report", "report.loaded", "inspect.__main__", "export",
     "recommend"],
)  # fmt: skip
def test_a_module_that_must_start_at_once_loads_no_tensorflow(module: str) -> None:
    program = (
        f"import sys, sweeper.{module}\n"
        "heavy = {'tensorflow', 'tf_keras', 'keras', 'tensorflow_recommenders', 'matplotlib'}\n"
        "heavy |= {'tensorboard', 'mlflow', 'wandb'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"
