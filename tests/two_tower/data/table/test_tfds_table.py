"""A data set that TFDS has prepared, as a table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT

from sweeper.two_tower.record import TRIAL

# A builder of a user's own, which writes its records where TFDS looks for them.
BUILDER = """
import sys
from sweeper.common.runtime import start_tensorflow
start_tensorflow()
import tensorflow as tf
import tensorflow_datasets as tfds

class Listens(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "listener": tf.int64, "song": tfds.features.Text(), "at": tf.int64,
            "device": tfds.features.ClassLabel(names=["web", "tv"]),
            "tags": tfds.features.Sequence(tfds.features.Text()),
            "cover": tfds.features.Tensor(shape=(1, 3), dtype=tf.uint8),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, manager):
        return {"train": self._generate_examples(0, 60), "test": self._generate_examples(60, 80)}

    def _generate_examples(self, start, stop):
        import numpy as np
        for row in range(start, stop):
            yield row, {
                "listener": row % 7, "song": f"Sóng {row % 5}", "at": row, "device": row % 2,
                "tags": ["a", "b"][: row % 3], "cover": np.zeros((1, 3), np.uint8),
            }

Listens(data_dir=sys.argv[1]).download_and_prepare()
"""


@pytest.mark.slow
def test_all_splits_of_a_prepared_data_set_are_rows(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TFDS_DATA_DIR": str(tmp_path / "tfds")}
    environment["SWEEPER_CACHE_DIR"] = str(tmp_path / "cache")
    program = tmp_path / "listens.py"
    program.write_text(BUILDER)
    subprocess.run(
        [sys.executable, str(program), str(tmp_path / "tfds")], env=environment, check=True
    )
    command = [
        sys.executable, "-m", "sweeper", "data=table", "data.path=tfds:listens",
        "data.columns.user=listener", "data.columns.item=song", "data.columns.timestamp=at",
        "features=ids", "train=quick", "train.epochs=1", "train.eval_every_epochs=1",
        "hydra.run.dir=run",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / TRIAL).exists()
    assert "80 interactions, 7 users, 5 candidates" in done.stdout
    assert "device: 2 different words" in done.stdout
    assert "tags: lists of 2 different words" in done.stdout
    none = [*command[:4], "data.path=tfds:no_such_set", *command[5:-1], "hydra.run.dir=none"]
    done = subprocess.run(none, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "data.path: got 'tfds:no_such_set', which TFDS can't give" in done.stderr
