"""A study of several splits, exported and asked, all by real processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from processes import run_module


def python(place: Path, module: str, *arguments: str, code: int = 0) -> str:
    done = run_module(place, module, *arguments, timeout=300)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


@pytest.mark.slow
def test_a_study_is_exported_and_asked(tmp_path: Path) -> None:
    python(
        tmp_path, "sweeper", "-m", "data=synthetic", "train=quick", "train.epochs=3",
        "train.eval_every_epochs=1", "features=history", "model=one_layer,two_layer",
        "study.name=depth", "study.split_seeds=[5,3]", "study.workers=1",
    )  # fmt: skip
    first = python(tmp_path, "sweeper.export", "outputs/depth")
    assert "split seed 5, trained again on its training rows" in first
    assert "metrics  the same as recorded, to the last bit" in first
    python(tmp_path, "sweeper.export", "outputs/depth", "trial=1", "seed=3", "rows=all")
    export = tmp_path / "outputs" / "exports" / "depth"
    assert sorted(path.name for path in export.iterdir()) == ["1", "2"]
    one, two = (np.load(export / version / "candidates.npy") for version in "12")
    assert one.shape[0] == two.shape[0] == 500
    answer = json.loads(
        python(
            tmp_path, "sweeper.recommend", "outputs/exports/depth", "user_id=user_0007", "k=500",
            "version=1", "--with-seen", "--json",
        )
    )  # fmt: skip
    assert answer["export"] == "outputs/exports/depth/1"
    assert len(answer["answers"][0]["recommendations"]) == 500
    refused = python(tmp_path, "sweeper.export", "outputs/depth", "trial=9", code=2)
    assert refused.splitlines()[-1] == (
        "error: trial: got 9, which this study does not have; must be one of 0, 1"
    )
    (export / "2" / "candidates.npy").write_bytes(b"")
    refused = python(
        tmp_path, "sweeper.recommend", "outputs/exports/depth", "user_id=user_0007", code=2
    )
    assert "2/candidates.npy: is not the file that was exported" in refused
