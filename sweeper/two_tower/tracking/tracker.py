"""What a tracker is told of a trial, and what it has to do with it."""

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
      study: the study's name; None: a run by itself.
      number: the trial's, in the study.
      split_seed: of one of a trial's repeats.
    """

    study: str | None = None
    number: int | None = None
    split_seed: int | None = None

    def tags(self) -> dict[str, str | int]:
        """What is known of it, by name."""
        tags = {"study": self.study, "trial": self.number, "split_seed": self.split_seed}
        return {name: value for name, value in tags.items() if value is not None}


STANDALONE = Origin()


@dataclass(frozen=True)
class Place:
    """A trial's own directory and where the trial comes from: what names its run."""

    directory: Path
    origin: Origin

    @property
    def trial_directory(self) -> Path:
        """That of the whole trial, the same for all of its repeats."""
        return self.directory if self.origin.split_seed is None else self.directory.parent

    @property
    def name(self) -> str:
        """The directory's name: "0007", or "0007/split_seed_1" of a repeat."""
        return str(self.directory.relative_to(self.trial_directory.parent))


class Tracker(ABC):
    """Logs one trial as one run. Any method may raise; `sweeper.two_tower.tracking.trackers` copes.

    Attributes:
      product: its name, as the user reads it.
    """

    product: ClassVar[str]

    def __init__(self, place: Place) -> None:
        self.place = place

    @abstractmethod
    def begin(self, record: TrialRecord) -> str:
        """Loads the tracker's library and opens the run; returns where it can be looked at.

        Called once the trial's data are loaded and TensorFlow runs.
        """

    @abstractmethod
    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Takes the figures of one evaluation, in the order of the epochs."""

    @abstractmethod
    def end(self, record: TrialRecord) -> None:
        """Takes the final figures and closes the run in the state that the trial ended in.

        Called after `trial.json` is written; also if `begin` or `log` has failed.
        """
