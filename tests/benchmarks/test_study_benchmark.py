"""The arithmetic of the study benchmark by hand-made inputs, and its quick form end to end."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time

import pytest
from rich.console import Console

from benchmarks.measure import ROOT
from benchmarks.study_costs import overhead_result
from benchmarks.study_figures import (
    Ended,
    Sample,
    Stay,
    account,
    best_value,
    epochs_until,
    extrapolate,
    overhead,
    peaks,
    stage_seconds,
)
from benchmarks.study_memory import children_of, memory_result, resident_mb
from benchmarks.study_report import Limit, PartResult, ratio_text, show_limits

# Worker 7 has trials at 10-15 and 15.25-20.25, worker 8 at 11-16 and 16.5-19.5.
STAYS = [Stay(7, 10, 15), Stay(8, 11, 16), Stay(8, 16.5, 19.5), Stay(7, 15.25, 20.25)]


def test_overhead_is_what_the_workers_spend_outside_the_objective():
    figures = overhead(STAYS, workers=2, started=7, ended=21)
    assert figures.start_up == 3
    assert figures.worker_seconds == 2 * 11
    assert figures.inside == 5 + 5 + 5 + 3
    assert figures.total == 22 - 18
    assert figures.per_trial == 1
    assert figures.per_trial_until_the_last == (4 - 2 * 0.75) / 4
    assert figures.share == 4 / 22
    assert figures.gaps == (0.25, 0.5)
    assert figures.late == 1
    assert figures.idle_at_end == (0, 0.75)
    assert figures.closing == 0.75


@pytest.mark.parametrize("workers", [2, 3])
def test_the_parts_of_the_overhead_add_up_to_it(workers: int):
    figures = overhead(STAYS, workers, started=7, ended=21)
    parts = sum(figures.gaps) + figures.late + sum(figures.idle_at_end)
    assert parts + workers * figures.closing == pytest.approx(figures.total)


def test_overhead_is_judged_by_a_trial_and_by_its_share():
    limits = overhead_result(overhead(STAYS, 2, 7, 21), 5).limits
    assert [limit.met for limit in limits] == [False, False, False]
    tight = [Stay(1, 0, 5), Stay(1, 5.2, 10.2), Stay(2, 0, 5), Stay(2, 5.2, 10.2)]
    limits = overhead_result(overhead(tight, 2, 0, 10.2), 5).limits
    assert [limit.met for limit in limits] == [True, True, True]


def test_epochs_count_up_to_the_first_complete_trial_that_is_good_enough():
    trials = [
        Ended(30, 0.310, at=4.0),  # the best, but not the first within 0.003
        Ended(3, None, at=1.0),
        Ended(30, 0.300, at=2.0),
        Ended(9, None, at=2.5),
        Ended(30, 0.307, at=3.0),
    ]
    assert best_value(trials) == 0.310
    assert epochs_until(trials, 0.310 - 0.003) == 3 + 30 + 9 + 30
    assert epochs_until(trials, 0.299) == 3 + 30
    assert epochs_until(trials, 0.320) is None


def test_stages_are_summed_without_the_first_epoch_that_is_part_of_one():
    records = [
        {"total": 10.0, "train": 6.0, "first_epoch": 4.0, "evaluate": 1.0, "set_up": 2.0},
        {"total": 5.0, "train": 4.0, "first_epoch": 1.0, "evaluate": 0.5},
    ]
    assert stage_seconds(records) == {
        "train": 10.0,
        "evaluate": 1.5,
        "set_up": 2.0,
        "the rest of the trials": 1.5,
    }
    seconds = account(records, durations=[11.0, 5.5], workers=2, start_up=3.0, wall=12.0)
    assert seconds["start-up"] == 6
    assert seconds["around the trials"] == 1.5
    assert seconds["between trials and at the end"] == 2 * 9 - 16.5
    assert sum(seconds.values()) == pytest.approx(2 * 12.0)


def test_the_first_round_is_taken_once_and_the_rate_for_all_others():
    figures = {"build_seconds": 1.0, "warm_up_seconds": 9.0, "steady_seconds": 4.0}
    assert extrapolate(figures, 60) == 1 + 9 + 59 * 4


def test_memory_compares_the_second_ten_trials_with_the_last_ten():
    sampled = [900.0] * 10 + [500.0] * 9 + [1000.0] + [400.0] * 70 + [1000.0] * 9 + [1099.0]
    result = memory_result(sampled, sampled, [100.0, 101.0])
    assert result.ratio[1] == "1.10 x"
    assert result.limits[0].met
    assert result.rows[0][0].endswith("trials 11 to 20")
    assert result.rows[1][0].endswith("trials 91 to 100")
    assert not memory_result([*sampled[:-1], 1101.0], sampled, [100.0]).limits[0].met


def test_a_trial_has_the_peak_of_its_own_samples():
    samples = [Sample(1.0, 50, 300), Sample(2.0, 50, 400), Sample(3.5, 50, 200)]
    assert peaks(samples, [(0.5, 2.5), (3.0, 4.0), (5.0, 6.0)]) == [400, 200, 0]


def test_memory_of_a_process_and_its_children_is_read_from_proc():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 5
        while resident_mb(child.pid) < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert child.pid in children_of(os.getpid())
        assert 1 < resident_mb(child.pid) < 1_000
    finally:
        child.kill()
        child.wait()
    assert resident_mb(child.pid) == 0


def test_each_limit_has_a_line_and_quick_judges_counts_alone():
    console = Console(file=io.StringIO(), width=100)
    speed = Limit("fast", "1 s", met=False)
    results = {"part": PartResult(("a / b", "1 x"), [], [speed])}
    assert not show_limits(results, quick=False, console=console)
    assert show_limits(results, quick=True, console=console)
    results["part"].limits.append(Limit("all there", "5", met=False, is_a_count=True))
    assert not show_limits(results, quick=True, console=console)
    assert console.file.getvalue().count("NOT MET part: fast; measured 1 s") == 3
    assert ratio_text(10, 4) == "2.50 x"
    assert ratio_text(None, 4) == ratio_text(1, None) == "-"


def test_the_quick_thousand_runs_six_trials_and_counts_them(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.study", "thousand", "--quick"]
    done = subprocess.run(
        [*command, "--json", str(figures), "--keep", str(tmp_path / "studies")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT MET" not in done.stdout
    assert "met     thousand: 6 directories; measured 6" in done.stdout
    assert "ratio: random: seconds of Optuna alone" in done.stdout
    seconds = json.loads(figures.read_text())["results"]["thousand"]["random"]
    assert seconds["seconds"] > seconds["optuna_alone_seconds"] > 0
    times = sorted((tmp_path / "studies/thousand_random/trials").glob("*/times.json"))
    assert [path.parent.name for path in times] == [f"{number:04d}" for number in range(6)]
