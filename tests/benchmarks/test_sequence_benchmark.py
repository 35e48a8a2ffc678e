"""The arithmetic of `benchmarks.sequence`, and this project's side of it on a little data."""

from __future__ import annotations

import sys
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from benchmarks import sequence
from benchmarks.sequence_ours import measure_epochs, measure_steps
from benchmarks.sequence_report import (
    accuracy_table,
    judge_accuracy,
    judge_scale,
    judge_speed,
    scale_table,
    speed_table,
)
from sweeper.cli.composition import composed
from sweeper.two_tower.data.loading import load_interactions


def steps(examples: int, seconds: float, peak_gb: float = 1.0) -> dict[str, float]:
    return {
        "examples": examples, "seconds": seconds, "cpu_seconds": 2 * seconds, "peak_gb": peak_gb,
        "first_seconds": 3.0, "set_up_seconds": 2.0,
    }  # fmt: skip


def epochs(seconds: float, *accuracies: float) -> dict[str, object]:
    """A history whose epochs take so long each, and 1.5 times as much of the processors."""
    return {
        "history": [
            {"epoch": n, "seconds": n * seconds, "cpu_seconds": 1.5 * n * seconds, "top_100": each}
            for n, each in enumerate(accuracies, start=1)
        ]
    }


OVERRIDES = [
    "experiment=sequence",
    *sequence.SMALL,
    "data.synthetic.num_interactions=3060",
    "model.seen_bias=false",
]
SPEED = {
    "user id": [steps(1_000, 1.0), steps(1_000, 0.5), steps(1_000, 4.0)],
    "user id, as wide as recency": [steps(1_000, 1.25)] * 3,
    "recency": [steps(1_000, 2.0), steps(1_000, 1.25), steps(1_000, 1.0)],
    "gru": [steps(500, 2.0)] * 3,
}
ACCURACY = {
    "recency": epochs(2.0, 0.5, 0.56, 0.58),
    "gru": epochs(4.0, 0.5, 0.54, 0.57),
    "SASRec": epochs(5.0, 0.3, 0.5, 0.55, 0.57, 0.56),
}
SCALE = {
    1_000_000: [steps(1_000, 1.0)],
    25_000_000: [steps(1_000, 1.25, peak_gb=5.0), steps(2_000, 2.5, peak_gb=7.0)],
}


def rows(table) -> dict[str, list[str]]:
    """The cells of each row that it prints, by the first."""
    shown = StringIO()
    Console(file=shown, width=200).print(table)
    return {
        cells[0]: cells[1:] for line in shown.getvalue().splitlines() if (cells := line.split())
    }


def test_speed_is_that_of_the_medians() -> None:
    shown = rows(speed_table(SPEED))
    assert shown["recency"] == ["800", "(500-1000)", "0.80", "2500.0", "3.0", "1.00"]
    assert shown["gru"][:3] == ["250", "(250-250)", "0.25"]
    results = judge_speed(SPEED)
    assert results["speed, recency"].ratio == ("recency / user id, examples a second", "0.80 x")
    assert [limit.met for limit in results["speed, recency"].limits] == [True]
    assert results["speed, gru"].limits == []
    assert results["speed, as wide"].ratio[1] == "1.00 x"
    assert len(results) == 3
    slow = {**SPEED, "recency": [steps(1_000, 1.5)]}
    assert [limit.met for limit in judge_speed(slow)["speed, recency"].limits] == [False]


def test_accuracy_is_that_of_the_first_epoch_that_has_it() -> None:
    shown = rows(accuracy_table(ACCURACY))
    # 0.55 after the second of two seconds; SASRec's best, 0.57, after the third.
    assert shown["recency"] == [
        "3", "2.00", "0.5800", "2", "4.0", "6.0", "3.8", "x", "3", "6.0", "9.0", "3.3", "x",
    ]  # fmt: skip
    assert shown["SASRec"][3:6] == ["3", "15.0", "22.5"]
    results = judge_accuracy(ACCURACY)
    assert results["accuracy, recency"].ratio[1] == "3.3 x"
    assert [limit.met for limit in results["accuracy, recency"].limits] == [True, True]
    assert results["accuracy, gru"].ratio[1] == "1.7 x"
    assert [limit.met for limit in results["accuracy, gru"].limits] == [True, False]


