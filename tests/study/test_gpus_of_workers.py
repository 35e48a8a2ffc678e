"""Which GPUs the trials of a study see, in real processes; there need be none."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path

import pytest
from toy_runs import BASIC, STUDY, finished

GRID = ("-m", "data.split_seed=range(0,6)", "train.epochs=2", "train.eval_every_epochs=1", STUDY)


def seen(study: Path) -> dict[str, set[str]]:
    """By worker, what its trials had in CUDA_VISIBLE_DEVICES."""
    found = defaultdict(set)
    for path in study.glob("trials/*/process.txt"):
        found[path.read_text().split()[1]].add((path.parent / "gpus.txt").read_text())
    return found


def installed(package: str, extra: str) -> list[pytest.MarkDecorator]:
    missing = importlib.util.find_spec(package) is None
    return [pytest.mark.slow, pytest.mark.skipif(missing, reason=f"needs sweeper[{extra}]")]


@pytest.mark.parametrize(
    "launcher",
    [
        "joblib",
        pytest.param("submitit_local", marks=installed("submitit", "slurm")),
        pytest.param("ray", marks=installed("ray", "ray")),
    ],
)
def test_each_worker_has_a_gpu_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    workers = ("study.workers=2", f"hydra/launcher={launcher}")
    finished(tmp_path, *GRID, *workers, seconds=0.3)
    assert sorted(map(sorted, seen(tmp_path / "study").values())) == [["3"], ["7"]]


def test_a_single_worker_has_the_first_of_the_users_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    finished(tmp_path, *GRID, BASIC)
    assert list(seen(tmp_path / "study").values()) == [{"3"}]
