"""Turns errors of a study's storage into one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError

from sweeper.common.errors import OutputError

STORAGE_ERRORS = (StorageInternalError, DBAPIError)


@contextmanager
def as_output_error(directory: Path) -> Iterator[None]:
    """Turns errors of the storage into one that names the study and the reason of the database.

    Raises:
      OutputError: the storage of the study in `directory` can't be read or written.
    """
    try:
        yield
    except STORAGE_ERRORS as error:
        # Optuna's message always speaks of data that is too long; the cause has the actual reason.
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = cause.orig if isinstance(cause, DBAPIError) else error
        raise OutputError(
            f"{directory}: the study's storage can't be read or written "
            f"({' '.join(str(reason).split())}); fix that, then the same command resumes the study"
        ) from error
