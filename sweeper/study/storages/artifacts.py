"""Optuna's artifact store in the study's own database: files for whom no file system is shared."""

from __future__ import annotations

import io
from typing import BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound
from sqlalchemy import Engine, LargeBinary, String, delete, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class _Base(DeclarativeBase):
    pass


class _Artifact(_Base):
    __tablename__ = "sweeper_artifacts"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class DatabaseArtifacts:
    """Implements Optuna's `ArtifactStore`; an artifact is one row, up to a gigabyte."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def prepare(self) -> None:
        """Makes the table, where it isn't there."""
        _Base.metadata.create_all(self._engine)

    def identifiers(self) -> set[str]:
        """Of all that the store holds, of other studies too."""
        with self._engine.connect() as connection:
            return set(connection.scalars(select(_Artifact.id)))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        row = {"id": artifact_id, "content": content_body.read()}
        with self._engine.begin() as connection:
            connection.execute(insert(_Artifact), row)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        with self._engine.connect() as connection:
            query = select(_Artifact.content).where(_Artifact.id == artifact_id)
            content = connection.scalar(query)
        if content is None:
            raise ArtifactNotFound(artifact_id)
        return io.BytesIO(content)

    def remove(self, artifact_id: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(_Artifact).where(_Artifact.id == artifact_id))
