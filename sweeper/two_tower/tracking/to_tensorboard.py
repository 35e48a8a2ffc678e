"""TensorBoard: event files in the trial's directory, and a row of its HPARAMS tab."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.tracking.metrics import final_metrics, parameters
from sweeper.two_tower.tracking.tracker import Place, Tracker

DIRECTORY = "tensorboard"


class TensorBoard(Tracker):
    """Writes the records of an event file.

    TensorFlow's writer would add operations to the trial's own graphs, and TensorBoard's writer
    raises in a thread of its own.
    """

    product = "TensorBoard"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._writer: Any = None

    def begin(self, record: TrialRecord) -> str:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        directory = self.place.directory / DIRECTORY
        directory.mkdir(exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._writer = RecordWriter((directory / name).open("wb"))
        self._add(file_version="brain.Event:2")
        hyperparameters = parameters(record.config)
        if self.place.origin.split_seed is not None:
            # All repeats are one row, with their means.
            del hyperparameters["data.split_seed"]
        trial = self.place.trial_directory
        # The page shows about twenty letters of it.
        row = f"{trial.name} in {os.path.relpath(trial.parent)}"
        self._add(summary=hparams_pb(hyperparameters, trial_id=row))
        self._writer.flush()
        return f"tensorboard --logdir {directory}"

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        tagged = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._add(step=epoch, summary=Summary(value=tagged))
        self._writer.flush()

    def end(self, record: TrialRecord) -> None:
        if self._writer is None:
            return
        try:
            self.log(record.best_epoch or 0, final_metrics(record))
            self._add(summary=_session_end(record.state == "completed"))
        finally:
            self._writer.close()

    def _add(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.write(Event(wall_time=time.time(), **content).SerializeToString())


def _session_end(succeeded: bool) -> Any:
    """The summary that tells the HPARAMS tab how a trial has ended."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    content = metadata.create_summary_metadata(
        plugin_data_pb2.HParamsPluginData(session_end_info=end)
    )
    tag = metadata.SESSION_END_INFO_TAG
    return Summary(value=[Summary.Value(tag=tag, metadata=content, tensor=metadata.NULL_TENSOR)])
