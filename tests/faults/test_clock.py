"""The clock is set back by an hour in the middle of a study."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState
from toy_runs import (
    BASIC,
    RANGE,
    STUDY,
    check_whole,
    finished,
    finished_trials,
    leaderboard,
    load,
    running,
    trials_of,
    wait_until,
)

from sweeper.study import attributes

SOURCE = Path(__file__).with_name("set_clock.c")


@pytest.fixture
def clock(tmp_path, monkeypatch) -> Path:
    """Holds by how many seconds the wall clock of the study's processes is ahead.

    libfaketime would do, were it not that Python's `time.sleep` fails under 0.9.10 when that
    leaves the monotonic clock alone.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc) to make a clock that can be set")
    library, file = tmp_path / "set_clock.so", tmp_path / "ahead.txt"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    file.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_AHEAD", str(file))
    return file


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [BASIC, "study.workers=2"])
def test_the_clock_is_set_back_by_an_hour(tmp_path, clock, started, fault, launcher):
    row = fault(f"the clock set back by an hour, {launcher}")
    study = tmp_path / "study"
    search = (
        *RANGE, "study.sampler=random", "study.pruner=none", "train.epochs=5",
        "train.eval_every_epochs=1", STUDY, launcher,
    )  # fmt: skip
    process = started(*search, "study.timeout_seconds=15", seconds=0.2)
    began = time.monotonic()
    wait_until(lambda: (study / "study.db").exists() and finished_trials(study) >= 3)
    # Under a trial.
    wait_until(lambda: running(study))
    clock.write_text("-3600")
    assert process.wait(timeout=60) == 0, (tmp_path / "printed.txt").read_text()
    row.injected += 1
    # Its start, its 15 seconds, the trials that ran then, its results.
    assert 14 < time.monotonic() - began < 40
    trials = trials_of(study)
    assert any(trial.datetime_complete < trial.datetime_start for trial in trials), (
        "the clock was not set back under a trial"
    )
    later = [trial for trial in trials if trial.datetime_start < trials[0].datetime_start]
    assert len(later) > 3
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    check_whole(study, len(trials))
    assert 15 <= load(study).user_attrs[attributes.SECONDS] < 25
    assert all(0.9 < float(row["seconds"]) < 5 for row in leaderboard(study))
    used = re.search(r"; (\d+):(\d\d) used", (tmp_path / "printed.txt").read_text())
    assert 15 <= 60 * int(used[1]) + int(used[2]) < 25
    # The same command has nothing left; a greater budget goes on.
    finished(tmp_path, *search, "study.timeout_seconds=15", seconds=0.2)
    assert len(trials_of(study)) == len(trials)
    finished(tmp_path, *search, f"study.n_trials={len(trials) + 3}", seconds=0)
    check_whole(study, len(trials) + 3)
