"""The searched study that several tests read, and files that need not outlive a power cut."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_studies import searched
from sqlalchemy import Engine, event


@pytest.fixture(scope="session", autouse=True)
def unsynchronized() -> Iterator[None]:
    """Doesn't wait for the disk: that is most of the time which making a study takes."""

    def relax(connection, _) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield
    event.remove(Engine, "connect", relax)


@pytest.fixture(scope="session")
def searched_study(tmp_path_factory) -> Path:
    """A search's directory, with pruned trials and a conditional parameter; to be read only."""
    return searched(tmp_path_factory.mktemp("report") / "searched")
