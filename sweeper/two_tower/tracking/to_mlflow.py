"""MLflow: a run for each trial, on a server, in a database or in a folder."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from sweeper.two_tower.record import TRIAL, TrialRecord
from sweeper.two_tower.tracking.metrics import final_metrics, parameters
from sweeper.two_tower.tracking.tracker import Place, Tracker

EXPERIMENT = "sweeper"
DATABASE, ARTIFACTS, LOCK = "mlflow.db", "artifacts", ".mlflow.lock"
SQLITE = "sqlite:///"
# A URI has a scheme of two letters or more, or is MLflow's name of a service; all else is a path.
URI = re.compile(r"[A-Za-z][\w+.-]+:|databricks(-uc)?$|uc$")
# Defaults that the user's environment may override. A server that is gone costs a trial some
# seconds, not the minutes that MLflow would wait; and no usage is reported.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
STATES = {"completed": "FINISHED", "failed": "FAILED", "pruned": "KILLED", "interrupted": "KILLED"}
PARAMETERS_A_CALL = 100


class MLflow(Tracker):
    """Talks to the store through MLflow's client, which has no active run.

    Args:
      store: a tracking URI or the path of a folder.
    """

    product = "MLflow"

    def __init__(self, place: Place, store: str) -> None:
        super().__init__(place)
        self._uri, self._directory = uri_of(store), directory_of(uri_of(store))
        self._client: Any = None
        self._run: str | None = None

    def begin(self, record: TrialRecord) -> str:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.entities import Param

        with _alone(self._directory):
            self._client = MlflowClient(self._uri)
            experiment = self._experiment(self.place.origin.study or EXPERIMENT)
        tags = self.place.origin.tags() | {"directory": str(self.place.directory)}
        if record.git_commit:
            # MLflow's pages show the tag of this name as the version.
            tags["mlflow.source.git.commit"] = record.git_commit
        run = self._client.create_run(experiment, run_name=self.place.name, tags=tags)
        self._run = run.info.run_id
        params = [Param(key, str(value)) for key, value in parameters(record.config).items()]
        for start in range(0, len(params), PARAMETERS_A_CALL):
            self._client.log_batch(self._run, params=params[start : start + PARAMETERS_A_CALL])
        return self._uri

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, epoch) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def end(self, record: TrialRecord) -> None:
        if self._run is None:
            return
        try:
            self.log(record.best_epoch or 0, final_metrics(record))
            self._client.set_tag(self._run, "state", record.state)
            if record.reason:
                self._client.set_tag(self._run, "reason", record.reason)
            self._client.log_artifact(self._run, str(self.place.directory / TRIAL))
        finally:
            self._client.set_terminated(self._run, STATES[record.state])

    def _experiment(self, name: str) -> str:
        """Returns the id of the experiment, and makes it if there is none."""
        from mlflow.exceptions import MlflowException

        known = self._client.get_experiment_by_name(name)
        if known is None:
            # Artifacts go beside the database; MLflow would use the working directory.
            artifacts = str(self._directory / ARTIFACTS) if self._directory else None
            try:
                return str(self._client.create_experiment(name, artifact_location=artifacts))
            except MlflowException:
                # Another worker may have been faster.
                known = self._client.get_experiment_by_name(name)
                if known is None:
                    raise
        return str(known.experiment_id)


def uri_of(store: str) -> str:
    """Returns the tracking URI of a store; a path becomes the URI of the database in it."""
    if URI.match(store):
        return store
    return f"{SQLITE}{Path(store).expanduser().absolute() / DATABASE}"


def directory_of(uri: str) -> Path | None:
    """Returns the folder of an SQLite database, and None for any other store."""
    if not uri.startswith(SQLITE):
        return None
    return Path(uri.removeprefix(SQLITE).partition("?")[0]).absolute().parent


@contextmanager
def _alone(directory: Path | None) -> Iterator[None]:
    """Lets one process at a time open the database in the folder.

    The first one makes its tables, which takes MLflow some seconds; a second one at that time
    would fail.
    """
    if directory is None:
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / LOCK, timeout=120):
        yield
