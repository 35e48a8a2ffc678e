"""Stores a study in a PostgreSQL database, which many machines and many studies can share."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sweeper.common.errors import ConfigError, OutputError
from sweeper.common.output_files import atomic_write
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig, StorageConfig
from sweeper.study.storage import advisory_locks
from sweeper.study.storage.artifacts import DatabaseArtifacts
from sweeper.study.storage.markers import ELSEWHERE
from sweeper.study.storage.retry import RetryingStorage, never, retrying_storage, with_retry
from sweeper.study.storage.storage import StudyLock, StudyStorage, create

HEAD = "# Where this study's trials are kept. The password comes from PGPASSWORD or ~/.pgpass.\n"
DRIVER = "postgresql+psycopg"
# With these, both ends notice within about a minute that a connection broke silently, as it
# does when a machine loses power.
CONNECT = {
    "connect_timeout": 10,
    "application_name": "sweeper",
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "options": "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
}
# Each process has one connection, which holds its locks, and a second one only while a second
# thread needs it.
OPTIONS = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 3600, "connect_args": CONNECT}
# What to do about a message of the server that contains these words.
HINTS = {
    "does not exist": "create the database first, with createdb",
    "too many clients": "raise the server's max_connections: each worker has one",
    "remaining connection slots": "raise the server's max_connections: each worker has one",
    "password": "give it in PGPASSWORD or ~/.pgpass",
}


class Postgresql(StudyStorage):
    """A study in a PostgreSQL database, which may hold other studies too.

    The study's directory holds a marker file with the URL, without a password, and an
    identifier that is also stored with the study in the database. It distinguishes this study
    from one of the same name that was started elsewhere.

    Args:
      directory: the directory of the study, which may be on another machine.
      name: the name of the study in the database.
    """

    kind = "postgresql"

    def __init__(self, directory: Path, config: StorageConfig, name: str) -> None:
        self._directory, self._name = directory, name
        self._marker, self._seconds = directory / ELSEWHERE, config.retry_seconds
        self.url = str(config.url)

    @classmethod
    def marked(cls, directory: Path) -> Postgresql:
        """Returns the study that a directory's marker file names, for reading.

        Raises:
          OutputError: the file is damaged.
        """
        marker = _read_marker(directory / ELSEWHERE)
        # A reader fails at once instead of waiting for the server.
        config = StorageConfig(cls.kind, marker["url"], retry_seconds=0.0)
        return cls(directory, config, marker["study"])

    def exists(self) -> bool:
        with self._connected() as connection:
            is_there = self._identifier(connection) is not None
        return is_there and self._marker.exists()

    def check(self) -> None:
        marker = _read_marker(self._marker)
        with self._connected() as connection:
            found = self._identifier(connection)
        if found != marker["id"]:
            has = "has no study" if found is None else "has another study"
            raise OutputError(
                f"{self._marker}: names the study {self._name!r}, but {self.url} {has} of that "
                "name; must be the database in which the study started"
            )
        if marker["url"] != self.url:
            # The database has moved to another URL.
            self._write_marker({**marker, "url": self.url})

    def make(
        self, objectives: Sequence[ObjectiveConfig], values: Mapping[str, Any], name: str
    ) -> None:
        # An earlier start may have ended before it created the study.
        identifier = _read_marker(self._marker)["id"] if self._marker.exists() else _new_id()
        self._write_marker({"url": self.url, "study": name, "id": identifier})
        values = {**values, attributes.ID: identifier, attributes.PLACE: self._place()}
        with self._engine() as engine, advisory_locks.creation_lock(engine):
            storage = self._open(skip_table_creation=False)
            try:
                # The study has a temporary name until it is complete.
                with suppress(KeyError):
                    optuna.delete_study(study_name=identifier, storage=storage)
                create(storage, identifier, objectives, values)
                DatabaseArtifacts(storage).prepare()
                self._rename(storage, identifier, name)
            finally:
                storage.engine.dispose()

    def _rename(self, storage: RetryingStorage, now: str, name: str) -> None:
        statement = text("UPDATE studies SET study_name = :name WHERE study_name = :now")
        try:
            with storage.engine.begin() as connection:
                connection.execute(statement, {"name": name, "now": now})
        except IntegrityError:
            optuna.delete_study(study_name=now, storage=storage)
            self._marker.unlink()
            there = optuna.load_study(study_name=name, storage=storage).user_attrs
            place = there.get(attributes.PLACE, "another program")
            raise ConfigError(
                f"study.name: got {name!r}, which the database {self.url} already holds, for "
                f"{place}; give another study.name"
            ) from None

    def connect(self) -> RetryingStorage:
        return self._open(skip_table_creation=True)

    def _open(self, skip_table_creation: bool) -> RetryingStorage:
        def opened() -> RetryingStorage:
            return RetryingStorage(
                _with_driver(self.url),
                self._seconds,
                engine_kwargs=dict(OPTIONS),
                skip_table_creation=skip_table_creation,
            )

        with self._readable_errors():
            storage: RetryingStorage = with_retry(opened, self._seconds)
        return storage

    def study_name(self) -> str:
        return self._name

    def lock(self, study: optuna.Study) -> StudyLock:
        storage = retrying_storage(study)
        assert storage is not None
        return advisory_locks.AdvisoryStudyLock(storage, study._study_id)

    @contextmanager
    def main_process(self, study: optuna.Study) -> Iterator[None]:
        place = study.user_attrs.get(attributes.PLACE)
        held = (
            f"hydra.sweep.dir: another process runs the study {self._name!r} in {self.url}, which "
            f"started in {place}; wait until it ends, or stop it first"
        )
        with self._engine() as engine, advisory_locks.main_process(engine, study._study_id, held):
            yield

    def wait_for_workers(self, study: optuna.Study, seconds: float) -> None:
        def wait() -> None:
            with self._engine() as engine:
                advisory_locks.wait_for_workers(engine, study._study_id, seconds)

        storage = retrying_storage(study)
        with_retry(wait, self._seconds, storage.give_up if storage else never)

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        engine = create_engine(_with_driver(self.url), **OPTIONS)
        try:
            yield engine
        finally:
            engine.dispose()

    def _connected(self) -> AbstractContextManager[Connection]:
        """Opens a connection.

        Retries only if the study has started, so that a wrong URL fails at once.

        Raises:
          OutputError: there is no connection to the server.
        """
        seconds = self._seconds if self._marker.exists() else 0.0
        return self._connection(seconds)

    @contextmanager
    def _connection(self, seconds: float) -> Iterator[Connection]:
        with self._engine() as engine:
            with self._readable_errors():
                connection: Connection = with_retry(engine.connect, seconds)
            with connection:
                yield connection

    def _identifier(self, connection: Connection) -> str | None:
        """Returns the identifier of the study of this name.

        It is "" for a study that another program created, and None if there is no such study.
        """
        if not connection.execute(text("SELECT to_regclass('studies')")).scalar():
            return None
        row = connection.execute(
            text(
                "SELECT s.study_id, a.value_json FROM studies s LEFT JOIN study_user_attributes a"
                " ON a.study_id = s.study_id AND a.key = :key WHERE s.study_name = :name"
            ),
            {"key": attributes.ID, "name": self._name},
        ).first()
        return None if row is None else str(row.value_json or "").strip('"')

    def _write_marker(self, marker: dict[str, str]) -> None:
        content = {"storage": self.kind, **marker}
        atomic_write(self._marker, (HEAD + OmegaConf.to_yaml(content)).encode())

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        """Turns errors of the server into a line that says what to do."""
        try:
            yield
        except DBAPIError as error:
            reason = (str(error.orig).strip().splitlines() or [type(error).__name__])[-1]
            hints = (hint for word, hint in HINTS.items() if word in reason)
            hint = next(hints, "the server must run, and be reachable from here")
            raise OutputError(
                f"storage.url: no connection to {self.url}: {reason}; {hint}"
            ) from error
        except RuntimeError as error:
            # Optuna raises this for a database of another version of Optuna.
            raise OutputError(f"{self.url}: {' '.join(str(error).split())}") from error

    def _place(self) -> str:
        return f"{socket.gethostname()}:{self._directory}"


def _new_id() -> str:
    return str(uuid.uuid4())


def _with_driver(url: str) -> str:
    return make_url(url).set(drivername=DRIVER).render_as_string()


def _read_marker(path: Path) -> dict[str, str]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
        return {key: str(content[key]) for key in ("url", "study", "id")}  # type: ignore[index,call-overload]
    except Exception as error:
        raise OutputError(
            f"{path}: is damaged: {type(error).__name__}: {error}; must name the url, the study "
            "and the id of a study in a database"
        ) from error
