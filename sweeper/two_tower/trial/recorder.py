"""The record of one trial while it runs: its times, its files, its trackers, what it prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sweeper.common.console import print_status
from sweeper.common.errors import finishing
from sweeper.common.output_files import atomic_write
from sweeper.two_tower import record as records
from sweeper.two_tower.config import Config, to_dictionary
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.tracking.tracker import Origin
from sweeper.two_tower.tracking.trackers import Trackers
from sweeper.two_tower.trial.curves import draw_curves
from sweeper.two_tower.trial.environment import note_environment
from sweeper.two_tower.trial.result_tables import parts_table, result_lines, result_table

if TYPE_CHECKING:
    from sweeper.two_tower.training.loop import Evaluation, History


class TrialRecorder:
    """Fills the record of a trial, and writes, tracks and prints it.

    Args:
      directory: where the record goes; `recording` makes it.
      draw: whether to draw `curves.png`.
      origin: the study that the trial is part of, for trackers.

    Attributes:
      warnings: all warnings so far.
    """

    def __init__(
        self, config: Config, directory: Path, console: Console, draw: bool, origin: Origin
    ) -> None:
        self.directory, self.console, self._draw = directory, console, draw
        self.record = TrialRecord(to_dictionary(config))
        self.warnings: list[str] = []
        self._trackers = Trackers(
            config.tracking, directory, origin, self.record, self.print_status
        )
        self._started = 0.0

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Writes the record when the block begins, and again when it ends, however it ends.

        Raises:
          OutputError: the directory holds a trial or can't be written.
        """
        records.create(self.directory, self.record)
        self._started = time.perf_counter()
        with finishing(self._finish), records.recording_outcome(self.directory, self.record):
            yield

    def begin_tracking(self, threads: int) -> None:
        """Notes the machine and the versions, and opens the trackers' runs."""
        note_environment(self.record, threads)
        with self.pause():
            self._trackers.begin()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Notes in the record how long the block takes."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.record.seconds[name] = time.perf_counter() - started

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves the time of the block, which is not the trial's own, out of the total."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._started += time.perf_counter() - started

    def track(self, evaluation: Evaluation) -> None:
        """Sends an evaluation to the trackers."""
        self._trackers.log(evaluation.epoch, evaluation.loss, evaluation.metrics)

    def add_history(self, history: History) -> None:
        """Takes into the record what a training, complete or not, came to."""
        record = self.record
        record.history = [evaluation.row() for evaluation in history.evaluations]
        record.stopped_early = history.stopped_early
        record.seconds["first_epoch"] = history.first_epoch_seconds
        if history.kept:
            last = history.evaluations[-1]
            record.epochs, record.best_epoch = last.epoch, history.kept.epoch
            record.metrics[record.rows] = history.kept.metrics
            record.seconds["train"] = last.train_seconds
            record.seconds["evaluate"] = last.evaluate_seconds

    def print_status(self, topic: str, text: str) -> None:
        print_status(self.console, topic, text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self.print_status("warning", text)

    def print_results(self) -> None:
        """Prints the metrics on the test rows or, if these were not scored, the validation rows."""
        rows = "test" if "test" in self.record.metrics else self.record.rows
        self.console.print()
        self.console.print(result_table(self.record, rows))
        if table := parts_table(self.record, rows):
            self.console.print()
            self.console.print(table)
        for topic, text in result_lines(self.record, rows):
            self.print_status(topic, text)

    def _finish(self) -> None:
        """Writes the record and prints where it is."""
        self.record.seconds["total"] = time.perf_counter() - self._started
        with finishing(self._trackers.end):
            records.close(self.directory, self.record)
        names = [records.TRIAL]
        names += [name for name in records.ROWS.values() if (self.directory / name).exists()]
        if self.record.history:
            names.append(records.HISTORY)
            if self._draw:
                atomic_write(self.directory / records.CURVES, draw_curves(self.record))
                names.append(records.CURVES)
        self.console.print()
        self.print_status("output", f"{self.directory} ({self.record.state}: {', '.join(names)})")
