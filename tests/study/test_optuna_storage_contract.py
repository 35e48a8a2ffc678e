"""Optuna's own suite of tests for a storage, with each that a study can have."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from new_studies import IDENTITY
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase

from sweeper.study.config import STORAGES, ObjectiveConfig, StorageConfig
from sweeper.study.storage.bulk_rdb import database_of
from sweeper.study.storage.factory import configured_storage
from sweeper.study.storage.storage import StudyStorage

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


ALL = {
    kind: pytest.param(kind, marks=pytest.mark.slow if kind == "postgresql" else ())
    for kind in STORAGES
}
DATABASES = [ALL["sqlite"], ALL["postgresql"]]


@pytest.fixture(scope="module", params=ALL.values())
def place(request: pytest.FixtureRequest, tmp_path_factory) -> Callable[[Path], StudyStorage]:
    """A study's storage, in a directory of one's own; its database is made once."""
    url = request.getfixturevalue("server").url() if request.param == "postgresql" else None
    config, made = StorageConfig(request.param, url, retry_seconds=5), tmp_path_factory.mktemp("s")
    configured_storage(made, config, "s").make([ObjectiveConfig()], IDENTITY, "s")

    def copied(directory: Path) -> StudyStorage:
        shutil.copytree(made, directory, dirs_exist_ok=True)
        return configured_storage(directory, config, "s")

    return copied


@pytest.fixture
def connection(place: Callable[[Path], StudyStorage], tmp_path: Path) -> Iterator[BaseStorage]:
    """As it is opened, without a study."""
    opened = place(tmp_path).connect()
    for study in opened.get_all_studies():
        opened.delete_study(study._study_id)
    yield opened
    if isinstance(opened, RDBStorage):
        opened.remove_session()
        opened.engine.dispose()


class TestStorages(StorageTestCase):
    """The suite, with a storage as a study asks it: a database through Optuna's cache."""

    @pytest.fixture
    def storage(self, connection: BaseStorage) -> BaseStorage:
        return get_storage(connection)


@pytest.mark.slow
@pytest.mark.parametrize("place", DATABASES, indirect=True)
class TestUncachedDatabases(StorageTestCase):
    """The suite, with a database alone."""

    @pytest.fixture
    def storage(self, connection: BaseStorage) -> BaseStorage:
        return connection


@pytest.mark.parametrize("place", DATABASES, indirect=True)
def test_what_is_read_of_a_deleted_study_is_an_error(connection):
    database = database_of(connection)
    assert database is not None
    study = database.create_new_study([StudyDirection.MAXIMIZE])
    reads = [
        partial(database.get_study_attribute, study, "key"),
        partial(database.get_trial_states, study, ["key"], -1, []),
        partial(database._get_trials, study, None, set(), -1),
    ]
    assert [read() for read in reads] == [None, [], []]
    database.delete_study(study)
    for read in reads:
        with pytest.raises(KeyError):
            read()
