"""The arithmetic of `benchmarks.serving`, and its smallest form end to end."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from benchmarks.measure import ROOT, Spread
from benchmarks.serving import Measured, judged
from sweeper.serving.index import share_found


def measured(p50: float, p99: float, found: float) -> Measured:
    return Measured(Spread((p50, 9 * p50, p50)), Spread((p99,)), 0.0, 0.0, found)


def test_recall_goes_by_scores() -> None:
    best = np.array([[3.0, 2.0], [-1.0, -2.0]])
    # One of the second row is worse than the worst of the best; another differs in a last bit.
    found = np.array([[3.0, 2.0], [-1.0, -3.0]])
    assert share_found(found, best) == 0.75
    assert share_found(np.array([[3.0, 1.999999], [-1.0, -2.000001]]), best) == 1.0


def test_the_faster_of_those_with_the_recall_is_judged() -> None:
    sides = {
        "brute_force": measured(6.0, 7.0, 1.0),
        "ours": measured(4.0, 5.0, 1.0),
        "approximate": measured(1.0, 21.0, 0.95),
    }
    result = judged(sides)
    assert result.ratio == ("BruteForce / approximate, p50 of a query", "6.0 x")
    assert [limit.met for limit in result.limits] == [True, True, False]
    sides["approximate"] = measured(1.0, 21.0, 0.94)
    result = judged(sides)
    assert result.ratio == ("BruteForce / exact, p50 of a query", "1.5 x")
    assert [limit.met for limit in result.limits] == [True, False, True]
    del sides["approximate"]
    sides["ours"] = measured(1.0, 1.0, 0.999)
    assert [limit.met for limit in judged(sides).limits] == [False, True, True]


def test_a_small_catalogue_end_to_end(tmp_path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.serving", "--candidates", "500", "--queries", "30"]
    done = subprocess.run(
        [*command, "--repeats", "1", "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "met     500 candidates: exact finds all that BruteForce does; measured 1.0000" in (
        done.stdout
    ), done.stderr
    content = json.loads(figures.read_text())
    ((what, _),) = content["ratios"]
    assert what == "BruteForce / exact, p50 of a query, 500 candidates"
    assert set(content["sizes"]["500 candidates"]) == {"brute_force", "ours"}
