"""An export needs TensorFlow and nothing else: it is loaded where nothing else is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from processes import ROOT
from served_models import ITEMS, QUERY, Served, config_of, past_config, serve

# Gets a directory of an export and a file of inputs and items; prints the items' ranks.
PROGRAM = """
import importlib.util, json, sys
for name in ("sweeper", "tf_keras", "tensorflow_recommenders", "pyarrow"):
    assert importlib.util.find_spec(name) is None, name
import numpy as np
import tensorflow as tf

asked = json.load(open(sys.argv[2]))
model = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
types = {name: spec.dtype for name, spec in model.structured_input_signature[1].items()}
inputs = {name: tf.constant(values, types[name]) for name, values in asked["inputs"].items()}
answer = model(k=tf.constant(asked["k"]), **inputs)
ranks = []
for title, titles, scores in zip(
    asked["titles"], answer["titles"].numpy(), answer["scores"].numpy(), strict=True
):
    own = scores[titles == title.encode()][0]
    ranks.append(int((scores >= own).sum()) - 1)
print(json.dumps(ranks))
"""


@pytest.fixture(scope="module")
def fresh_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with TensorFlow, in the version that this project has, and its needs."""
    place = tmp_path_factory.mktemp("fresh")
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", "tensorflow"],
        check=True,
        timeout=1_500,
        cwd=place,
    )
    return python


def ranks_elsewhere(python: Path, served: Served) -> list[int]:
    inputs = {name: values.numpy().tolist() for name, values in served.inputs().items()}
    asked = {
        "inputs": json.loads(json.dumps(inputs, default=bytes.decode)),
        "titles": [served.titles[item] for item in served.task.items],
        "k": ITEMS,
    }
    # Beside the export, not within it.
    path = served.directory.with_suffix(".json")
    path.write_text(json.dumps(asked))
    own = ("PYTHONPATH", "TF_USE_LEGACY_KERAS")
    done = subprocess.run(
        [python, "-c", PROGRAM, served.directory, path],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=python.parent,
        env={name: value for name, value in os.environ.items() if name not in own},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def collapse(model: tf.keras.Model) -> None:
    model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])


@pytest.mark.slow
def test_with_tensorflow_alone_it_has_the_evaluations_ranks(fresh_python, tmp_path) -> None:
    every = serve(tmp_path / "every", config_of(*QUERY))
    assert ranks_elsewhere(fresh_python, every) == every.ranks.unfiltered.tolist()
    assert len(set(every.ranks.unfiltered.tolist())) > 5
    # By titles alone: of any length, none too, and padded.
    history = serve(tmp_path / "past", past_config("titles", "words", "genres", "gap", "length"))
    assert ranks_elsewhere(fresh_python, history) == history.ranks.unfiltered.tolist()
    # All candidates tied: each row's own is behind the others.
    tied = serve(tmp_path / "tied", config_of("embedding", "buckets"), collapse)
    assert ranks_elsewhere(fresh_python, tied) == [ITEMS - 1] * len(tied.rows)


@pytest.mark.parametrize("which", ["exported", "exported_sequence"])
def test_what_is_saved_names_nothing_of_keras_or_of_this_project(which: str, request) -> None:
    version = request.getfixturevalue(which).version
    for name in ("saved_model.pb", "query_tower/saved_model.pb", "candidate_tower/saved_model.pb"):
        content = (version / name).read_bytes()
        assert b"_tf_keras_" not in content
        assert b"sweeper." not in content


def test_it_loads_and_answers_with_this_projects_packages_blocked(exported) -> None:
    program = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("sweeper", "tf_keras", "tensorflow_recommenders"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import tensorflow as tf
tower = tf.saved_model.load(sys.argv[1] + "/query_tower").signatures["serving_default"]
columns = {"user_id": ["user_07"], "timestamp": [float("nan")], "raw_user_age": [30.0],
           "user_gender": ["True"], "user_occupation_text": ["artist"]}
types = {name: spec.dtype for name, spec in tower.structured_input_signature[1].items()}
inputs = {name: tf.constant(values, types[name]) for name, values in columns.items()}
print(tower(**inputs)["embedding"].shape)
items = tf.saved_model.load(sys.argv[1] + "/candidate_tower").signatures["serving_default"]
columns = {"movie_title": tf.constant(["new", "newer"]), "movie_genres": tf.fill([2, 1], "")}
print(items(**columns)["embedding"].shape)
"""
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "0", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program, exported.version],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["(1, 4)", "(2, 4)"]
