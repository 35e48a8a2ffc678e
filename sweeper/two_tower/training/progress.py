"""Shows the progress of a training: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sweeper.two_tower.config import DEFAULT_METRIC, SEEN_FILTERED, metric_name

if TYPE_CHECKING:
    from sweeper.two_tower.training.loop import Evaluation

# Without a terminal, a line is printed at the first evaluation and then at this interval.
SECONDS_BETWEEN_LINES = 5.0


class TrainingProgress:
    """Shows epoch, loss, accuracy, speed and time left.

    Args:
      epochs: the largest number of epochs.
      rows: the rows that are evaluated ("validation", "test").
      metric: the metric of the training, which is shown as its accuracy.
    """

    def __init__(
        self, console: Console, epochs: int, rows: str, metric: str = DEFAULT_METRIC
    ) -> None:
        self._console, self._epochs, self._rows = console, epochs, rows
        self._metric, self._metric_name = metric, metric_name(metric)
        self._last_line: float | None = None
        self._unprinted: Evaluation | None = None
        self._bar: Progress | None = None

    def __enter__(self) -> TrainingProgress:
        if self._console.is_terminal:
            # The line fits a terminal of 80 columns, and the bar fills what is left. The longer
            # metric names leave no room for the rows.
            is_filtered = self._metric.startswith(SEEN_FILTERED)
            accuracy = self._metric_name if is_filtered else f"{self._rows} {self._metric_name}"
            self._bar = Progress(
                TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(bar_width=None),
                TextColumn("loss {task.fields[loss]}"),
                TextColumn(f"{accuracy} " + "{task.fields[accuracy]}"),
                TextColumn("{task.fields[rate]} examples/s"),
                TimeRemainingColumn(compact=True),
                console=self._console,
                expand=True,
            )
            self._task = self._bar.add_task(
                "train", total=self._epochs, loss="-", accuracy="-", rate="-"
            )
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()
        elif self._unprinted:
            self._print(self._unprinted)

    def on_epoch(self, epoch: int, loss: float, rate: float) -> None:
        if self._bar:
            self._bar.update(
                self._task,
                completed=epoch,
                loss=f"{loss:.3f}",
                rate=f"{rate / 1_000:,.0f}k" if rate >= 10_000 else f"{rate:,.0f}",
            )

    def on_evaluation(self, evaluation: Evaluation) -> None:
        if self._bar:
            self._bar.update(self._task, accuracy=f"{evaluation.metrics[self._metric]:.4f}")
            return
        now = time.monotonic()
        if self._last_line is None or now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print(evaluation)
        else:
            self._unprinted = evaluation

    def _print(self, evaluation: Evaluation) -> None:
        self._last_line, self._unprinted = time.monotonic(), None
        left = (evaluation.train_seconds + evaluation.evaluate_seconds) / evaluation.epoch
        left *= self._epochs - evaluation.epoch
        self._console.print(
            f"epoch {evaluation.epoch}/{self._epochs}  loss {evaluation.loss:.4f}  "
            f"{self._rows} {self._metric_name} {evaluation.metrics[self._metric]:.4f}  "
            f"{evaluation.examples_per_second:,.0f} examples/s  {left:.0f} s left",
            soft_wrap=True,
        )
