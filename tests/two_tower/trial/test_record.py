"""What a trial leaves on disk: read back as written, whole or not at all."""

from __future__ import annotations

import errno
import json
import os

import pytest

from sweeper.common.errors import OutputError
from sweeper.common.output_files import atomic_write
from sweeper.two_tower import record as records
from sweeper.two_tower.record import FORMAT_VERSION, HISTORY, TRIAL, TrialRecord

CONFIG = {"evaluation": {"split": "validation"}}


def full_record() -> TrialRecord:
    return TrialRecord(
        config={"evaluation": {"split": "validation"}, "name": "Été"},
        state="completed",
        started="2026-11-24T08:00:00+00:00",
        command=["sweeper", "model=two_layer"],
        data={"rows": {"train": 80, "test": 20}},
        num_parameters=1234,
        metrics={"test": {"top_1": 0.1, "top_100": 1 / 3}, "validation": {"top_100": 0.25}},
        deviations={"test": {"top_100": 1e-3}},
        repeats=[{"split_seed": 0, "directory": "split_seed_0", "metrics": {"test": {}}}],
        baselines={"popularity": {"test": {"top_100": 0.0}}},
        epochs=15,
        best_epoch=10,
        milliseconds_per_query=0.5,
        seconds={"train": 1.5},
        peak_memory_mb=512.5,
        machine={"cores": 2},
        versions={"python": "3.11.7"},
        git_commit="abc+",
        history=[
            {"epoch": 5.0, "loss": 7.123456789012345, "top_100": 1e-17},
            {"epoch": 10.0, "loss": 6.5, "top_100": 1 / 3},
        ],
    )


def test_reads_back_what_was_written_to_the_last_bit(tmp_path) -> None:
    records.write(tmp_path, full_record())
    assert records.read(tmp_path) == full_record()


def test_a_record_from_before_there_were_repeats_is_read(tmp_path) -> None:
    records.write(tmp_path, full_record())
    content = json.loads((tmp_path / TRIAL).read_text())
    for name in ("deviations", "repeats", "epochs", "milliseconds_per_query"):
        del content[name]
    (tmp_path / TRIAL).write_text(json.dumps(content))
    old = records.read(tmp_path)
    assert (old.deviations, old.repeats, old.epochs) == ({}, [], None)
    assert old.metrics == full_record().metrics


def test_figures_that_a_study_can_go_by() -> None:
    record = full_record()
    assert record.value("top_100") == 0.25  # of validation rows
    assert record.value("num_parameters") == 1234
    assert record.value("milliseconds_per_query") == 0.5
    assert record.value("train_seconds") == 1.5
    record.milliseconds_per_query = None
    for name in ("milliseconds_per_query", "top_1"):
        with pytest.raises(KeyError, match=name):
            record.value(name)


def test_the_first_record_of_a_trial_has_no_history(tmp_path) -> None:
    records.create(tmp_path / "deep" / "run", TrialRecord(CONFIG))
    read = records.read(tmp_path / "deep" / "run")
    assert (read.state, read.history, read.metrics) == ("running", [], {})
    assert sorted(os.listdir(tmp_path / "deep" / "run")) == [TRIAL]


def test_history_is_a_table_with_a_column_for_every_key(tmp_path) -> None:
    history = [{"epoch": 1.0, "loss": 2.0}, {"epoch": 2.0, "loss": 1.5, "top_1": 0.25}]
    records.write(tmp_path, TrialRecord(CONFIG, history=history))
    lines = (tmp_path / HISTORY).read_text().splitlines()
    assert lines == ["epoch,loss,top_1", "1.0,2.0,", "2.0,1.5,0.25"]
    assert records.read(tmp_path).history == history


def test_a_directory_that_holds_a_trial_is_refused_and_left_as_it_is(tmp_path) -> None:
    records.create(tmp_path, full_record())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match=r"already holds a trial.*hydra\.run\.dir"):
        records.create(tmp_path, TrialRecord(CONFIG))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


FAULTS = {
    "the disk fills while flushing": ("fsync", OSError(errno.ENOSPC, "No space left on device")),
    "renaming fails": ("replace", OSError(errno.EIO, "Input/output error")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_write_leaves_the_old_file_whole_and_nothing_beside_it(
    tmp_path, monkeypatch, fault: str
) -> None:
    records.write(tmp_path, full_record())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    name, error = FAULTS[fault]

    def fail(*arguments) -> None:
        raise error

    changed = full_record()
    changed.state, changed.history = "failed", []
    monkeypatch.setattr(os, name, fail)
    with pytest.raises(OutputError) as raised:
        records.write(tmp_path, changed)
    assert error.strerror in str(raised.value)
    assert TRIAL in str(raised.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_interrupt_in_the_middle_of_a_write_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    atomic_write(tmp_path / "file", b"old")

    def interrupt(handle) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "file", b"new and longer")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_is_written_can_be_read_by_others(tmp_path) -> None:
    atomic_write(tmp_path / "file", b"content")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_directory_below_a_regular_file_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file/run/trial\.json: can't be written"):
        records.create(tmp_path / "file" / "run", TrialRecord(CONFIG))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_never_gets_into_the_file(tmp_path, value: float) -> None:
    """JSON has no NaN: other readers would refuse the whole file."""
    wrong = full_record()
    wrong.metrics["test"]["top_1"] = value
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.write(tmp_path, wrong)
    assert not (tmp_path / TRIAL).exists()


DAMAGED = {
    "empty": b"",
    "cut off": b'{"format_version": 1, "config": {',
    "no text": b"\xff\xfe\x00",
    "not a record": b"[1, 2]",
    "no version": b'{"config": {}}',
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_record_is_told_with_its_path(tmp_path, damage: str) -> None:
    (tmp_path / TRIAL).write_bytes(DAMAGED[damage])
    with pytest.raises(OutputError) as raised:
        records.read(tmp_path)
    assert str(tmp_path / TRIAL) in str(raised.value)


def test_a_directory_without_a_trial(tmp_path) -> None:
    with pytest.raises(OutputError, match=r"trial\.json: no trial can be read"):
        records.read(tmp_path)


def test_another_version_is_refused_with_both_numbers(tmp_path) -> None:
    records.write(tmp_path, full_record())
    content = json.loads((tmp_path / TRIAL).read_text())
    content["format_version"] = FORMAT_VERSION + 1
    (tmp_path / TRIAL).write_text(json.dumps(content))
    with pytest.raises(OutputError, match=f"version {FORMAT_VERSION + 1}; .*{FORMAT_VERSION}"):
        records.read(tmp_path)


@pytest.mark.parametrize("change", ["unknown field", "no config"])
def test_a_record_of_this_version_with_other_fields_is_damaged(tmp_path, change: str) -> None:
    records.write(tmp_path, full_record())
    content = json.loads((tmp_path / TRIAL).read_text())
    if change == "unknown field":
        content["colour"] = "red"
    else:
        del content["config"]
    (tmp_path / TRIAL).write_text(json.dumps(content))
    with pytest.raises(OutputError, match=r"trial\.json"):
        records.read(tmp_path)


def test_a_damaged_history_is_told_with_its_path(tmp_path) -> None:
    records.write(tmp_path, full_record())
    (tmp_path / HISTORY).write_text("epoch,loss\n1,not a number\n")
    with pytest.raises(OutputError, match=r"history\.csv"):
        records.read(tmp_path)
