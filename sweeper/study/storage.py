"""A study's place on disk and in Optuna's storage: opened, made, compared, settled."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError

from sweeper import record as records
from sweeper.errors import ConfigError, OutputError
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.stored_trials import TrialStorage

DATABASE = "study.db"
# How long SQLite waits for another process's transaction: while trials run, and at the start.
SECONDS_TO_WAIT, SECONDS_TO_START = 60.0, 5.0
# How a user writes what an attribute holds.
KEYS = {
    attributes.SPACE: "study.space",
    attributes.OBJECTIVES: "study.objectives",
    attributes.PROTOCOL: "",
    attributes.CONFIGS: "",
    attributes.POINTS: "study.confirm",
}
ABSENT = object()
START_ANEW = "to start anew, give another study.name or hydra.sweep.dir"
GONE = "its process ended before it"
DAMAGED = "{}: is no database of a study, or a damaged one: {}; must be in another directory"
LOCKED = "{}: another program has kept this database locked for {:g} s; wait for its end or stop it"


def open_storage(directory: Path, name: str = DATABASE) -> RDBStorage:
    """Optuna's storage in the study's own SQLite file.

    Raises:
      OutputError: the file is damaged, or locked for longer than a minute.
    """
    path = directory / name
    url = URL.create("sqlite", database=str(path)).render_as_string()
    try:
        return TrialStorage(url, engine_kwargs={"connect_args": {"timeout": SECONDS_TO_WAIT}})
    except DatabaseError as error:
        raise OutputError(DAMAGED.format(path, error.orig)) from error
    except RuntimeError as error:
        # Optuna's word for a database of another of its versions.
        raise OutputError(f"{path}: {' '.join(str(error).split())}") from error


def check_database(directory: Path) -> None:
    """Looks through a study's whole database.

    Raises:
      OutputError: it is damaged, or locked.
    """
    path = directory / DATABASE
    try:
        with closing(sqlite3.connect(path, timeout=SECONDS_TO_START)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise OutputError(LOCKED.format(path, SECONDS_TO_START)) from error
        found = str(error)
    if found != "ok":
        raise OutputError(DAMAGED.format(path, found.splitlines()[-1]))


def load_study(directory: Path, name: str) -> optuna.Study:
    """The study that lies in a directory.

    Raises:
      OutputError: there is none of that name, or its database is damaged.
    """
    storage = open_storage(directory)
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        others = ", ".join(repr(other) for other in optuna.get_all_study_names(storage))
        raise OutputError(
            f"{directory / DATABASE}: holds no study {name!r} but {others or 'none at all'}; "
            + START_ANEW
        ) from None


def check_place(directory: Path) -> None:
    """Looks whether a study may begin, or go on, in a directory.

    Raises:
      OutputError: it holds trials of something else.
    """
    if (directory / DATABASE).exists():
        return
    # A single run's, a plain Hydra sweep's, and those of a study whose database is gone.
    places = (records.TRIAL, f"*/{records.TRIAL}", "trials/*")
    trials = [path for place in places for path in directory.glob(place)]
    if trials:
        raise OutputError(
            f"hydra.sweep.dir: got {directory}, which already holds a trial ({trials[0]}); must "
            "be another directory: no result is written over"
        )


def name_of_only_study(directory: Path) -> str | None:
    """The name of the study in a directory's database; None unless there is exactly one."""
    names = optuna.get_all_study_names(open_storage(directory))
    return names[0] if len(names) == 1 else None


def make_study(
    directory: Path,
    name: str,
    objectives: Sequence[ObjectiveConfig],
    values: Mapping[str, Any],
) -> None:
    """Makes a study's database, whole or not at all.

    Args:
      values: user attributes of the study.
    """
    beside = directory / f".{DATABASE}.new"
    beside.unlink(missing_ok=True)
    storage = open_storage(directory, beside.name)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=[StudyDirection[objective.direction.upper()] for objective in objectives],
    )
    study.set_metric_names([objective.metric for objective in objectives])
    for attribute, value in values.items():
        study.set_user_attr(attribute, value)
    storage.remove_session()
    storage.engine.dispose()
    beside.rename(directory / DATABASE)


