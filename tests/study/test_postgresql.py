"""What is particular to studies in a PostgreSQL database, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from new_studies import IDENTITY

from benchmarks.postgresql_server import PASSWORD
from sweeper.common.errors import ConfigError, OutputError
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig, StorageConfig
from sweeper.study.storage.factory import load_study
from sweeper.study.storage.markers import ELSEWHERE
from sweeper.study.storage.postgresql import Postgresql

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def storage_at(directory: Path, url: str, name: str = "s") -> Postgresql:
    directory.mkdir(exist_ok=True)
    return Postgresql(directory, StorageConfig("postgresql", url, retry_seconds=5), name)


def make(storage: Postgresql, name: str = "s") -> None:
    storage.make([ObjectiveConfig()], IDENTITY, name)


def test_many_studies_share_a_database(tmp_path, server):
    url = server.url()
    for name in ("a", "b"):
        make(storage_at(tmp_path / name, url, name), name)
    assert load_study(tmp_path / "b").study_name == "b"


def test_a_name_that_another_directory_has_is_refused(tmp_path, server):
    url = server.url()
    make(storage_at(tmp_path / "first", url))
    second = storage_at(tmp_path / "second", url)
    assert not second.exists()
    with pytest.raises(ConfigError, match=r"study.name: got 's', which the database .*/first;"):
        make(second)
    assert not (tmp_path / "second" / ELSEWHERE).exists()


def test_a_directory_goes_on_with_its_own_study_alone(tmp_path, server):
    url, other = server.url(), server.url()
    make(storage_at(tmp_path / "a", url))
    make(storage_at(tmp_path / "b", other))
    (tmp_path / "a" / ELSEWHERE).write_text((tmp_path / "b" / ELSEWHERE).read_text())
    with pytest.raises(OutputError, match="has another study of that name"):
        storage_at(tmp_path / "a", url).check()
    server.run("dropdb", other.rpartition("/")[2])


def test_a_database_that_has_moved_is_noted(tmp_path, server):
    url = server.url()
    make(storage_at(tmp_path, url))
    moved = url.replace("127.0.0.1", "localhost")
    storage_at(tmp_path, moved).check()
    assert moved in (tmp_path / ELSEWHERE).read_text()
    assert load_study(tmp_path).user_attrs[attributes.SPACE] == IDENTITY[attributes.SPACE]


def test_a_study_that_is_gone_from_the_database(tmp_path, server):
    make(storage_at(tmp_path, server.url()))
    text = (tmp_path / ELSEWHERE).read_text()
    url = server.url()
    make(storage_at(tmp_path / "other", url, "other"), "other")
    (tmp_path / ELSEWHERE).write_text(text.replace(text.split("url: ")[1].split("\n")[0], url))
    with pytest.raises(OutputError, match="no longer in the database"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("sweeper@", "nobody@"), "password authentication failed"),
        (lambda url: f"{url}_not_there", "does not exist"),
        (lambda url: url.replace("127.0.0.1:", "127.0.0.1:1"), "no connection to"),
    ],
)
def test_a_server_out_of_reach_is_told_at_once(tmp_path, server, change, words):
    with pytest.raises(OutputError, match=words) as caught:
        storage_at(tmp_path, change(server.url())).exists()
    assert str(caught.value).startswith("storage.url: no connection to postgresql://")
    assert PASSWORD not in str(caught.value)


def test_a_damaged_marker_file(tmp_path):
    (tmp_path / ELSEWHERE).write_text("url: [")
    with pytest.raises(OutputError, match=r"storage\.yaml: is damaged"):
        load_study(tmp_path)
