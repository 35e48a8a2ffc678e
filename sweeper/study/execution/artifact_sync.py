"""Trials that run where the study's directory can't be seen: their files go by the database.

A worker without a file system in common with the main process packs each trial's directory
into one archive, as an artifact of Optuna's; the main process unpacks it where it belongs.
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
    """Leaves what a worker knows the main process's directory by, once and for all."""
    with suppress(FileNotFoundError):
        return (directory / TOKEN).read_text()
    token = uuid.uuid4().hex
    atomic_write(directory / TOKEN, token.encode())
    return token


def is_shared(directory: Path, token: str) -> bool:
    """Whether this process sees the directory that `write_marker` was called with."""
    deadline = time.monotonic() + SECONDS_TO_BE_SEEN
    while True:
        with suppress(OSError):
            if (directory / TOKEN).read_text() == token:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)


def upload(study: optuna.Study, trial: Trial, directory: Path) -> None:
    """Puts the files of a trial's directory into the study's database, and removes them here."""
    store = store_of(study)
    if store is None or not directory.exists():
        return
    with tempfile.TemporaryDirectory(prefix="sweeper_") as place:
        archive = Path(place) / ARCHIVE
        # What a link leads to, in place of the link, which leads nowhere elsewhere.
        with tarfile.open(archive, "w:gz", dereference=True) as packed:
            for path in sorted(directory.rglob("*")):
                if path.is_file() or path.is_dir():
                    packed.add(path, str(path.relative_to(directory)), recursive=False)
        upload_artifact(artifact_store=store, file_path=str(archive), study_or_trial=trial)
    shutil.rmtree(directory, ignore_errors=True)


def download(study: optuna.Study, directory: Path) -> list[str]:
    """Unpacks what workers elsewhere have sent.

    Returns:
      A line for each trial whose files are lost, or can't be unpacked; the latter stay in
      the database.
    """
    store = store_of(study)
    if store is None:
        return []
    held = store.identifiers()
    return list(_collected(study, store, held, directory))


def _collected(
    study: optuna.Study, store: DatabaseArtifacts, held: set[str], directory: Path
) -> Iterator[str]:
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            continue
        place = directory / attributes.place_of(trial)
        if reason := trial.user_attrs.get(attributes.UPLOAD_ERROR):
            yield f"the files of trial {trial.number} couldn't be sent: {reason}"
        for meta in get_all_artifact_meta(trial, storage=study._storage):
            if meta.artifact_id not in held:
                continue
            try:
                _fetch(store, meta.artifact_id, place)
            except (tarfile.TarError, EOFError) as error:
                yield f"the files of trial {trial.number} can't be unpacked: {error}"
            else:
                store.remove(meta.artifact_id)


def store_of(study: optuna.Study) -> DatabaseArtifacts | None:
    """The artifacts in a study's database; None for a study in files."""
    storage = retrying_storage(study)
    return DatabaseArtifacts(storage) if storage else None


def _fetch(store: DatabaseArtifacts, artifact: str, place: Path) -> None:
    """The directory appears whole or not at all; one that is there stays."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming_", dir=place.parent) as beside:
        archive, unpacked = Path(beside) / ARCHIVE, Path(beside) / "trial"
        download_artifact(artifact_store=store, artifact_id=artifact, file_path=str(archive))
        unpacked.mkdir()  # an archive may be empty
        with tarfile.open(archive, "r:gz") as packed:
            # The filter refuses links and paths that lead elsewhere, and devices.
            packed.extractall(unpacked, filter="data")
        os.rename(unpacked, place)
