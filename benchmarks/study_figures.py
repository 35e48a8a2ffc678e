"""The arithmetic of `benchmarks.study`: from times and records to figures.

Nothing here runs anything, so that each figure can be checked by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

# In a record's seconds: the whole, and a part of "train".
NO_STAGES = ("total", "first_epoch")


@dataclass(frozen=True)
class Stay:
    """The time that one trial spent inside the objective, and the worker that ran it."""

    worker: int
    start: float
    end: float


@dataclass(frozen=True)
class Overhead:
    """What of the workers' time was spent outside the objective, in seconds.

    Attributes:
      inside: sum over the trials of the time inside the objective.
      start_up: from the start of the command to the first trial's; no part of `total`.
      worker_seconds: workers x the time from the first trial's start to the command's end.
      late: sum over the workers of how much later their first trial started.
      gaps: between two trials of a worker.
      idle_at_end: of each worker, from its last trial to the last trial of all.
      closing: from the last trial's end to the command's end.
    """

    trials: int
    inside: float
    start_up: float
    worker_seconds: float
    late: float
    gaps: tuple[float, ...]
    idle_at_end: tuple[float, ...]
    closing: float

    @property
    def total(self) -> float:
        return self.worker_seconds - self.inside

    @property
    def per_trial(self) -> float:
        return self.total / self.trials

    @property
    def per_trial_until_the_last(self) -> float:
        """As `per_trial`, without the end of the command, which comes once a study."""
        until_last = sum(self.gaps) + self.late + sum(self.idle_at_end)
        return until_last / self.trials

    @property
    def share(self) -> float:
        return self.total / self.worker_seconds


def overhead(stays: Sequence[Stay], workers: int, started: float, ended: float) -> Overhead:
    """Divides the time from `started` to `ended`, those of the whole command."""
    first, last = min(stay.start for stay in stays), max(stay.end for stay in stays)
    by_worker: dict[int, list[Stay]] = {}
    for stay in sorted(stays, key=lambda stay: stay.start):
        by_worker.setdefault(stay.worker, []).append(stay)
    # A worker that had no trial was late for all of them.
    without = workers - len(by_worker)
    return Overhead(
        trials=len(stays),
        inside=sum(stay.end - stay.start for stay in stays),
        start_up=first - started,
        worker_seconds=workers * (ended - first),
        late=sum(own[0].start - first for own in by_worker.values()) + without * (last - first),
        gaps=tuple(
            after.start - before.end
            for own in by_worker.values()
            for before, after in pairwise(own)
        ),
        idle_at_end=tuple(last - own[-1].end for own in by_worker.values()),
        closing=ended - last,
    )


@dataclass(frozen=True)
class Ended:
    """A trial that has ended: the epochs it took, its value if it is complete, and when."""

    epochs: int
    value: float | None
    at: float


def best_value(trials: Sequence[Ended]) -> float:
    """The greatest value of a complete trial."""
    return max(trial.value for trial in trials if trial.value is not None)


def epochs_until(trials: Sequence[Ended], value: float) -> int | None:
    """Epochs of all trials up to the first complete one that has at least `value`.

    Trials count in the order of their ends; None if none has it.
    """
    used = 0
    for trial in sorted(trials, key=lambda trial: trial.at):
        used += trial.epochs
        if trial.value is not None and trial.value >= value:
            return used
    return None


def stage_seconds(records: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sums by stage over the `seconds` of all records, and what no stage counts."""
    sums: dict[str, float] = {}
    for seconds in records:
        for name, value in seconds.items():
            if name not in NO_STAGES:
                sums[name] = sums.get(name, 0.0) + value
    total = sum(seconds.get("total", 0.0) for seconds in records)
    return sums | {"the rest of the trials": total - sum(sums.values())}


def account(
    records: Sequence[Mapping[str, float]],
    durations: Sequence[float],
    workers: int,
    start_up: float,
    wall: float,
) -> dict[str, float]:
    """Where workers x wall went, in seconds that add up to it.

    Args:
      records: the `seconds` of each trial's record.
      durations: of each trial from Optuna's `ask` to its `tell`, which holds the record's
        total, and also composing its configuration, its reports and drawing its curves.
      start_up: from the start of the command to the first `ask`.
    """
    total = sum(seconds.get("total", 0.0) for seconds in records)
    return {
        "start-up": workers * start_up,
        **stage_seconds(records),
        "around the trials": sum(durations) - total,
        "between trials and at the end": workers * (wall - start_up) - sum(durations),
    }


def extrapolate(figures: Mapping[str, float], rounds: int) -> float:
    """Seconds of so many rounds of epochs with an evaluation each, of which two were measured.

    Args:
      figures: what `benchmarks.reference` prints: the first round, which pays tracing,
        and another, which stands for all that follow.
    """
    first = figures["build_seconds"] + figures["warm_up_seconds"]
    return first + (rounds - 1) * figures["steady_seconds"]


@dataclass(frozen=True)
class Sample:
    """Resident memory at one moment, in MB: of the main process and of its largest child."""

    at: float
    main: float
    child: float


def peaks(samples: Sequence[Sample], trials: Sequence[tuple[float, float]]) -> list[float]:
    """The most that the trial's process had during each trial, 0 if there is no sample.

    Args:
      trials: (start, end) of each.
    """
    return [
        max((sample.child for sample in samples if start <= sample.at <= end), default=0.0)
        for start, end in trials
    ]
