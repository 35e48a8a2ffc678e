"""The searched study that several tests read, and files that need not outlive a power cut."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_up_studies import searched
from sqlalchemy import Engine, event


@contextmanager
def disk_not_waited_for() -> Iterator[None]:
    """That is most of the time which making a study takes."""

    def relax(connection, _) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda handle: None)
            yield
    finally:
        event.remove(Engine, "connect", relax)


@pytest.fixture(scope="module", autouse=True)
def unsynchronized() -> Iterator[None]:
    """In the tests of reports alone."""
    with disk_not_waited_for():
        yield


@pytest.fixture(scope="session")
def searched_study(tmp_path_factory) -> Path:
    """A search's directory, with pruned trials and a conditional parameter; to be read only."""
    with disk_not_waited_for():
        return searched(tmp_path_factory.mktemp("report") / "searched")
