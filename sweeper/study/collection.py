"""Trials that run where the study's directory can't be seen: their files go by the database.

A worker without a file system in common with the main process packs each trial's directory
into one archive, as an artifact of Optuna's; the main process unpacks it where it belongs.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import uuid
from pathlib import Path

import optuna
from optuna.artifacts import download_artifact, get_all_artifact_meta, upload_artifact
from optuna.trial import Trial

from sweeper.errors import OutputError
from sweeper.record import write_whole
from sweeper.study import attributes
from sweeper.study.storages.artifacts import DatabaseArtifacts
from sweeper.study.storages.patience import PatientStorage, patiently

TOKEN, ARCHIVE = ".shared", "trial.tar.gz"
SECONDS_TO_TRY = 60.0


def put_token(directory: Path) -> str:
    """Leaves what a worker knows the main process's directory by."""
    token = uuid.uuid4().hex
    write_whole(directory / TOKEN, token.encode())
    return token


def sees(directory: Path, token: str) -> bool:
    """Whether this process sees the directory that `put_token` was called with."""
    try:
        return (directory / TOKEN).read_text() == token
    except OSError:
        return False


def send(study: optuna.Study, trial: Trial, directory: Path) -> None:
    """Puts a trial's directory into the study's database, and removes it here."""
    store = store_of(study)
    if store is None or not directory.exists():
        return
    with tempfile.TemporaryDirectory(prefix="sweeper_") as place:
        archive = Path(place) / ARCHIVE
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(directory, arcname=".")

        def upload() -> None:
            upload_artifact(artifact_store=store, file_path=str(archive), study_or_trial=trial)

        patiently(upload, SECONDS_TO_TRY)
    shutil.rmtree(directory)


def collect(study: optuna.Study, directory: Path) -> int:
    """Unpacks what workers elsewhere have sent; returns of how many trials.

    Raises:
      OutputError: an archive holds what lies outside its trial's directory, or is damaged.
    """
    store = store_of(study)
    held = store.identifiers() if store else set()
    if store is None or not held:
        return 0
    collected = 0
    for trial in study.get_trials(deepcopy=False):
        place = trial.user_attrs.get(attributes.DIRECTORY)
        if place is None or not trial.state.is_finished():
            continue
        for meta in get_all_artifact_meta(trial, storage=study._storage):
            if meta.artifact_id in held:
                _fetch(store, meta.artifact_id, directory / place)
                store.remove(meta.artifact_id)
                collected += 1
    return collected


def store_of(study: optuna.Study) -> DatabaseArtifacts | None:
    """The artifacts in a study's database; None for a study in files."""
    backend = getattr(study._storage, "_backend", None)
    return DatabaseArtifacts(backend.engine) if isinstance(backend, PatientStorage) else None


def _fetch(store: DatabaseArtifacts, artifact: str, place: Path) -> None:
    """The directory appears whole or not at all; one that is there stays."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming_", dir=place.parent) as beside:
        archive, unpacked = Path(beside) / ARCHIVE, Path(beside) / "trial"
        download_artifact(artifact_store=store, artifact_id=artifact, file_path=str(archive))
        try:
            with tarfile.open(archive, "r:gz") as packed:
                # The filter refuses links and paths that lead elsewhere, and devices.
                packed.extractall(unpacked, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise OutputError(
                f"{place}: what a worker sent of it can't be unpacked: {error}"
            ) from error
        os.rename(unpacked, place)
