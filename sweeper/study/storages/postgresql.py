"""A study in a PostgreSQL database, which many machines and many studies share."""

from __future__ import annotations

import socket
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sweeper.errors import ConfigError, OutputError
from sweeper.record import write_whole
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig, StorageConfig
from sweeper.study.storages.artifacts import DatabaseArtifacts
from sweeper.study.storages.markers import ELSEWHERE
from sweeper.study.storages.patience import PatientStorage, patiently
from sweeper.study.storages.storage import StudyStorage, Turn, create
from sweeper.study.storages.stored_trials import engine_of

HEAD = "# Where this study's trials are kept. The password comes from PGPASSWORD or ~/.pgpass.\n"
DRIVER = "postgresql+psycopg"
# Two at most for each process: what it reads and writes by, and its turn.
POOL = {"pool_size": 1, "max_overflow": 1}
CONNECT = {"connect_timeout": 10, "application_name": "sweeper"}
ALL_STUDIES = "sweeper: studies"


class Postgresql(StudyStorage):
    """A study in a database of its own, or one that it shares with others.

    The study's directory holds a marker file with the URL, without a password, and an
    identifier that the study in the database has too: so a study of the same name that was
    started elsewhere is not taken for this one.

    Args:
      directory: the study's; where there is none of it on this machine, None.
      name: the study's in the database; None: what the directory's marker file says.
    """

    kind = "postgresql"

    def __init__(
        self, directory: Path | None, config: StorageConfig, name: str | None = None
    ) -> None:
        self._marker = None if directory is None else directory / ELSEWHERE
        self._directory, self._seconds = directory, config.retry_seconds
        self._name = name
        self.url = str(config.url)

    @classmethod
    def marked(cls, directory: Path) -> Postgresql:
        """The study that a directory's marker file names.

        Raises:
          OutputError: the file is damaged.
        """
        marker = _read_marker(directory / ELSEWHERE)
        # Who only reads says that it can't, rather than wait.
        config = StorageConfig(cls.kind, marker["url"], retry_seconds=0.0)
        return cls(directory, config, marker["study"])

    def exists(self) -> bool:
        with self._connected() as connection:
            is_there = self._identifier(connection) is not None
        return is_there and self._marker is not None and self._marker.exists()

    def check(self) -> None:
        assert self._marker is not None
        marker = _read_marker(self._marker)
        with self._connected() as connection:
            found = self._identifier(connection)
        if found != marker["id"]:
            has = "has no study" if found is None else "has another study"
            raise OutputError(
                f"{self._marker}: names the study {self._name!r}, but {self.url} {has} of that "
                "name; must be the database that it began in"
            )
        if marker["url"] != self.url:
            # The database has moved.
            self._write_marker({**marker, "url": self.url})

    def make(
        self, objectives: Sequence[ObjectiveConfig], values: Mapping[str, Any], name: str
    ) -> None:
        assert self._marker is not None
        if self._marker.exists():
            # An earlier start ended before the study was there.
            identifier = _read_marker(self._marker)["id"]
        else:
            identifier = str(uuid.uuid4())
        self._write_marker({"url": self.url, "study": name, "id": identifier})
        values = {**values, attributes.ID: identifier, attributes.PLACE: self._place()}
        engine = _engine(self.url)
        with engine.connect() as connection, _locked(connection, ALL_STUDIES):
            storage = PatientStorage(
                _with_driver(self.url), self._seconds, engine_kwargs=_options()
            )
            # Under a name of its own until it is whole.
            with suppress(KeyError):
                optuna.delete_study(study_name=identifier, storage=storage)
            create(storage, identifier, objectives, values)
            DatabaseArtifacts(storage.engine).prepare()
            try:
                with storage.engine.begin() as renaming:
                    renaming.execute(
                        text("UPDATE studies SET study_name = :name WHERE study_name = :now"),
                        {"name": name, "now": identifier},
                    )
            except IntegrityError:
                optuna.delete_study(study_name=identifier, storage=storage)
                self._marker.unlink()
                raise ConfigError(self._taken(name, storage)) from None
            finally:
                storage.engine.dispose()
        engine.dispose()

    def connect(self) -> PatientStorage:
        def opened() -> PatientStorage:
            return PatientStorage(
                _with_driver(self.url),
                self._seconds,
                engine_kwargs=_options(),
                skip_table_creation=True,
            )

        try:
            storage: PatientStorage = patiently(opened, self._seconds)
        except DBAPIError as error:
            raise OutputError(self._out_of_reach(error)) from error
        except RuntimeError as error:
            raise OutputError(f"{self.url}: {' '.join(str(error).split())}") from error
        return storage

    def study_name(self) -> str:
        assert self._name is not None
        return self._name

    def turn(self, study: optuna.Study) -> Turn:
        engine = engine_of(study)
        return _AdvisoryTurn(engine, f"sweeper: {study._study_id}", self._seconds)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection at once or not at all: a wrong URL must not be tried for minutes.

        Raises:
          OutputError: there is none.
        """
        engine = _engine(self.url)
        try:
            with engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise OutputError(self._out_of_reach(error)) from error
        finally:
            engine.dispose()

    def _identifier(self, connection: Connection) -> str | None:
        """What tells the study of this name from others of it; "" if it isn't this project's."""
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
        assert self._marker is not None
        content = {"storage": self.kind, **marker}
        write_whole(self._marker, (HEAD + OmegaConf.to_yaml(content)).encode())

    def _out_of_reach(self, error: DBAPIError) -> str:
        lines = str(error.orig).strip().splitlines() or [type(error).__name__]
        return (
            f"storage.url: no connection to {self.url}: {lines[-1]}; the server must run, and the "
            "password stand in PGPASSWORD or ~/.pgpass"
        )

    def _taken(self, name: str, storage: PatientStorage) -> str:
        there = optuna.load_study(study_name=name, storage=storage).user_attrs
        place = there.get(attributes.PLACE, "another program")
        return (
            f"study.name: got {name!r}, which the database {self.url} holds already, of {place}; "
            "give another study.name"
        )

    def _place(self) -> str:
        return f"{socket.gethostname()}:{self._directory}"


class _AdvisoryTurn:
    """A lock of the server's: it ends with its connection, however that ends."""

    def __init__(self, engine: Engine, name: str, seconds: float) -> None:
        self._engine, self._name, self._seconds = engine, name, seconds
        self._connection: Connection | None = None

    def acquire(self) -> None:
        self._connection = patiently(self._acquired, self._seconds)

    def _acquired(self) -> Connection:
        connection = self._engine.connect()
        try:
            _lock(connection, self._name)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return connection

    def release(self) -> bool:
        connection, self._connection = self._connection, None
        if connection is None:
            return True
        try:
            return _unlock(connection, self._name)
        except DBAPIError:
            # The connection broke, and the lock went with it.
            connection.invalidate()
            return False
        finally:
            connection.close()


def _engine(url: str) -> Engine:
    return create_engine(_with_driver(url), **_options())


def _options() -> dict[str, Any]:
    return {**POOL, "connect_args": dict(CONNECT)}


def _with_driver(url: str) -> str:
    return make_url(url).set(drivername=DRIVER).render_as_string()


@contextmanager
def _locked(connection: Connection, name: str) -> Iterator[None]:
    _lock(connection, name)
    try:
        yield
    finally:
        _unlock(connection, name)


def _lock(connection: Connection, name: str) -> None:
    connection.execution_options(isolation_level="AUTOCOMMIT")
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key(name)})


def _unlock(connection: Connection, name: str) -> bool:
    """Whether it was held."""
    query = text("SELECT pg_advisory_unlock(:key)")
    return bool(connection.execute(query, {"key": _key(name)}).scalar())


def _key(name: str) -> int:
    return zlib.crc32(name.encode())


def _read_marker(path: Path) -> dict[str, str]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
        return {key: str(content[key]) for key in ("url", "study", "id")}  # type: ignore[index,call-overload]
    except Exception as error:
        raise OutputError(
            f"{path}: is damaged: {type(error).__name__}: {error}; it must name the url, the study "
            "and the id of a study in a database"
        ) from error