def check_identity(study: optuna.Study, directory: Path, identity: Mapping[str, Any]) -> None:
    """Compares what must not change between two starts with what is stored.

    Raises:
      ConfigError: with a line for each difference.
    """
    problems = [
        problem
        for attribute, wanted in identity.items()
        for problem in _differences(KEYS[attribute], study.user_attrs.get(attribute, {}), wanted)
    ]
    if problems:
        raise ConfigError(
            f"{problem}; {directory} goes on with what it began with; {START_ANEW}"
            for problem in problems
        )


def _differences(key: str, stored: Any, wanted: Any) -> list[str]:
    """One line for each place where two plain values differ."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        return [
            difference
            for name in dict.fromkeys([*stored, *wanted])
            for difference in _differences(
                f"{key}.{name}".lstrip("."), stored.get(name, ABSENT), wanted.get(name, ABSENT)
            )
        ]
    if stored is ABSENT:
        return [f"{key}: was not there when the study began"]
    if wanted is ABSENT:
        return [f"{key}: was there when the study began, and is no longer"]
    return [] if stored == wanted else [f"{key}: is {stored} in the study, and now {wanted}"]


def settle(study: optuna.Study, directory: Path, max_retries: int, died: bool = False) -> None:
    """Puts right what processes that have gone left behind; to be called while none runs.

    Trials still marked as running are closed, and those cut short are queued again, with
    the same parameters: without limit where the user stopped them, `max_retries` times
    where their process died.

    Args:
      died: a worker died under them; else it was the main process that ended, which
        says nothing against a trial.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # Optuna has no public way to an attribute of a trial that another process began.
        for key, value in cut_short(trial, GONE, max_retries, died).items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)
        study.tell(trial.number, state=TrialState.FAIL)
        _close_record(directory / trial.user_attrs.get(attributes.DIRECTORY, "nowhere"))
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get(attributes.RETRY_OF) for trial in trials}
    for trial in trials:
        if trial.user_attrs.get(attributes.INTERRUPTED) and trial.number not in again:
            # It may have ended before all of what was queued for it was asked for.
            queued = trial.system_attrs.get("fixed_params", {})
            queue_again(study, trial.number, {**queued, **trial.params}, trial.user_attrs)


def cut_short(
    trial: FrozenTrial | Trial, reason: str, max_retries: int, died: bool
) -> dict[str, Any]:
    """The attributes of a trial that ended before its end.

    It is to be run again, unless processes died under it more than `max_retries` times.
    """
    deaths = trial.user_attrs.get(attributes.DEATHS, 0) + int(died)
    again = {attributes.INTERRUPTED: True} if deaths <= max_retries else {}
    return {attributes.REASON: reason, attributes.DEATHS: deaths, **again}


def queue_again(
    study: optuna.Study, number: int, parameters: dict[str, Any], values: dict[str, Any]
) -> None:
    """Queues a trial that was cut short, with its parameters; `values` are its attributes."""
    kept = (attributes.GRID_POINT, attributes.DEATHS)
    again = {attributes.RETRY_OF: number, **{key: values[key] for key in kept if key in values}}
    study.enqueue_trial(parameters, user_attrs=again)


def is_taken(trial: FrozenTrial) -> bool:
    """Whether a trial uses up one of `study.n_trials`: it runs, has finished, or has failed.

    One that is to be run again does not.
    """
    return trial.state != TrialState.WAITING and not trial.user_attrs.get(attributes.INTERRUPTED)


def has_failed(trial: FrozenTrial) -> bool:
    """Whether a trial failed for good."""
    return trial.state == TrialState.FAIL and is_taken(trial)


def is_spent(trials: Sequence[FrozenTrial], total: int | None, max_failures: int) -> bool:
    """Whether no further trial may start: all that are wanted have, or too many failed."""
    if sum(map(has_failed, trials)) > max_failures:
        return True
    return total is not None and sum(map(is_taken, trials)) >= total


def _close_record(directory: Path) -> None:
    """A record that says "running" although nothing runs any more says "interrupted"."""
    for path in [directory, *directory.glob("*/")]:
        with suppress(OutputError):
            record = records.read(path)
            if record.state == "running":
                record.state, record.reason = "interrupted", GONE
                records.write(path, record)
