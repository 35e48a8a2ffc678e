"""What each kind of storage does for a study: finds it, makes it, checks it, opens it."""

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
    """A lock that one worker at a time holds while it takes a trial."""

    def acquire(self) -> None:
        """Waits for it."""

    def release(self) -> bool:
        """Gives it back; does nothing where it isn't held.

        Returns:
          False: it was lost before, and another worker may have had its turn meanwhile.
        """


@contextmanager
def locked(lock: StudyLock) -> Iterator[None]:
    """Within it, no other worker has its turn."""
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


class StudyStorage(ABC):
    """The place of one study.

    Attributes:
      kind: `storage.name` of the configuration.
    """

    kind: str

    @abstractmethod
    def exists(self) -> bool:
        """Whether the study is there, whole."""

    @abstractmethod
    def check(self) -> None:
        """Looks whether it can be read, and whole.

        Raises:
          OutputError: it is damaged, locked, or out of reach.
        """

    @abstractmethod
    def make(
        self, objectives: Sequence[ObjectiveConfig], values: Mapping[str, Any], name: str
    ) -> None:
        """Makes the study, whole or not at all.

        Args:
          values: its user attributes.
        """

    @abstractmethod
    def connect(self) -> BaseStorage:
        """A connection of one's own.

        Raises:
          OutputError: it can't be opened.
        """

    @abstractmethod
    def study_name(self) -> str:
        """The name that Optuna knows it by.

        Raises:
          OutputError: there is no study, or another one's.
        """

    @abstractmethod
    def lock(self, study: optuna.Study) -> StudyLock:
        """The turn of a worker, on the connection of its study."""

    def main_process(self, study: optuna.Study) -> AbstractContextManager[None]:
        """Held by the one process that starts and settles the study, beside its directory's lock.

        Raises:
          OutputError: another process has it.
        """
        return nullcontext()

    def wait_for_workers(self, study: optuna.Study, seconds: float) -> None:  # noqa: B027 (a hook)
        """Returns when none is left of those that don't hold the lock of the study's directory.

        Raises:
          OutputError: some still run after so many seconds.
        """

    def load(self) -> optuna.Study:
        """The study.

        Raises:
          OutputError: it is not there, or can't be opened.
        """
        return optuna.load_study(study_name=self.study_name(), storage=self.connect())


def create(
    storage: BaseStorage,
    name: str,
    objectives: Sequence[ObjectiveConfig],
    values: Mapping[str, Any],
) -> None:
    """Makes a study and all its attributes, one after the other."""
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=[StudyDirection[objective.direction.upper()] for objective in objectives],
    )
    study.set_metric_names([objective.metric for objective in objectives])
    for attribute, value in values.items():
        study.set_user_attr(attribute, value)
