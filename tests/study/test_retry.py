"""A storage that outlives its server's absences, and nothing else."""

from __future__ import annotations

import inspect
import re
import time

import psycopg
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from sweeper.study.storage import retry
from sweeper.study.storage.retry import CALLS, RetryingStorage, is_transient, with_retry

AWAY = OperationalError("SELECT 1", {}, psycopg.OperationalError("server closed the connection"))


def internal(cause: Exception) -> StorageInternalError:
    error = StorageInternalError("an exception is raised during the commit")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (AWAY, True),
        (internal(AWAY), True),
        (internal(IntegrityError("", {}, Exception())), False),
        (ProgrammingError("", {}, Exception()), False),
        (StorageInternalError("no cause"), False),
        (ValueError("a bug"), False),
    ],
)
def test_what_may_be_over_in_a_while(error, passing):
    assert is_transient(error) == passing


def test_it_is_tried_until_it_goes_well(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    answers = iter([AWAY, internal(AWAY), AWAY, "here"])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert with_retry(call, seconds=60) == "here"
    # Each wait twice as long as the one before, less at most half.
    for wait, most in zip(waits, (0.1, 0.2, 0.4), strict=True):
        assert most / 2 <= wait <= most


def test_its_patience_has_an_end():
    started = time.monotonic()
    with pytest.raises(OperationalError):
        with_retry(lambda: (_ for _ in ()).throw(AWAY), seconds=0.5)
    assert time.monotonic() - started < 1


def test_any_other_error_is_raised_at_once():
    calls = []

    def call() -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (no words)
        with_retry(call, seconds=60)
    assert len(calls) == 1


def test_all_that_optuna_asks_of_a_storage_is_repeated():
    own = {name for name, value in vars(RetryingStorage).items() if callable(value)}
    assert set(CALLS) <= own
    asked = set(re.findall(r"_backend\.(\w+)\(", inspect.getsource(_CachedStorage)))
    assert {name for name in asked if "heartbeat" not in name and "stale" not in name} <= set(CALLS)


def test_an_end_that_was_written_before_the_connection_broke_is_no_error(tmp_path, monkeypatch):
    storage = RetryingStorage(f"sqlite:///{tmp_path / 'x.db'}", seconds=5)
    study = storage.create_new_study([StudyDirection.MAXIMIZE])
    trial = storage.create_new_trial(study)
    once = RDBStorage.set_trial_state_values
    broken = iter([True])

    def written_and_then_broken(self: RDBStorage, *arguments: object) -> bool:
        done = once(self, *arguments)  # type: ignore[arg-type]
        if next(broken, False):
            raise AWAY
        return done

    monkeypatch.setattr(RDBStorage, "set_trial_state_values", written_and_then_broken)
    monkeypatch.setattr(
        RetryingStorage, "set_trial_state_values", retry._repeated("set_trial_state_values")
    )
    assert storage.set_trial_state_values(trial, TrialState.COMPLETE, [1.0])
    assert storage.get_trial(trial).value == 1.0
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial, TrialState.FAIL)
