"""Defines the interface of a study's storage, and the lock under which workers claim trials."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from sweeper.study.config import ObjectiveConfig


class StudyLock(Protocol):
    """A lock that one worker at a time holds while it claims a trial."""

    def acquire(self) -> None:
        """Waits for the lock."""

    def release(self) -> bool:
        """Releases the lock; does nothing if it is not held.

        Returns:
          False if the lock was lost before, so that another worker may have held it meanwhile.
        """


@contextmanager
def locked(lock: StudyLock) -> Iterator[None]:
    """Holds a lock for the duration of a `with` block."""
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


class StudyStorage(ABC):
    """The storage of one study.

    Attributes:
      kind: `storage.name` of the configuration.
    """

    kind: str

    @abstractmethod
    def exists(self) -> bool:
        """Returns whether the complete study exists."""

    @abstractmethod
    def check(self) -> None:
        """Checks that the study can be read and is not damaged.

        Raises:
          OutputError: the storage is damaged, locked or unreachable.
        """

    @abstractmethod
    def make(
        self, objectives: Sequence[ObjectiveConfig], values: Mapping[str, Any], name: str
    ) -> None:
        """Creates the study, completely or not at all.

        Args:
          objectives: the study's objectives.
          values: its user attributes.
          name: its name in the storage.
        """

    @abstractmethod
    def connect(self) -> BaseStorage:
        """Opens a new connection.

        Raises:
          OutputError: the storage can't be opened.
        """

    @abstractmethod
    def study_name(self) -> str:
        """Returns the study's name in Optuna.

        Raises:
          OutputError: the storage holds no study, or not this one.
        """

    @abstractmethod
    def lock(self, study: optuna.Study) -> StudyLock:
        """Returns the lock for claiming trials, on the connection of the given study."""

    def main_process(self, study: optuna.Study) -> AbstractContextManager[None]:
        """Holds the lock of the study's main process, in addition to the directory's lock.

        Raises:
          OutputError: another process holds it.
        """
        return nullcontext()

    def wait_for_workers(self, study: optuna.Study, seconds: float) -> None:  # noqa: B027 (a hook)
        """Waits for workers that do not hold the lock of the study's directory.

        Raises:
          OutputError: some still run after `seconds`.
        """

    def load(self) -> optuna.Study:
        """Loads the study.

        Raises:
          OutputError: the study does not exist, or can't be opened.
        """
        return optuna.load_study(study_name=self.study_name(), storage=self.connect())


def create(
    storage: BaseStorage,
    name: str,
    objectives: Sequence[ObjectiveConfig],
    values: Mapping[str, Any],
) -> None:
    """Creates a study and sets its attributes one after the other."""
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=[StudyDirection[objective.direction.upper()] for objective in objectives],
    )
    study.set_metric_names([objective.metric for objective in objectives])
    for attribute, value in values.items():
        study.set_user_attr(attribute, value)
