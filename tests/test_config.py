"""The shipped YAML, the schema's lists of names, and what may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from hydra import compose, initialize_config_dir

from sweeper.config import (
    ACTIVATIONS,
    OPTIMIZERS,
    config_directory,
    register_schema,
    to_dataclass,
)
from sweeper.validation import validate

ROOT = Path(__file__).parent.parent
CHOICES = sorted(f"{path.parent.name}={path.stem}" for path in config_directory().glob("*/*.yaml"))

# The rooms of the house, each with those that it may import from.
BASE = {"sweeper", "errors", "config", "runtime"}
MAY_IMPORT = {
    "data": BASE | {"data"},
    "model": BASE | {"data", "model"},
    "evaluation": BASE | {"data", "model", "evaluation"},
    "training": BASE | {"data", "model", "training"},
    "errors": set(),
    "config": {"errors"},
    "record": {"sweeper", "errors"},
}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_shipped_yaml_is_valid(choice):
    register_schema()
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = to_dataclass(compose("config", overrides=[choice]))
    validate(config)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_keras_has_every_optimizer(name):
    assert type(tf.keras.optimizers.get(name)).__name__.lower() == name


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_keras_has_every_activation(name):
    assert tf.keras.activations.get(name)(tf.constant([[0.5, -0.5]])).shape == (1, 2)


def test_the_command_line_loads_no_tensorflow():
    code = (
        "import sys, sweeper.__main__, sweeper.trial, sweeper.validation, sweeper.record\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_nothing_imports_upwards(room):
    folder = ROOT / "sweeper" / room
    files = list(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sweeper"):
                imported = [*node.module.split("."), "sweeper"][1]
                assert imported in MAY_IMPORT[room], f"{file.name} imports {node.module}"
