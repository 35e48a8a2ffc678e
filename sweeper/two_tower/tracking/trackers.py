"""The trackers that a configuration turns on; none of them can change or end a trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from sweeper.common.errors import OutputError, install_command
from sweeper.common.passwords import without_password
from sweeper.two_tower import record as records
from sweeper.two_tower.config import TrackingConfig
from sweeper.two_tower.record import Metrics, TrialRecord
from sweeper.two_tower.tracking.metrics import evaluation_metrics
from sweeper.two_tower.tracking.tracker import Origin, Place, Tracker

MAX_REASON_LENGTH = 300
# Each key's package, and the extra that installs it, have the key's name.
PRODUCTS = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases"}


class Trackers:
    """Logs a trial to each tracker that is turned on.

    The first error of a tracker is printed and noted in the record, and the trial goes on. Then
    the tracker gets no more evaluations, but it is still closed, so that no run stays open.

    Args:
      record: read at each call; its `untracked` gets the errors.
      print_status: prints a line: (topic, text).
    """

    def __init__(
        self,
        config: TrackingConfig,
        directory: Path,
        origin: Origin,
        record: TrialRecord,
        print_status: Callable[[str, str], None],
    ) -> None:
        self._config, self._place = config, Place(directory, origin)
        self._record, self._print_status = record, print_status
        self._open: list[Tracker] = []

    def begin(self) -> None:
        """Opens the runs; no tracker's library is loaded before."""
        for tracker in make_trackers(self._config, self._place):
            self._open.append(tracker)
            with self._noting_errors(tracker):
                where = tracker.begin(self._record)
                self._print_status("tracking", f"{tracker.product}: {without_password(where)}")

    def log(self, epoch: int, loss: float, metrics: Metrics) -> None:
        """Logs an evaluation."""
        for tracker in self._open:
            if tracker.product not in self._record.untracked:
                with self._noting_errors(tracker):
                    tracker.log(epoch, evaluation_metrics(loss, metrics, self._record.rows))

    def end(self) -> None:
        """Closes the runs, after the record is written; writes it again if closing fails."""
        failed = len(self._record.untracked)
        while self._open:
            tracker = self._open.pop()
            with self._noting_errors(tracker):
                tracker.end(self._record)
        if len(self._record.untracked) > failed:
            # The record exists already; a disk that is full by now must not fail the trial.
            with suppress(OutputError):
                records.write(self._place.directory, self._record)

    @contextmanager
    def _noting_errors(self, tracker: Tracker) -> Iterator[None]:
        """Notes and prints the tracker's first error."""
        try:
            yield
        except Exception as error:
            reason = f"{type(error).__name__}: {without_password(str(error))}"
            first_line = reason.splitlines()[0][:MAX_REASON_LENGTH]
            if tracker.product not in self._record.untracked:
                self._record.untracked[tracker.product] = first_line
                self._print_status(
                    "tracking", f"{tracker.product} is left out from here on: {first_line}"
                )


def make_trackers(config: TrackingConfig, place: Place) -> Iterator[Tracker]:
    """Makes the trackers that the configuration turns on."""
    if config.tensorboard:
        from sweeper.two_tower.tracking.to_tensorboard import TensorBoard

        yield TensorBoard(place)
    if config.mlflow:
        from sweeper.two_tower.tracking.to_mlflow import MLflow

        yield MLflow(place, config.mlflow)
    if config.wandb:
        from sweeper.two_tower.tracking.to_wandb import WeightsAndBiases

        yield WeightsAndBiases(place, config.wandb)


def package_problems(tracking: TrackingConfig) -> Iterator[str]:
    """Yields a line for each tracker that is turned on and not installed, without loading any."""
    for key, product in PRODUCTS.items():
        value = getattr(tracking, key)
        if value and not _is_installed(key):
            yield (
                f"tracking.{key}: got {value!r}, which needs {product}; install it with "
                + install_command(key)
            )


def _is_installed(package: str) -> bool:
    spec = find_spec(package)
    # Python also finds any folder of that name, such as the one that W&B leaves where it runs.
    return spec is not None and spec.origin is not None
