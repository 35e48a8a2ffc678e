"""Transfers the files of trials through the database where the study's directory is not shared.

A worker that shares no file system with the main process packs each trial's directory into
one archive and stores it as an Optuna artifact. The main process unpacks it in the study's
directory.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.artifacts import download_artifact, get_all_artifact_meta, upload_artifact
from optuna.trial import Trial

from sweeper.common.output_files import atomic_write
from sweeper.study import attributes
from sweeper.study.storage.artifacts import DatabaseArtifacts
from sweeper.study.storage.retry import retrying_storage

TOKEN, ARCHIVE = ".shared", "trial.tar.gz"
# A network file system may show another machine's file late.
SECONDS_TO_BE_SEEN = 3.0


def write_marker(directory: Path) -> str:
    """Writes the file by which workers recognize the study's directory; returns its token."""
    with suppress(FileNotFoundError):
        return (directory / TOKEN).read_text()
    token = uuid.uuid4().hex
    atomic_write(directory / TOKEN, token.encode())
    return token


def is_shared(directory: Path, token: str) -> bool:
    """Returns whether this process sees the directory in which `write_marker` wrote a token."""
    deadline = time.monotonic() + SECONDS_TO_BE_SEEN
    while True:
        with suppress(OSError):
            if (directory / TOKEN).read_text() == token:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)


def upload(study: optuna.Study, trial: Trial, directory: Path) -> None:
    """Stores the files of a trial's directory in the study's database, and removes them here."""
    store = store_of(study)
    if store is None or not directory.exists():
        return
    with tempfile.TemporaryDirectory(prefix="sweeper_") as place:
        archive = Path(place) / ARCHIVE
        # Links are replaced by what they point to, as they would be broken on another machine.
        with tarfile.open(archive, "w:gz", dereference=True) as packed:
            for path in sorted(directory.rglob("*")):
                if path.is_file() or path.is_dir():
                    packed.add(path, str(path.relative_to(directory)), recursive=False)
        upload_artifact(artifact_store=store, file_path=str(archive), study_or_trial=trial)
    shutil.rmtree(directory, ignore_errors=True)


def download(study: optuna.Study, directory: Path) -> list[str]:
    """Unpacks the files that workers on other machines have uploaded.

    Returns:
      A line for each trial whose files are lost or can't be unpacked. Files that can't be
      unpacked stay in the database.
    """
    store = store_of(study)
    if store is None:
        return []
    stored = store.identifiers()
    return list(_download_trials(study, store, stored, directory))


def _download_trials(
    study: optuna.Study, store: DatabaseArtifacts, stored: set[str], directory: Path
) -> Iterator[str]:
    """Unpacks the files of each finished trial, and yields a line for each failure."""
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            continue
        place = directory / attributes.place_of(trial)
        if reason := trial.user_attrs.get(attributes.UPLOAD_ERROR):
            yield f"the files of trial {trial.number} couldn't be uploaded: {reason}"
        for meta in get_all_artifact_meta(trial, storage=study._storage):
            if meta.artifact_id not in stored:
                continue
            try:
                _fetch(store, meta.artifact_id, place)
            except (tarfile.TarError, EOFError) as error:
                yield f"the files of trial {trial.number} can't be unpacked: {error}"
            else:
                store.remove(meta.artifact_id)


def store_of(study: optuna.Study) -> DatabaseArtifacts | None:
    """Returns the artifacts in a study's database, or None for a study in a file."""
    storage = retrying_storage(study)
    return DatabaseArtifacts(storage) if storage else None


def _fetch(store: DatabaseArtifacts, artifact: str, place: Path) -> None:
    """Unpacks an artifact completely or not at all; an existing directory is left alone."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming_", dir=place.parent) as beside:
        archive, unpacked = Path(beside) / ARCHIVE, Path(beside) / "trial"
        download_artifact(artifact_store=store, artifact_id=artifact, file_path=str(archive))
        unpacked.mkdir()  # an archive may be empty
        with tarfile.open(archive, "r:gz") as packed:
            # The filter refuses devices, and links and paths out of the directory.
            packed.extractall(unpacked, filter="data")
        os.rename(unpacked, place)
