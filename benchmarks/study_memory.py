"""Whether a study takes more and more memory: the part `memory` of `benchmarks.study`.

Resident memory comes from /proc, so that nothing needs to be installed: Linux only.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.study_costs import REAL_STUDY
from benchmarks.study_figures import Sample, peaks
from benchmarks.study_report import Limit, PartResult, ratio_text
from benchmarks.study_runs import Settings, run_study

SECONDS_BETWEEN_SAMPLES = 0.1
GROWTH = 1.10
TRIALS_A_WINDOW = 10
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def resident_mb(process: int) -> float:
    """0 if there is no such process."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE_MB
    except OSError:
        return 0.0


def children_of(process: int) -> list[int]:
    """The processes that it, or one of its threads, has started and that still are."""
    children: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children += map(int, path.read_text().split())
        except OSError:
            # The thread has ended.
            continue
    return children


class MemorySampler:
    """Keeps samples of a process's memory and of its largest child's, ten a second."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, process: int) -> None:
        self._thread = threading.Thread(target=self._run, args=(process,), daemon=True)
        self._thread.start()

    def _run(self, process: int) -> None:
        while not self._over.wait(SECONDS_BETWEEN_SAMPLES):
            main = resident_mb(process)
            if main:
                child = max(map(resident_mb, children_of(process)), default=0.0)
                self.samples.append(Sample(time.time(), main, child))

    def stop(self) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()


@contextmanager
def sampling() -> Iterator[MemorySampler]:
    """A sampler that is stopped at the end."""
    sampler = MemorySampler()
    try:
        yield sampler
    finally:
        sampler.stop()


def memory(settings: Settings) -> PartResult:
    """Whether short real trials, one after the other, take more and more memory.

    With one worker joblib runs it in the main process, and the trial's process is its
    only child. Random sampling: no drift towards larger models.
    """
    trials = 4 if settings.quick else 100
    with sampling() as sampler:
        run = run_study(
            "memory",
            [*REAL_STUDY, *settings.of_real_trials(), f"study.n_trials={trials}",
             "study.sampler=random", "study.workers=1", "train.epochs=1",
             "train.eval_every_epochs=1"],
            settings,
            on_start=sampler.start,
        )  # fmt: skip
    spans, samples = run.spans, sampler.samples
    recorded = [record.peak_memory_mb or 0.0 for record in run.records()]
    worker = [sample.main for sample in samples if spans[0][0] <= sample.at <= spans[-1][1]]
    return memory_result(peaks(samples, spans), recorded, worker)


def memory_result(
    sampled: Sequence[float], recorded: Sequence[float], worker: Sequence[float]
) -> PartResult:
    """The second ten trials against the last ten.

    Args:
      sampled: of each trial's process, from /proc.
      recorded: the same, from `trial.json`: since the process was forked, not the trial's own.
      worker: the process that is the main one and the worker, at each sample.
    """
    width = min(TRIALS_A_WINDOW, len(sampled) // 2)
    start = width if len(sampled) >= 3 * width else 0
    windows = {
        f"trials {start + 1} to {start + width}": slice(start, start + width),
        f"trials {len(sampled) - width + 1} to {len(sampled)}": slice(-width, None),
    }
    early, late = (max(sampled[window]) for window in windows.values())
    rows = [
        (f"peak of the trial's process, {name}", f"{max(sampled[window]):,.0f} MB")
        for name, window in windows.items()
    ]
    rows += [
        (f"  as trial.json has it, {name}", f"{max(recorded[window]):,.0f} MB")
        for name, window in windows.items()
    ]
    rows.append(("main process, first trial / last", f"{worker[0]:,.0f} / {worker[-1]:,.0f} MB"))
    return PartResult(
        ratio=("peak of the last trials / of the early ones", ratio_text(late, early)),
        rows=rows,
        limits=[
            Limit(
                f"the last trials take at most {GROWTH - 1:.0%} more memory than the early ones",
                ratio_text(late, early),
                0 < late <= GROWTH * early,
            )
        ],
        figures={"peaks": list(sampled), "recorded": list(recorded), "main": list(worker)},
    )
