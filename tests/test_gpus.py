"""GPUs, on a machine without: a made-up driver folder, and TensorFlow's own words changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf
from small_trials import skewed_interactions, small_config

from sweeper import gpus, runtime
from sweeper.gpus import VISIBLE, take_gpu, visible_gpus
from sweeper.study.launchers import share_cores
from sweeper.training import setup
from sweeper.training.setup import set_up_training


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(gpus, "DRIVER", tmp_path)
    # Set first, so that what a test leaves there is taken away again.
    monkeypatch.setenv(VISIBLE, "")
    monkeypatch.delenv(VISIBLE)


def test_without_a_driver_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "none")
    monkeypatch.delenv(VISIBLE, raising=False)
    assert visible_gpus() == []
    take_gpu(0)
    assert VISIBLE not in gpus.os.environ


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("chosen", "seen"),
    [(None, ["0", "1"]), ("3, GPU-5", ["3", "GPU-5"]), ("", []), ("-1", []), ("2,-1,0", ["2"])],
)
def test_the_users_choice_comes_first(
    chosen: str | None, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if chosen is not None:
        monkeypatch.setenv(VISIBLE, chosen)
    assert visible_gpus() == seen


@pytest.mark.usefixtures("two_gpus")
def test_workers_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    for worker in range(3):
        gpus.os.environ.pop(VISIBLE, None)
        take_gpu(worker)
        taken.append(gpus.os.environ[VISIBLE])
    assert taken == ["0", "1", "0"]


@pytest.mark.usefixtures("two_gpus")
def test_there_are_as_many_workers_as_gpus_unless_they_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sweeper.study.launchers.available_cores", lambda: 16)
    choices = {"hydra": {"runtime": {"choices": {"hydra/launcher": "joblib"}}, "launcher": {}}}
    config = OmegaConf.create(choices)
    assert share_cores(config, "auto", None) == (2, 8)
    assert share_cores(config, 4, None) == (4, 4)
    monkeypatch.setenv(VISIBLE, "")
    assert share_cores(config, "auto", None) == (16, 1)


def test_memory_grows_and_a_gpu_takes_a_batch_in_one_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grown = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a", "b"])
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, on: grown.append((gpu, on))
    )
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"device_name": f"Card {gpu}"}
    )
    runtime.start_tensorflow()
    assert grown == [("a", True), ("b", True)]
    assert runtime.gpu_names() == ["Card a", "Card b"]
    blocks = {}
    for names in ([], ["Card"]):
        monkeypatch.setattr(setup, "gpu_names", lambda names=names: names)
        made = set_up_training(small_config(), skewed_interactions(), np.arange(256), threads=4)
        blocks[len(names)] = made.model.task._row_blocks
    assert blocks == {0: 4, 1: 1}
