"""GPUs, on a machine without: a made-up driver folder, and TensorFlow's own words changed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf
from small_trials import skewed_interactions, small_config

from sweeper.common import runtime
from sweeper.common.runtime import VISIBLE, assign_gpu, visible_gpus
from sweeper.study.launchers import hands_out_gpus, share_cores
from sweeper.two_tower.training import setup
from sweeper.two_tower.training.setup import set_up_training


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(runtime, "DRIVER", tmp_path)
    monkeypatch.delenv(VISIBLE, raising=False)


def test_without_a_driver_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "DRIVER", tmp_path / "none")
    monkeypatch.delenv(VISIBLE, raising=False)
    assert visible_gpus() == []
    with assign_gpu([], 0):
        assert VISIBLE not in os.environ


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


@pytest.mark.parametrize("before", [None, "0,1"])
def test_workers_take_turns_and_leave_what_was(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    if before:
        monkeypatch.setenv(VISIBLE, before)
    taken = []
    for worker in range(3):
        with suppress(KeyboardInterrupt), assign_gpu(["0", "1"], worker):
            taken.append(os.environ[VISIBLE])
            raise KeyboardInterrupt
        assert os.environ.get(VISIBLE) == before
    assert taken == ["0", "1", "0"]


@pytest.mark.parametrize(
    ("launcher", "options", "hands_out"),
    [
        ("basic", {}, False),
        ("joblib", {}, False),
        ("ray", {"ray": {"init": {"address": "local"}, "remote": {}}}, False),
        ("ray", {"ray": {"init": {"address": "local"}, "remote": {"num_gpus": 1}}}, True),
        ("ray", {"ray": {"init": {"address": "auto"}, "remote": {}}}, True),
        ("submitit_local", {"gpus_per_node": None}, False),
        ("submitit_local", {"gpus_per_node": 2}, True),
        ("submitit_slurm", {"gpus_per_node": None}, True),
    ],
)
def test_what_a_launcher_was_told_of_gpus_holds(launcher, options, hands_out) -> None:
    choices = {"runtime": {"choices": {"hydra/launcher": launcher}}}
    config = OmegaConf.create({"hydra": {**choices, "launcher": options}})
    assert hands_out_gpus(config) == hands_out


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


def test_memory_grows_float32_is_float32_and_a_gpu_takes_a_batch_in_one_block(
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
    tf.config.experimental.enable_tensor_float_32_execution(True)
    runtime.start_tensorflow()
    assert grown == [("a", True), ("b", True)]
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    # Whatever it sees, its operations go to the first.
    assert runtime.gpu_names() == ["Card a"]
    blocks = {}
    for names in ([], ["Card"]):
        monkeypatch.setattr(setup, "gpu_names", lambda names=names: names)
        made = set_up_training(small_config(), skewed_interactions(), np.arange(256), threads=4)
        blocks[len(names)] = made.model.task._row_blocks
    assert blocks == {0: 4, 1: 1}
