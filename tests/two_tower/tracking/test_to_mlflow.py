"""What MLflow's client reads of a trial."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tracked_trials import QUIET

from sweeper.common.errors import TrialPruned
from sweeper.two_tower import record as records
from sweeper.two_tower.tracking.metrics import final_metrics, parameters
from sweeper.two_tower.tracking.to_mlflow import directory_of, uri_of
from sweeper.two_tower.tracking.tracker import Origin
from sweeper.two_tower.trial.trial import run_trial

pytestmark = pytest.mark.slow


def client_of(store: Path):
    from mlflow import MlflowClient

    return MlflowClient(uri_of(str(store)))


def run_of(store: Path, experiment: str):
    """The one run of an experiment."""
    client = client_of(store)
    found = client.get_experiment_by_name(experiment)
    (run,) = client.search_runs([found.experiment_id])
    return run


def test_a_run_has_parameters_tags_and_final_metrics(trial, store):
    record, directory = trial
    run = run_of(store, "towers")
    assert run.info.run_name == "0007"
    assert run.info.status == "FINISHED"
    assert run.data.params == {k: str(v) for k, v in parameters(record.config).items()}
    assert run.data.params["model.layer_sizes"] == "[4]"
    tags = {"study": "towers", "trial": "7", "state": "completed", "directory": str(directory)}
    if record.git_commit:
        tags["mlflow.source.git.commit"] = record.git_commit
    assert {name: run.data.tags.get(name) for name in tags} == tags
    assert "reason" not in run.data.tags
    final = final_metrics(record)
    assert {name: run.data.metrics[name] for name in final} == final


def test_metrics_are_the_history_by_epoch(trial, store):
    record, _ = trial
    run, client = run_of(store, "towers"), client_of(store)
    for name, column in (("loss", "loss"), ("validation/top_100", "top_100")):
        history = client.get_metric_history(run.info.run_id, name)
        assert [(metric.step, metric.value) for metric in history] == [
            (row["epoch"], row[column]) for row in record.history
        ]


def test_the_artifact_is_the_record_as_it_is_at_the_end(trial, store):
    _, directory = trial
    run, client = run_of(store, "towers"), client_of(store)
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == [records.TRIAL]
    # Beside the database, wherever the trial runs.
    assert Path(run.info.artifact_uri).is_relative_to(store / "artifacts")
    copy = Path(run.info.artifact_uri) / records.TRIAL
    assert copy.read_bytes() == (directory / records.TRIAL).read_bytes()
    assert json.loads(copy.read_text())["state"] == "completed"


@pytest.mark.parametrize(
    ("error", "status", "state"),
    [
        (TrialPruned("after step 2"), "KILLED", "pruned"),
        (KeyboardInterrupt(), "KILLED", "interrupted"),
        (RuntimeError("no storage"), "FAILED", "failed"),
    ],
)
def test_a_run_ends_as_its_trial_does(tmp_path, tracked_config, store, error, status, state):
    def report(epoch, metrics) -> None:
        if epoch == 2:
            raise error

    config = tracked_config(mlflow=str(store))
    with pytest.raises(type(error)):
        run_trial(config, tmp_path, report, QUIET, origin=Origin(state, 0))
    run = run_of(store, state)
    assert (run.info.status, run.data.tags["state"]) == (status, state)
    assert run.data.tags["reason"] == records.read(tmp_path).reason
    assert run.info.end_time is not None


def test_a_run_by_itself_is_of_the_experiment_sweeper(tmp_path, tracked_config, store):
    run_trial(tracked_config(mlflow=str(store)), tmp_path / "run", console=QUIET)
    run = run_of(store, "sweeper")
    assert run.info.run_name == "run"
    assert {"study", "trial"} & set(run.data.tags) == set()


def test_a_database_that_is_gone_takes_no_trial(tmp_path, tracked_config, store):
    database = store / "mlflow.db"
    aside = database.with_name("aside")

    def report(epoch, metrics) -> None:
        if epoch == 2:
            database.rename(aside)
            database.mkdir()

    try:
        record = run_trial(
            tracked_config(mlflow=str(store)), tmp_path, report, QUIET, origin=Origin("gone", 0)
        )
    finally:
        database.rmdir()
        aside.rename(database)
    assert record.state == "completed"
    assert list(record.untracked) == ["MLflow"]
    assert records.read(tmp_path).untracked == record.untracked


def test_a_server_that_nobody_runs_takes_no_trial_and_some_seconds(tmp_path, tracked_config):
    started = time.monotonic()
    config = tracked_config(mlflow="http://127.0.0.1:9")
    record = run_trial(config, tmp_path, console=QUIET)
    assert record.state == "completed"
    assert record.untracked["MLflow"].startswith("MlflowException: ")
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("store", "uri"),
    [
        ("runs", "sqlite:///{here}/runs/mlflow.db"),
        ("/data/my runs", "sqlite:////data/my runs/mlflow.db"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("sqlite:///mine.db", "sqlite:///mine.db"),
        ("databricks", "databricks"),
        ("databricks://profile", "databricks://profile"),
    ],
)
def test_a_path_is_a_folder_and_all_else_a_uri(tmp_path, monkeypatch, store, uri):
    monkeypatch.chdir(tmp_path)
    assert uri_of(store) == uri.format(here=tmp_path)


def test_artifacts_lie_beside_an_sqlite_database_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert directory_of("sqlite:///mine.db?timeout=3") == tmp_path
    assert directory_of("sqlite:////data/mine.db") == Path("/data")
    assert directory_of("postgresql://host/runs") is None
