"""What the benchmarks share."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from benchmarks.measure import ROOT, peak_gigabytes


def test_the_peak_of_a_child_is_not_its_parents() -> None:
    held = np.ones(50_000_000)
    own = peak_gigabytes()
    code = (
        "import numpy; from benchmarks.measure import peak_gigabytes; before = peak_gigabytes();"
        "numpy.ones(12_500_000); print(before, peak_gigabytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    before, after = map(float, done.stdout.split())
    assert own > held.nbytes / 1e9 > before
    assert 0.09 < after - before < 0.12
