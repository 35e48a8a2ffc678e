"""What an offline run of Weights & Biases holds of a trial."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from offline_runs import offline_run
from tracked_trials import ORIGIN, QUIET

from sweeper.common.errors import TrialPruned
from sweeper.two_tower import record as records
from sweeper.two_tower.tracking.metrics import final_metrics
from sweeper.two_tower.trial.repeats import run_repeats
from sweeper.two_tower.trial.trial import run_trial

pytestmark = pytest.mark.slow


def test_a_run_has_the_configuration_and_where_it_comes_from(trial):
    record, directory = trial
    run = offline_run(directory)
    assert (run.name, run.group, run.project) == ("0007", "towers", "two towers")
    assert {key: run.config[key] for key in record.config} == record.config
    assert (run.config["study"], run.config["trial"]) == ("towers", 7)
    assert run.config["git_commit"] == record.git_commit
    assert run.exit_code == 0


def test_the_history_is_that_of_the_trial(trial):
    record, directory = trial
    run = offline_run(directory)
    assert [entry["_step"] for entry in run.history] == [1, 2, 3]
    for name, column in (
        ("loss", "loss"),
        ("validation_seen_filtered/top_5", "seen_filtered_top_5"),
    ):
        assert [entry[name] for entry in run.history] == [row[column] for row in record.history]


def test_the_summary_has_the_final_metrics_and_the_state(trial):
    record, directory = trial
    summary = offline_run(directory).summary
    final = final_metrics(record)
    assert {name: summary[name] for name in final} == final
    assert (summary["state"], summary["reason"]) == ("completed", None)


def test_it_says_nothing_of_the_machine_or_the_user(trial):
    _, directory = trial
    run = offline_run(directory)
    assert not {"stats", "output", "output_raw"} & run.kinds
    # Neither the command line, nor the packages.
    assert "pytest" not in run.text
    assert [path.name for path in directory.glob("wandb/*/files/*")] == []


@pytest.mark.parametrize(
    ("error", "exit_code", "state"),
    [
        (TrialPruned("after step 2"), 255, "pruned"),
        (KeyboardInterrupt(), 255, "interrupted"),
        (RuntimeError("no storage"), 1, "failed"),
    ],
)
def test_a_run_ends_as_its_trial_does(tmp_path, tracked_config, error, exit_code, state):
    def report(epoch, metrics) -> None:
        if epoch == 2:
            raise error

    with pytest.raises(type(error)):
        run_trial(tracked_config(wandb="towers"), tmp_path, report, QUIET, origin=ORIGIN)
    run = offline_run(tmp_path)
    assert (run.exit_code, run.summary["state"]) == (exit_code, state)
    assert run.summary["reason"] == records.read(tmp_path).reason
    assert len(run.history) == 2


def test_repeats_side_by_side_are_runs_of_their_own(tmp_path, tracked_config):
    config = tracked_config(wandb="towers")
    record = run_repeats(
        config, [3, 5], "lockstep", tmp_path / "0007", console=QUIET, origin=ORIGIN
    )
    for repeat in record.repeats:
        directory = tmp_path / "0007" / repeat["directory"]
        run, history = offline_run(directory), records.read(directory).history
        assert (run.name, run.exit_code) == (f"0007/{repeat['directory']}", 0)
        assert run.config["data"]["split_seed"] == run.config["split_seed"] == repeat["split_seed"]
        assert [entry["loss"] for entry in run.history] == [row["loss"] for row in history]
        assert run.summary["final/test/top_100"] == repeat["metrics"]["test"]["top_100"]


def test_its_process_may_die_without_the_trial(tmp_path, tracked_config):
    def report(epoch, metrics) -> None:
        if epoch == 2:
            own = psutil.Process(os.getpid()).children()
            (process,) = [child for child in own if child.name().startswith("wandb")]
            process.send_signal(signal.SIGKILL)
            process.wait(10)

    config = tracked_config(wandb="towers")
    record = run_trial(config, tmp_path / "0", report, QUIET, origin=ORIGIN)
    assert record.state == "completed"
    assert record.untracked["W&B"].startswith("ConnectionResetError: ")
    # The next trial has another.
    record = run_trial(config, tmp_path / "1", console=QUIET, origin=ORIGIN)
    assert record.untracked == {}
    assert offline_run(tmp_path / "1").exit_code == 0
