"""Runs studies and single trials as a user does, in processes of their own, and reads them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from benchmarks.measure import ROOT, BenchmarkError, child_environment
from benchmarks.study_figures import Ended
from sweeper.study import attributes
from sweeper.study.storage.factory import load_study
from sweeper.two_tower import record as records
from sweeper.two_tower.record import TrialRecord

SECONDS_BETWEEN_LINES = 5.0
# In each of a study's lines, and of a trial's, that say how far it is.
TIME_LEFT = " left"
# Real trials in a moment, without MovieLens.
SMALL_DATA = [
    "data=synthetic",
    "data.synthetic.num_users=100",
    "data.synthetic.num_items=120",
    "data.synthetic.num_interactions=2000",
]


@dataclass(frozen=True)
class Settings:
    """What the command line asks for.

    Attributes:
      folder: where all studies go.
      trials: of the studies in `headline` and `pruning`; None: as shipped.
      overrides: of all studies with real trials.
      samplers: of `thousand`.
    """

    folder: Path
    console: Console
    quick: bool = False
    trials: int | None = None
    overrides: list[str] = field(default_factory=list)
    samplers: Sequence[str] = ("random",)

    def of_real_trials(self) -> list[str]:
        """The overrides that all studies with real trials have in common."""
        return [*(SMALL_DATA if self.quick else []), *self.overrides]


@dataclass(frozen=True)
class StudyRun:
    """A study that has run: when its command started and ended, and what it printed."""

    directory: Path
    started: float
    ended: float
    output: str

    @property
    def wall(self) -> float:
        return self.ended - self.started

    @cached_property
    def trials(self) -> list[FrozenTrial]:
        """As the study's database has them, by number."""
        return load_study(self.directory).get_trials(deepcopy=False)

    @property
    def first_ask(self) -> float:
        """When the first trial began."""
        return min(start for start, _ in self.spans)

    @property
    def spans(self) -> list[tuple[float, float]]:
        """When each trial that has ended began and ended, by number."""
        return [
            (trial.datetime_start.timestamp(), trial.datetime_complete.timestamp())
            for trial in self.trials
            if trial.datetime_start and trial.datetime_complete
        ]

    def ended_trials(self) -> list[Ended]:
        """Epochs and value of each trial."""
        return [
            Ended(
                epochs=(trial.user_attrs.get(attributes.RESULT) or {}).get("epochs") or 0,
                value=trial.value if trial.state == TrialState.COMPLETE else None,
                at=trial.datetime_complete.timestamp(),
            )
            for trial in self.trials
            if trial.datetime_complete
        ]

    def records(self) -> list[TrialRecord]:
        """The record of each trial, by number."""
        paths = sorted(self.directory.glob(f"trials/*/{records.TRIAL}"))
        return [records.read(path.parent) for path in paths]


def run_study(
    name: str,
    arguments: Sequence[str],
    settings: Settings,
    environment: Mapping[str, str] | None = None,
    on_start: Callable[[int], None] = lambda pid: None,
) -> StudyRun:
    """Runs `python ARGUMENTS` with a directory of that name for its study.

    Args:
      arguments: a module and its overrides, ["-m", "sweeper", "study=architecture"].
      on_start: called with the process's id.

    Raises:
      BenchmarkError: it ended with another exit code than 0.
    """
    directory = settings.folder / name
    started = time.time()
    output = run_watched(
        name,
        [*arguments, f"hydra.sweep.dir={directory}"],
        settings.console,
        environment,
        on_start,
    )
    return StudyRun(directory, started, time.time(), output)


def run_watched(
    name: str,
    arguments: Sequence[str],
    console: Console,
    environment: Mapping[str, str] | None = None,
    on_start: Callable[[int], None] = lambda pid: None,
) -> str:
    """Runs Python, passes on every few seconds how far it is, and returns all it printed.

    Raises:
      BenchmarkError: it ended with another exit code than 0.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=child_environment() | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    on_start(process.pid)
    lines, shown = [], time.monotonic()
    try:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            if TIME_LEFT in line and time.monotonic() - shown >= SECONDS_BETWEEN_LINES:
                shown = time.monotonic()
                console.print(f"{name}: {line.rstrip()}", markup=False, no_wrap=True, crop=True)
        code = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if code:
        raise BenchmarkError(
            f"python {' '.join(arguments)}: ended with exit code {code}\n{''.join(lines)[-2000:]}"
        )
    return "".join(lines)


def run_single_trial(name: str, arguments: Sequence[str], settings: Settings) -> TrialRecord:
    """Runs `python -m sweeper ARGUMENTS`, one trial; returns its record."""
    directory = settings.folder / name
    run_watched(name, ["-m", "sweeper", *arguments, f"hydra.run.dir={directory}"], settings.console)
    return records.read(directory)


def files_with(text: str, directory: Path) -> list[Path]:
    """The files of text below a directory in which `text` occurs."""
    wanted = text.encode()
    return [
        path
        for path in sorted(directory.rglob("*"))
        if path.suffix in (".txt", ".log") and os.path.isfile(path) and wanted in path.read_bytes()
    ]


def winner_of(run: StudyRun) -> tuple[FrozenTrial, TrialRecord]:
    """The best trial of a finished study, and its record."""
    complete = [trial for trial in run.trials if trial.state == TrialState.COMPLETE]
    best: Any = max(complete, key=lambda trial: trial.value or 0.0)
    return best, records.read(run.directory / best.user_attrs[attributes.DIRECTORY])
