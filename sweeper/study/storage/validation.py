"""Checks `storage:` before any connection is opened."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator

from sweeper.common.errors import install_command
from sweeper.common.passwords import password_in
from sweeper.common.schema import range_problems
from sweeper.study.config import StorageConfig
from sweeper.study.space.parameters import Parameter

EXAMPLE = "postgresql://user@host:5432/database"
SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")
MISSING_DRIVER = (
    "storage.name: got 'postgresql', which needs psycopg; install it with "
    + install_command("postgresql")
)
PASSWORD = (
    "storage.url: contains a password, which every record would show; give it in the environment "
    "variable PGPASSWORD or in ~/.pgpass"
)


def storage_problems(storage: StorageConfig, searched: Iterable[Parameter]) -> Iterator[str]:
    """Yields everything that is wrong with a study's storage, one line each.

    Args:
      storage: the section of the configuration.
      searched: the parameters that the command line searches.
    """
    yield from range_problems(storage, "storage.")
    for parameter in searched:
        name = parameter.key.name
        if name.partition(".")[0] == "storage":
            yield f"{name}: is searched, but a study has one storage; must be a single value"
    if storage.name == "postgresql":
        yield from _url_problems(storage.url)
        if importlib.util.find_spec("psycopg") is None:
            yield MISSING_DRIVER
    elif storage.url is not None:
        yield (
            f"storage.url: only applies to storage=postgresql, but storage.name is "
            f"{storage.name!r}; must be null, or use storage=postgresql"
        )


def _url_problems(url: str | None) -> Iterator[str]:
    if not url:
        yield f"storage.url: is not given with storage.name 'postgresql'; must be {EXAMPLE}"
        return
    if password_in(url):
        yield PASSWORD
        return
    # Imported late, as a study in a file does not need it.
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError) as error:
        yield f"storage.url: got {url!r}, which is not a URL: {error}; must be {EXAMPLE}"
        return
    if parts.drivername not in SCHEMES or not (parts.database or "").strip("/"):
        yield f"storage.url: got {url!r}; must be {EXAMPLE}"
