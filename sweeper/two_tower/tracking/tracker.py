"""The interface of experiment trackers, and what names the run of a trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sweeper.two_tower.record import TrialRecord


@dataclass(frozen=True)
class Origin:
    """Where a trial comes from.

    Attributes:
      study: the study's name; None: the run belongs to no study.
      number: the trial's number in the study.
      split_seed: the split seed, if the trial is one of several repeats.
    """

    study: str | None = None
    number: int | None = None
    split_seed: int | None = None

    def tags(self) -> dict[str, str | int]:
        """Returns what is known of the origin, by name."""
        tags = {"study": self.study, "trial": self.number, "split_seed": self.split_seed}
        return {name: value for name, value in tags.items() if value is not None}


STANDALONE = Origin()


@dataclass(frozen=True)
class Place:
    """The directory and the origin of a trial, which name its run."""

    directory: Path
    origin: Origin

    @property
    def trial_directory(self) -> Path:
        """The directory of the whole trial, which all of its repeats share."""
        return self.directory if self.origin.split_seed is None else self.directory.parent

    @property
    def name(self) -> str:
        """The name of the run: "0007", or "0007/split_seed_1" for a repeat."""
        return str(self.directory.relative_to(self.trial_directory.parent))


class Tracker(ABC):
    """Logs one trial as one run. Any method may raise: `Trackers` handles it.

    Attributes:
      product: the tracker's name, as users read it.
    """

    product: ClassVar[str]

    def __init__(self, place: Place) -> None:
        self.place = place

    @abstractmethod
    def begin(self, record: TrialRecord) -> str:
        """Loads the tracker's library and opens the run; returns where users can view it.

        It is called once the trial's data are loaded and TensorFlow runs.
        """

    @abstractmethod
    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Logs the loss and the metrics of one evaluation; epochs are in ascending order."""

    @abstractmethod
    def end(self, record: TrialRecord) -> None:
        """Logs the final metrics and closes the run in the state that the trial ended in.

        It is called after `trial.json` is written, also if `begin` or `log` has failed.
        """
