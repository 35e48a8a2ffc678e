"""All trackers of one trial, none of which can change or end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sweeper.common.errors import OutputError
from sweeper.common.passwords import without_password
from sweeper.two_tower import record as records
from sweeper.two_tower.config import TrackingConfig
from sweeper.two_tower.record import Metrics, TrialRecord
from sweeper.two_tower.tracking.figures import evaluation_figures
from sweeper.two_tower.tracking.tracker import Origin, Place, Tracker

LONGEST_REASON = 300


class Trackers:
    """Tells each tracker that is on how a trial goes.

    What one of them raises is told once and noted in the record, and the trial goes on. The
    tracker hears no more evaluations then, but of the end, so that it leaves no run open.

    Args:
      record: read at each call, `untracked` filled.
      say: prints a line: (topic, text).
    """

    def __init__(
        self,
        config: TrackingConfig,
        directory: Path,
        origin: Origin,
        record: TrialRecord,
        say: Callable[[str, str], None],
    ) -> None:
        self._config, self._place = config, Place(directory, origin)
        self._record, self._say = record, say
        self._open: list[Tracker] = []

    def begin(self) -> None:
        """Opens the runs; before it, nothing of any tracker is loaded."""
        for tracker in chosen(self._config, self._place):
            self._open.append(tracker)
            with self._coping(tracker):
                where = tracker.begin(self._record)
                self._say("tracking", f"{tracker.product}: {without_password(where)}")

    def log(self, epoch: int, loss: float, metrics: Metrics) -> None:
        """Tells of an evaluation."""
        for tracker in self._open:
            if tracker.product not in self._record.untracked:
                with self._coping(tracker):
                    tracker.log(epoch, evaluation_figures(loss, metrics, self._record.rows))

    def end(self) -> None:
        """Closes the runs, after the record is written; writes it again if one fails then."""
        told = len(self._record.untracked)
        while self._open:
            tracker = self._open.pop()
            with self._coping(tracker):
                tracker.end(self._record)
        if len(self._record.untracked) > told:
            # The record is there; a disk that is full since then takes no trial.
            with suppress(OutputError):
                records.write(self._place.directory, self._record)

    @contextmanager
    def _coping(self, tracker: Tracker) -> Iterator[None]:
        """Notes an error of the tracker, and tells of its first one."""
        try:
            yield
        except Exception as error:
            reason = f"{type(error).__name__}: {without_password(str(error))}"
            first_line = reason.splitlines()[0][:LONGEST_REASON]
            if tracker.product not in self._record.untracked:
                self._record.untracked[tracker.product] = first_line
                self._say("tracking", f"{tracker.product} is left out from here on: {first_line}")


def chosen(config: TrackingConfig, place: Place) -> Iterator[Tracker]:
    """The trackers that the configuration turns on."""
    if config.tensorboard:
        from sweeper.two_tower.tracking.to_tensorboard import TensorBoard

        yield TensorBoard(place)
    if config.mlflow:
        from sweeper.two_tower.tracking.to_mlflow import MLflow

        yield MLflow(place, config.mlflow)
    if config.wandb:
        from sweeper.two_tower.tracking.to_wandb import WeightsAndBiases

        yield WeightsAndBiases(place, config.wandb)
