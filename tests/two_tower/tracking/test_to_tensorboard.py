"""What TensorBoard reads in the files of a trial."""

from __future__ import annotations

import os

import pytest
from tracked_trials import ORIGIN, QUIET

from sweeper.common.errors import TrialPruned
from sweeper.two_tower.tracking.metrics import final_metrics, parameters
from sweeper.two_tower.trial.trial import run_trial

pytestmark = pytest.mark.slow


def events_of(directory):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory / "tensorboard"))
    events.Reload()
    return events


def hparams_of(events, tag: str):
    """What the HParams plugin finds under one of its tags."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = events.SummaryMetadata(f"_hparams_/{tag}").plugin_data.content
    return getattr(HParamsPluginData.FromString(content), tag)


def test_the_scalars_are_the_history_by_epoch(trial):
    record, directory = trial
    events = events_of(directory)
    for tag, column in (
        ("loss", "loss"),
        ("validation/top_100", "top_100"),
        ("validation_seen_filtered/top_5", "seen_filtered_top_5"),
    ):
        scalars = events.Scalars(tag)
        assert [scalar.step for scalar in scalars] == [1, 2, 3]
        expected = [row[column] for row in record.history]
        assert [scalar.value for scalar in scalars] == pytest.approx(expected, rel=1e-6)


def test_the_final_metrics_are_those_of_the_epoch_that_was_kept(trial):
    record, directory = trial
    events = events_of(directory)
    values = final_metrics(record)
    assert values["final/test/top_100"] == record.metrics["test"]["top_100"]
    for tag, value in values.items():
        (scalar,) = events.Scalars(tag)
        assert (scalar.step, scalar.value) == (record.best_epoch, pytest.approx(value, rel=1e-6))


def test_the_hyperparameters_are_the_configuration(trial):
    record, directory = trial
    events = events_of(directory)
    start = hparams_of(events, "session_start_info")
    kinds = {"number_value": float, "string_value": str, "bool_value": bool}
    values = {}
    for name, value in start.hparams.items():
        kind = value.WhichOneof("kind")
        values[name] = kinds[kind](getattr(value, kind))
    assert values == parameters(record.config)
    assert (values["train.epochs"], values["model.layer_sizes"]) == (3, "[4]")
    assert start.group_name == f"0007 in {os.path.relpath(directory.parent)}"
    assert hparams_of(events, "session_end_info").status == 1  # STATUS_SUCCESS


def test_a_pruned_trial_is_told_as_one_that_failed(tmp_path, tracked_config):
    def report(epoch, metrics) -> None:
        raise TrialPruned("after step 1")

    with pytest.raises(TrialPruned):
        run_trial(tracked_config(tensorboard=True), tmp_path, report, QUIET, origin=ORIGIN)
    events = events_of(tmp_path)
    assert hparams_of(events, "session_end_info").status == 2  # STATUS_FAILURE
    assert [scalar.step for scalar in events.Scalars("final/validation/top_100")] == [1]


def test_a_disk_that_is_full_takes_no_trial(tmp_path, tracked_config, monkeypatch):
    from tensorboard.summary.writer.record_writer import RecordWriter

    write, written = RecordWriter.write, []

    def full_after_three(self, data):
        written.append(data)
        if len(written) > 3:
            raise OSError(28, "No space left on device")
        write(self, data)

    monkeypatch.setattr(RecordWriter, "write", full_after_three)
    record = run_trial(tracked_config(tensorboard=True), tmp_path, console=QUIET)
    assert record.state == "completed"
    assert record.untracked == {"TensorBoard": "OSError: [Errno 28] No space left on device"}
    assert [scalar.step for scalar in events_of(tmp_path).Scalars("loss")] == [1]
