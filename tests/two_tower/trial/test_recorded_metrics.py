"""Trials give the metrics that an earlier version recorded, to the last bit where they can.

`recorded_metrics.json` was written by version 0.1.0. On the processor and with the libraries that
it names, every loss and metric must be equal. Elsewhere compilers order floating-point operations
otherwise, and what is compared is close.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from processes import run_module

from sweeper.two_tower import record

RECORDED = json.loads(Path(__file__).with_name("recorded_metrics.json").read_text())
COMMON = (
    "data=synthetic", "data.synthetic.num_interactions=5000", "train=quick", "train.epochs=4",
    "train.eval_every_epochs=2", "train.threads=1",
)  # fmt: skip


def is_same_machine() -> bool:
    """Whether the processor and the versions of the libraries are those that recorded."""
    cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    flags = re.search(r"^flags\s*: (.*)$", cpu, flags=re.MULTILINE)
    found = {flag for flag in flags[1].split() if re.match("avx|fma|amx", flag)} if flags else set()
    wanted = RECORDED["machine"]["vector_instructions"].split()
    libraries = {name: version(name) for name in RECORDED["versions"]}
    is_processor = RECORDED["machine"]["processor"] in cpu and found == set(wanted)
    return is_processor and libraries == RECORDED["versions"]


@pytest.mark.parametrize(
    "name",
    ["history", *(pytest.param(each, marks=pytest.mark.slow) for each in ("tutorial", "sequence"))],
)
def test_the_metrics_are_those_that_were_recorded(tmp_path: Path, name: str) -> None:
    expected = RECORDED["trials"][name]
    done = run_module(
        tmp_path, "sweeper", *COMMON, *expected["overrides"], f"hydra.run.dir={tmp_path / 'run'}"
    )
    assert done.returncode == 0, done.stderr
    trial = record.read(tmp_path / "run")
    history = [
        {key: value for key, value in row.items() if key in expected["history"][0]}
        for row in trial.history
    ]
    found = {"metrics": trial.metrics, "baselines": trial.baselines, "history": history}
    wanted = {key: expected[key] for key in found}
    if is_same_machine():
        assert found == wanted
    else:
        compare_closely(found, wanted)


def compare_closely(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            compare_closely(found[key], value)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            compare_closely(one, other)
    else:
        assert found == pytest.approx(wanted, rel=1e-3, abs=0.02)
