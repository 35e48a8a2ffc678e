"""Shared settings of the test session, the toy study, and a real PostgreSQL server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from toy_runs import starting

from benchmarks.postgresql_server import PASSWORD, PROGRAMS, Server, running_server

# Where a change is to land, chance decides nothing; what it finds elsewhere becomes an example.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
# A pytest that a test starts has no options of this one.
os.environ.pop("PYTEST_ADDOPTS", None)
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


# Folders whose tests share what takes long (trained models, built data) or is there once (Ray).
SHARING = ("cluster", "data", "report", "serving", "tracking")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes (`-n 2`) one of them has all tests of a file, or of a folder that
    shares."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        place = item.path.relative_to(config.rootpath)
        folders = [folder for folder in place.parts if folder in SHARING]
        group = folders[0] if folders else place.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real server, with its password where libpq looks for it."""
    if PROGRAMS is None:
        missing = "there is no PostgreSQL server: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with running_server() as started, pytest.MonkeyPatch.context() as environment:
        environment.setenv("PGPASSWORD", PASSWORD)
        yield started


@pytest.fixture
def started(tmp_path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the toy study in the background."""
    with starting(tmp_path, seconds=0.12) as begin:
        yield begin
