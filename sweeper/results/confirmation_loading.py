"""Reads the confirmations that lie below a study's directory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweeper.common.errors import OutputError
from sweeper.results.confirmation import ConfirmationResults, Run
from sweeper.results.scored_rows import read_ranks
from sweeper.study import attributes
from sweeper.study.fixed_grid import CONFIGURATION, Point, point_of
from sweeper.study.storage.factory import load_study
from sweeper.study.storage.markers import holds_study
from sweeper.two_tower import record as records
from sweeper.two_tower.studies.confirmation import DIRECTORY
from sweeper.two_tower.studies.retraining import CUT, SPLIT_SEED, TRAIN_SEED

# At most this many missing trainings are named.
MAX_NAMED = 3


def load_confirmation(
    study: Path, best: int | None
) -> tuple[ConfirmationResults | None, list[str]]:
    """Reads a confirmation below a study's directory.

    If there are several, it is the latest that confirms the best trial, else the latest with
    values.

    Args:
      best: the study's best trial.

    Returns:
      The confirmation, or None, and the problems, a line each.
    """
    found: list[tuple[ConfirmationResults, list[str]]] = []
    unread: list[str] = []
    for place in sorted(retraining_directories(study, DIRECTORY), key=_number, reverse=True):
        try:
            found.append(_open(place))
        except OutputError as error:
            unread.append(f"{error}; left out: its results")
    if not found:
        return None, unread

    def fits(each: tuple[ConfirmationResults, list[str]]) -> tuple[bool, bool]:
        confirmation, _ = each
        return best is not None and confirmation.is_complete and confirmation.confirms(best), (
            confirmation.is_complete
        )

    confirmation, problems = max(found, key=fits)
    return confirmation, [*unread, *problems]


def has_confirmation(study: Path) -> bool:
    """Returns whether there is a confirmation below a study's directory, even a damaged one."""
    return bool(retraining_directories(study, DIRECTORY))


def retraining_directories(study: Path, name: str) -> list[Path]:
    """Returns the directories of a study's retrainings: "confirmation", "confirmation_2"."""
    return [
        place
        for place in sorted(study.glob(f"{name}*"))
        if re.fullmatch(rf"{name}(_\d+)?", place.name) and holds_study(place)
    ]


def _open(directory: Path) -> tuple[ConfirmationResults, list[str]]:
    """Reads a confirmation, and returns the problems with its runs.

    Raises:
      OutputError: its database is damaged, or holds something else.
    """
    confirmation = load_study(directory, check=True)
    user_attrs = confirmation.user_attrs
    for attribute in (attributes.CONFIGS, attributes.POINTS, attributes.PROTOCOL):
        if attribute not in user_attrs:
            raise OutputError(
                f"{directory}: is no confirmation of this version; it has no {attribute}"
            )
    runs: list[Run] = []
    problems: list[str] = []
    ended = [
        trial
        for trial in confirmation.get_trials(deepcopy=False)
        if trial.state == TrialState.COMPLETE
    ]
    for trial in ended:
        try:
            runs.append(_run(directory, trial, problems))
        except OutputError as error:
            problems.append(f"{error}; left out: this training")
    problems += _missing_problems(directory, user_attrs[attributes.POINTS], ended)
    return (
        ConfirmationResults(
            directory, list(user_attrs[attributes.CONFIGS]), runs, _own_split(confirmation)
        ),
        problems,
    )


def _missing_problems(
    directory: Path, points: list[Point], ended: list[FrozenTrial]
) -> Iterator[str]:
    """Names the trainings that are missing, or not finished yet."""
    found = [point_of(trial.user_attrs[attributes.OVERRIDES]) for trial in ended]
    lacking = [
        f"{point[CONFIGURATION]} {_split_text(point)} and training seed {point[TRAIN_SEED]}"
        for point in points
        if point not in found
    ]
    if lacking:
        more = f", … ({len(lacking)} in all)" if len(lacking) > MAX_NAMED else ""
        yield (
            f"{directory}: of {len(points)} trainings these have not come to their end: "
            f"{', '.join(lacking[:MAX_NAMED])}{more}; "
            "left out: every configuration with these seeds"
        )


def _number(place: Path) -> int:
    found = re.search(r"_(\d+)$", place.name)
    return int(found[1]) if found else 1


def _split_text(point: Point) -> str:
    return f"at cut {point[CUT]}" if CUT in point else f"with split seed {point[SPLIT_SEED]}"


def _split_of(point: Point) -> int:
    """Returns its cut, or its split seed."""
    return int(point[CUT] if CUT in point else point[SPLIT_SEED])


def _own_split(confirmation: optuna.Study) -> int | None:
    """Returns the study's own split; None if only fresh splits confirm it."""
    points, protocol = (
        confirmation.user_attrs[name] for name in (attributes.POINTS, attributes.PROTOCOL)
    )
    own: int = protocol[CUT if CUT in points[0] else SPLIT_SEED]
    return own if any(_split_of(point) == own for point in points) else None


def _run(directory: Path, trial: FrozenTrial, problems: list[str]) -> Run:
    place = directory / trial.user_attrs[attributes.DIRECTORY]
    point = point_of(trial.user_attrs[attributes.OVERRIDES])
    record = records.read(place)
    if "test" not in record.metrics:
        raise OutputError(f"{place / records.TRIAL}: has no metrics of test rows")
    rows = None
    try:
        rows = read_ranks(place / records.ROWS["test"])
    except OutputError as error:
        problems.append(f"{error}; left out: comparisons row by row with this seed")
    return Run(point[CONFIGURATION], _split_of(point), point[TRAIN_SEED], record, rows)
