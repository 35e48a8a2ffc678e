"""The shipped YAML, the schema's lists of names, and what may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from small_trials import compose_config

from sweeper.config import (
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
from sweeper.study.config import register_schema
from sweeper.validation import validate

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sweeper"
CONF = config_directory()
FILES = sorted(CONF.glob("*/*.yaml"))

# The rooms of the house, each with those that it may import from.
BASE = {
    "__version__",
    "errors",
    "config",
    "files",
    "json_types",
    "runtime",
    "gpus",
    "plugins",
    "recent",
}
COMMAND = {"composing", "console", "exit_codes"}
MAY_IMPORT = {
    "errors": set(),
    "gpus": set(),
    "passwords": set(),
    "metrics": {"config"},
    "quoting": {"errors"},
    "recent": set(),
    "row_parts": set(),
    "warmth": set(),
    "exit_codes": {"errors", "passwords"},
    "files": {"errors"},
    "json_types": set(),
    "plugins": {"errors"},
    "runtime": {"errors"},
    "config": {"errors", "config", "plugins"},
    "record": {"errors", "config", "files", "json_types", "runtime"},
    "console": {"errors", "config", "record", "row_parts"},
    "curves": {"config", "record"},
    "environment": {"record", "runtime"},
    "aggregation": {"record"},
    "tracking": {"errors", "config", "passwords", "record", "tracking"},
    "validation": {"errors", "config", "data", "passwords", "plugins", "tracking"},
    "data": BASE | {"data"},
    "model": BASE | {"data", "model"},
    "evaluation": BASE | {"data", "metrics", "model", "evaluation", "row_parts", "warmth"},
    "training": BASE | {"data", "model", "training"},
    "prepared": BASE | {"data", "model", "evaluation", "training"},
    "testing": BASE | {"data", "model", "evaluation"},
    "data_check": BASE | {"data", "model", "evaluation", "validation"},
    # It reaches trials through Hydra's task function alone, so that it never loads TensorFlow.
    "study": BASE | {"console", "data_check", "passwords", "record", "validation", "study"},
    "report": BASE
    | {"console", "exit_codes", "metrics", "record", "row_parts", "study", "report", "warmth"},
    "overrides": {"errors", "config", "exit_codes", "quoting", "study", "validation", "overrides"},
    "composing": {"errors", "config", "exit_codes", "overrides", "study", "validation"},
    "inspect": BASE
    | COMMAND
    | {"record", "data", "model", "evaluation", "inspect", "validation", "warmth"},
    "init": BASE | COMMAND | {"data", "inspect", "init", "quoting", "validation"},
    "serving": BASE
    | {"console", "data", "model", "evaluation", "training", "prepared", "quoting", "validation"}
    | {"record", "study", "report", "serving"},
    "embed": BASE | COMMAND | {"serving"},
    "export": BASE | COMMAND | {"serving"},
    "recommend": BASE | COMMAND | {"serving"},
    "command_line": BASE | COMMAND | {"overrides", "record", "study"},
}
# They put the rooms together.
MAY_IMPORT_ANY = {"__init__", "__main__", "trial", "repeats"}
# The same within the two largest rooms.
STUDY = {"attributes", "config", "launchers"}
PLAN = STUDY | {
    "ablations", "algorithms", "composition", "resume_check", "launcher_options", "plan", "space",
    "storages", "trial_places", "validation",
}  # fmt: skip
REPORT = {"evidence", "rendering", "study_results"}
MAY_IMPORT_WITHIN = {
    "study.space": {"space"},
    "study.algorithms": STUDY | {"algorithms"},
    "study.storages": STUDY | {"space", "storages"},
    "study.plan": PLAN,
    "study.results": STUDY | {"plan", "results"},
    "study.workers": PLAN | {"results", "reporting", "workers"},
    "study.retraining": PLAN,
    "study.confirmation": PLAN | {"results", "retraining"},
    "report.rendering": {"rendering"},
    "report.evidence": {"evidence"},
    "report.study_results": REPORT,
    "report.analysis": REPORT | {"analysis"},
    "report.sections": REPORT | {"analysis", "sections"},
    "report.comparison": REPORT | {"analysis", "comparison", "sections"},
}


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
    assert (two_layer.data.test_size, two_layer.evaluation.rows) == (20_000, "test")
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
    ["config", "validation", "command_line", "record", "__main__", "trial", "data.split",
     "repeats", "study.plan", "study.launch", "study.workers.worker", "study.results.outputs",
     "report.report", "report.loaded", "inspect.__main__", "export", "recommend"],
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


def test_every_room_has_its_line() -> None:
    folders = [path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    rooms = {path.stem for path in [*folders, *PACKAGE.glob("*.py")]}
    assert set(MAY_IMPORT) | MAY_IMPORT_ANY == rooms
    assert not set(MAY_IMPORT) & MAY_IMPORT_ANY


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_nothing_imports_upwards(room: str) -> None:
    for module in imports(PACKAGE / room):
        assert module.split(".")[1] in MAY_IMPORT[room], module


@pytest.mark.parametrize("room", MAY_IMPORT_WITHIN)
def test_nothing_imports_upwards_within_a_room(room: str) -> None:
    around = f"sweeper.{room.partition('.')[0]}."
    for module in imports(PACKAGE / room.replace(".", "/")):
        if module.startswith(around):
            assert module.split(".")[2] in MAY_IMPORT_WITHIN[room], module


def test_the_plugin_reaches_studies_and_reports_alone() -> None:
    plugin = imports(ROOT / "hydra_plugins")
    assert {module.split(".")[1] for module in plugin} == {"report", "study"}


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("from sweeper import errors", {"sweeper.errors"}),
        ("from sweeper.data.table import files as f", {"sweeper.data.table.files"}),
        ("import sweeper.trial", {"sweeper.trial"}),
        ("import os, sweeper.record as record", {"sweeper.record"}),
        ("import sweeper", {"sweeper.__version__"}),
        ("from sweeper_too import errors\nimport sweepers", set()),
    ],
)
def test_each_form_of_an_import_is_read(tmp_path: Path, source: str, modules: set[str]) -> None:
    (tmp_path / "room.py").write_text(source)
    assert imports(tmp_path / "room") == modules


def imports(room: Path) -> set[str]:
    """The modules of `sweeper` that a room's files import; of a package's, each by its own name.

    Args:
      room: a folder, or a file without its ".py".
    """
    files = list(room.rglob("*.py")) if room.is_dir() else [room.with_suffix(".py")]
    assert files
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                # Of the package by itself, there is nothing but its version.
                names = [alias.name for alias in node.names]
                found |= {f"{name}.__version__" if name == "sweeper" else name for name in names}
    return {name for name in found if name.startswith("sweeper.")}