def test_a_model_that_never_gets_there_has_no_ratio() -> None:
    taken = {"gru": epochs(1.0, 0.2, 0.3), "SASRec": ACCURACY["SASRec"]}
    assert rows(accuracy_table(taken))["gru"] == ["2", "1.00", "0.3000", "never", "never"]
    result = judge_accuracy(taken)["accuracy, gru"]
    assert result.ratio[1] == "-"
    assert [limit.met for limit in result.limits] == [False, False]


def test_scale_is_judged_by_the_slowest_and_by_the_largest_peak() -> None:
    shown = rows(scale_table(SCALE))
    assert shown["25,000,000"] == ["2.0", "800", "(800-800)", "2500.00", "7.00"]
    result = judge_scale(SCALE)["scale"]
    assert result.ratio == ("examples a second of 25,000,000 rows / of 1,000,000", "0.80 x")
    assert [limit.met for limit in result.limits] == [False, False]
    flat = {1_000_000: [steps(1_000, 1.0)], 5_000_000: [steps(1_000, 1.1, peak_gb=5.9)]}
    assert [limit.met for limit in judge_scale(flat)["scale"].limits] == [True, True]


def test_without_rectools_a_line_says_how_to_have_it(tmp_path) -> None:
    # An interpreter that sees the standard library alone.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    python.chmod(0o755)
    assert not sequence.has_rectools(str(python))
    (line,) = sequence.missing_rectools(str(python)).splitlines()
    assert f"{python} has no RecTools" in line
    assert "pip install 'rectools[torch]'" in line
    assert "SASRec" not in "".join(judge_accuracy({"gru": ACCURACY["gru"]}))
    assert rows(accuracy_table({"gru": ACCURACY["gru"]}))["gru"][-3:] == ["3", "12.0", "18.0"]


def test_an_interpreter_that_is_not_there_is_told_before_anything_runs(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks.sequence", "--rectools", "nowhere/python"])
    with pytest.raises(SystemExit, match="2"):
        sequence.main()
    assert "--rectools: got 'nowhere/python'" in capsys.readouterr().err


def test_the_reference_gets_the_training_rows_and_what_came_before_the_others() -> None:
    given = sequence.rows_for_reference(OVERRIDES)
    interactions = load_interactions(composed(OVERRIDES).data, lambda text: None)
    users, items, times = interactions.users, interactions.items, interactions.timestamps
    by_time = np.argsort(times, kind="stable")
    train = np.sort(by_time[:-500])
    for name, column in (("users", users), ("items", items), ("times", times)):
        np.testing.assert_array_equal(given[name], column[train])
    histories: dict[tuple[int, ...], int] = {}
    for row in by_time[-500:]:
        own = by_time[users[by_time] == users[row]]
        history = [int(items[each]) for each in own[: np.flatnonzero(own == row)[0]]]
        key = (int(items[row]), *history[-sequence.KEPT_HISTORY :])
        histories[key] = histories.get(key, 0) + 1
    for own, history in zip(given["own"], given["histories"], strict=True):
        histories[(int(own), *map(int, history[history >= 0]))] -= 1
    assert set(histories.values()) == {0}


@pytest.mark.slow
def test_this_projects_side_trains_and_ranks() -> None:
    config = composed([*OVERRIDES, "train.epochs=2", "train.eval_every_epochs=1"])
    first, second = measure_epochs(config)["history"]
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert 0 < first["seconds"] < second["seconds"]
    assert 0 < first["cpu_seconds"] < second["cpu_seconds"]
    # Of 120 candidates; a popularity list of this data has 0.95.
    assert 0.5 < first["top_100"] <= 1


def test_the_timed_steps_follow_the_first_plan() -> None:
    figures = measure_steps(composed([*OVERRIDES, *sequence.with_user_id()]), steps=11)
    # 2,560 rows in batches of 256 are 10 steps, the first plan; then two plans, whole ones.
    assert figures["examples"] == 2 * 2_560
    assert figures["rows"] == 3_060
    assert figures["seconds"] > 0
