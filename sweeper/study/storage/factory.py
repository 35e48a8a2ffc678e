"""Which storage a study has: what its directory holds, or what its configuration says."""

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
    """The storage of the study that lies in a directory; None where none does.

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
    """The storage that a configuration names, for the study of this name and directory."""
    if config.name == "postgresql":
        from sweeper.study.storage.postgresql import Postgresql

        return Postgresql(directory, config, name)
    return {kind.kind: kind for kind in FILES}[config.name](directory)


def load_study(directory: Path, check: bool = False) -> optuna.Study:
    """The study that lies in a directory.

    Args:
      check: whether to look through all of it first.

    Raises:
      OutputError: there is none, or it can't be read.
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
    """Looks whether a study may begin, or go on, in a directory.

    Args:
      trial_file: the file by which a directory is known to hold a trial.

    Raises:
      OutputError: it holds trials of something else.
    """
    if holds_study(directory):
        return
    # A single run's, a plain Hydra sweep's, and those of a study whose database is gone.
    places = (trial_file, f"*/{trial_file}", "trials/*")
    trials = [path for place in places for path in directory.glob(place)]
    if trials:
        raise OutputError(
            f"hydra.sweep.dir: got {directory}, which already holds a trial ({trials[0]}); must "
            "be another directory: no result is written over"
        )
