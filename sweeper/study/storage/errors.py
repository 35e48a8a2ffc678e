"""What a study's storage refuses, in one line that says what to do about it."""

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
    """Turns errors of the storage into one that names the study and the database's own reason.

    Raises:
      OutputError: the storage of the study in `directory` can't be read or written.
    """
    try:
        yield
    except STORAGE_ERRORS as error:
        # Optuna's own words tell of data that is too long; the database's are its cause.
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = cause.orig if isinstance(cause, DBAPIError) else error
        raise OutputError(
            f"{directory}: the study's storage can't be read or written "
            f"({' '.join(str(reason).split())}); once it can, the same command goes on"
        ) from error
