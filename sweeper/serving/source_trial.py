"""Finds the trial to export: a study's best, a given one, or a single run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sweeper.common.errors import ConfigError, OutputError
from sweeper.results.loading import load_results
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row
from sweeper.two_tower import record as records
from sweeper.two_tower.record import TrialRecord

FINISHED = ("complete", "infeasible")


@dataclass(frozen=True)
class SourceTrial:
    """A recorded training.

    Attributes:
      results: of the study or the run that it is part of.
      trial: its number in the study; None for a single run.
      split_seed: of the repeat, for a trial on several splits; else None.
      directory: the directory of its record.
    """

    results: StudyResults
    trial: int | None
    split_seed: int | None
    directory: Path
    record: TrialRecord

    @property
    def name(self) -> str:
        """The name of the directory of the study or the run."""
        return self.results.directory.resolve().name

    @property
    def description(self) -> str:
        """ "trial 17 of outputs/architecture, split seed 3"."""
        of = "" if self.trial is None else f"trial {self.trial} of "
        seed = "" if self.split_seed is None else f", split seed {self.split_seed}"
        return f"{of}{self.results.directory}{seed}"


def find_source_trial(directory: Path, trial: int | None, seed: int | None) -> SourceTrial:
    """Reads the trial to export.

    Args:
      directory: of a study or of a single run.
      trial: its number; None: the study's best.
      seed: the split seed of a repeat, for a trial on several splits; None: the first repeat.

    Raises:
      OutputError: there is no study or run, or its record can't be read.
      ConfigError: there is no such trial, or it did not complete.
    """
    results = load_results(directory)
    row = _row(results, trial)
    place = results.directory / str(row.directory)
    record = records.read(place)
    if record.state != "completed":
        raise OutputError(f"{place / records.TRIAL}: is {record.state}; must be completed")
    number = None if results.study is None else row.number
    if not record.repeats:
        if seed is not None:
            own = record.config["data"]["split_seed"]
            raise ConfigError(
                f"seed: got {seed}, but {place} was trained on one split, of seed {own}; must be "
                "left out"
            )
        return SourceTrial(results, number, None, place, record)
    seeds = [repeat["split_seed"] for repeat in record.repeats]
    if seed is not None and seed not in seeds:
        raise ConfigError(
            f"seed: got {seed}; must be one that {place} was trained with: "
            f"{', '.join(map(str, seeds))}"
        )
    repeat = record.repeats[0 if seed is None else seeds.index(seed)]
    own_place = place / repeat["directory"]
    return SourceTrial(results, number, repeat["split_seed"], own_place, records.read(own_place))


def _row(results: StudyResults, trial: int | None) -> Row:
    if results.study is None:
        (row,) = results.rows
        if trial is not None:
            raise ConfigError(
                f"trial: got {trial}, but {results.directory} is a single run; must be left out"
            )
        if row.state != "complete":
            raise ConfigError(
                f"{results.directory}: its run is {row.state}; must have come to its end, so that "
                "there is something to export"
            )
        return row
    if trial is None:
        if results.best is None:
            raise ConfigError(
                f"{results.directory}: none of its {len(results.rows)} trials is complete and "
                "feasible; must have one to export"
            )
        return results.best
    found = [row for row in results.rows if row.number == trial]
    finished = sorted(row.number for row in results.rows if row.state in FINISHED)
    if not found or trial not in finished:
        state = f"which is {found[0].state}" if found else "which this study does not have"
        right = f"must be one of {_shortened(finished)}" if finished else "none is complete"
        raise ConfigError(f"trial: got {trial}, {state}; {right}")
    return found[0]


def _shortened(numbers: list[int], most: int = 20) -> str:
    text = ", ".join(map(str, numbers[:most]))
    return text if len(numbers) <= most else f"{text}, … ({len(numbers)} in all)"
