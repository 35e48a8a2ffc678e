"""Retries calls of Optuna's database storage, so that studies survive a restart of the server."""

from __future__ import annotations

import functools
import random
import time
import weakref
from collections.abc import Callable
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from sqlalchemy.exc import InterfaceError, OperationalError

from sweeper.study.storage.bulk_rdb import TrialStorage, database_of

FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
# The methods that Optuna's cache, and this package, call on the storage behind the cache.
CALLS = (
    "_create_new_trial", "_get_best_trial_id", "_get_trials", "_set_trial_param",
    "create_new_study", "delete_study", "get_all_studies", "get_all_trials",
    "get_study_attribute", "get_study_directions", "get_study_id_from_name",
    "get_study_name_from_id", "get_study_system_attrs", "get_study_user_attrs", "get_trial",
    "get_trial_id_from_study_id_trial_number", "get_trial_states", "set_study_system_attr",
    "set_study_user_attr", "set_trial_intermediate_value", "set_trial_param",
    "set_trial_state_values", "set_trial_system_attr", "set_trial_user_attr",
    "set_trial_user_attrs",
)  # fmt: skip


def is_transient(error: BaseException) -> bool:
    """Returns whether an error comes from the server or the network and may soon be over.

    A server that restarts or has no free connection is transient; a wrong statement is not.
    """
    if isinstance(error, StorageInternalError):
        return error.__cause__ is not None and is_transient(error.__cause__)
    return isinstance(error, OperationalError | InterfaceError)


def never() -> bool:
    return False


def with_retry(call: Callable[[], Any], seconds: float, give_up: Callable[[], bool] = never) -> Any:
    """Calls a function until it succeeds, fails with another error, or the time is over.

    The waits between calls grow exponentially, with jitter, so that many workers do not
    reconnect at the same moment.

    Args:
      call: the function.
      seconds: for how long transient errors are retried.
      give_up: called after each failure; True ends the retries.
    """
    deadline, wait = time.monotonic() + seconds, FIRST_WAIT
    while True:
        try:
            return call()
        except Exception as error:
            if not is_transient(error) or time.monotonic() + wait > deadline or give_up():
                raise
        time.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(LONGEST_WAIT, 2 * wait)


class RetryingStorage(TrialStorage):
    """A `TrialStorage` that retries calls for up to `seconds` while the server is away.

    A value that was written before the connection broke is written again, with the same
    effect. A new trial may be created twice: the first one is left running, and is recovered
    with the trials of dead workers.

    Attributes:
      give_up: called after each failure; True ends the retries.
    """

    give_up: Callable[[], bool] = staticmethod(never)

    def __init__(self, url: str, seconds: float, **options: Any) -> None:
        self.seconds = seconds
        super().__init__(url, **options)
        # An engine that is garbage-collected keeps its connections open.
        weakref.finalize(self, self.engine.dispose)


def _repeated(name: str) -> Callable[..., Any]:
    once = getattr(TrialStorage, name)

    @functools.wraps(once)
    def call(self: RetryingStorage, *arguments: Any, **keywords: Any) -> Any:
        failed = False

        def attempt() -> Any:
            nonlocal failed
            try:
                return once(self, *arguments, **keywords)
            except UpdateFinishedTrialError:
                if not failed:
                    raise
                # The first call succeeded before the connection broke.
                return True
            except Exception:
                failed = True
                raise

        return with_retry(attempt, self.seconds, self.give_up)

    return call


for _name in CALLS:
    setattr(RetryingStorage, _name, _repeated(_name))


def retrying_storage(study: optuna.Study) -> RetryingStorage | None:
    """Returns the storage behind Optuna's cache, or None for a study in a file."""
    database = database_of(study._storage)
    return database if isinstance(database, RetryingStorage) else None
