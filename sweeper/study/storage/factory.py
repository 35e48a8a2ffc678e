"""Finds a study's storage from its directory or its configuration."""

from __future__ import annotations

from pathlib import Path

import optuna

from sweeper.common.errors import OutputError
from sweeper.study.config import StorageConfig
from sweeper.study.storage.files import Journal, Sqlite
from sweeper.study.storage.markers import ELSEWHERE, MARKERS, holds_study
from sweeper.study.storage.storage import StudyStorage

FILES: tuple[type[Sqlite] | type[Journal], ...] = (Sqlite, Journal)


def storage_in(directory: Path) -> StudyStorage | None:
    """Returns the storage of the study in a directory, or None if the directory holds no study.

    Raises:
      OutputError: the directory's marker file is damaged.
    """
    for kind in FILES:
        if (found := kind(directory)).exists():
            return found
    if (directory / ELSEWHERE).exists():
        from sweeper.study.storage.postgresql import Postgresql

        return Postgresql.marked(directory)
    return None


def configured_storage(directory: Path, config: StorageConfig, name: str) -> StudyStorage:
    """Returns the storage that a configuration names, for the study of this name and directory."""
    if config.name == "postgresql":
        from sweeper.study.storage.postgresql import Postgresql

        return Postgresql(directory, config, name)
    return {kind.kind: kind for kind in FILES}[config.name](directory)


def load_study(directory: Path, check: bool = False) -> optuna.Study:
    """Loads the study in a directory.

    Args:
      check: whether to check all of its storage first.

    Raises:
      OutputError: the directory holds no study, or the study can't be read.
    """
    storage = storage_in(directory)
    if storage is None:
        raise OutputError(f"{directory}: holds no study ({', '.join(MARKERS)})")
    if check:
        storage.check()
    try:
        return storage.load()
    except KeyError:
        raise OutputError(f"{directory}: its study is no longer in the database") from None


def check_place(directory: Path, trial_file: str) -> None:
    """Checks that a study may start or resume in a directory.

    Args:
      trial_file: the name of the file that marks the directory of a trial.

    Raises:
      OutputError: the directory holds trials that are not of a study.
    """
    if holds_study(directory):
        return
    # Trials of a single run, of a plain Hydra sweep, and of a study whose database is gone.
    places = (trial_file, f"*/{trial_file}", "trials/*")
    trials = [path for place in places for path in directory.glob(place)]
    if trials:
        raise OutputError(
            f"hydra.sweep.dir: got {directory}, which already holds a trial ({trials[0]}); must "
            "be another directory: no result is overwritten"
        )
