"""Stores Optuna's artifacts in the study's database, for workers that share no file system."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound
from sqlalchemy import Connection, LargeBinary, String, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sweeper.study.storage.retry import RetryingStorage, with_retry


class _Base(DeclarativeBase):
    pass


class _Artifact(_Base):
    __tablename__ = "sweeper_artifacts"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class DatabaseArtifacts:
    """Implements Optuna's `ArtifactStore`: an artifact is one row of up to a gigabyte.

    Calls are retried for as long as those of the storage.
    """

    def __init__(self, storage: RetryingStorage) -> None:
        self._storage = storage

    def prepare(self) -> None:
        """Creates the table unless it exists."""
        _Base.metadata.create_all(self._storage.engine)

    def identifiers(self) -> set[str]:
        """Returns the identifiers of all artifacts, including those of other studies."""
        return set(self._run(lambda connection: connection.scalars(select(_Artifact.id)).all()))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        row = {"id": artifact_id, "content": content_body.read()}
        # The row may have been written before the connection broke.
        statement = insert(_Artifact).on_conflict_do_nothing()
        self._run(lambda connection: connection.execute(statement, row))

    def open_reader(self, artifact_id: str) -> BinaryIO:
        query = select(_Artifact.content).where(_Artifact.id == artifact_id)
        content = self._run(lambda connection: connection.scalar(query))
        if content is None:
            raise ArtifactNotFound(artifact_id)
        return io.BytesIO(content)

    def remove(self, artifact_id: str) -> None:
        statement = delete(_Artifact).where(_Artifact.id == artifact_id)
        self._run(lambda connection: connection.execute(statement))

    def _run(self, call: Callable[[Connection], Any]) -> Any:
        def attempt() -> Any:
            with self._storage.engine.begin() as connection:
                return call(connection)

        return with_retry(attempt, self._storage.seconds, self._storage.give_up)
