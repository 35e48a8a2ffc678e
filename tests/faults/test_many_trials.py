"""A study of 10,000 stored trials goes on at once, and is read as Optuna reads it."""

from __future__ import annotations

from datetime import datetime

import optuna
import pytest
from made_up_trials import COMPLETE, FAIL, PRUNED, RUNNING, WAITING, made_up_trial
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from benchmarks.many_trials import make, seconds_to_first_trial
from sweeper.study.storage.bulk_rdb import TrialStorage


def plain(trial: FrozenTrial) -> list[str]:
    """All that a trial holds; as text, since no NaN equals another."""
    parts = [
        sorted(value.items(), key=str) if isinstance(value, dict) else value
        for value in vars(trial).values()
    ]
    return list(map(repr, parts))


@pytest.mark.parametrize("objectives", [1, 2])
def test_the_first_read_is_optunas(tmp_path, objectives):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    directions = ["maximize"] * objectives
    study = optuna.create_study(storage=url, directions=directions)
    other = optuna.create_study(storage=url, directions=directions)
    for number, state in enumerate([COMPLETE, FAIL, COMPLETE, RUNNING, PRUNED, WAITING]):
        values = [float("inf"), -0.25][:objectives] if state == COMPLETE else None
        reports = {3: 0.1, 1: float("nan"), 2: float("-inf")} if objectives == 1 else None
        trial = made_up_trial(number, state, values, reports, result={"a": [None, "é"]})
        trial.datetime_start = datetime(2026, 3, 29, 2, 30, number)
        study.add_trial(trial)
        other.add_trial(made_up_trial(number, FAIL, params={}))
    study.enqueue_trial({"b": 1, "a": [1, 2]}, user_attrs={"first_set": 0})
    asked = study.ask()
    asked.suggest_float("z", 0, 1)
    asked.suggest_categorical("a", [None, True, "x"])
    read, wanted = (
        kind(url)._get_trials(study._study_id, None, set(), -1)
        for kind in (TrialStorage, RDBStorage)
    )
    assert list(map(plain, read)) == list(map(plain, wanted))
    assert [list(trial.params) for trial in read] == [list(trial.params) for trial in wanted]


@pytest.mark.slow
def test_ten_thousand_trials_hold_back_the_next_one_for_seconds(tmp_path, fault):
    noted = fault("a start with 10,000 stored trials")
    make(tmp_path / "study", 10_000)
    for _ in range(2):
        noted.injected += 1
        noted.recoveries.append(seconds_to_first_trial(tmp_path / "study"))
    # The quicker of two: other work on the machine is none of the study's. On a quiet one it is
    # below ten; `benchmarks.many_trials` measures it.
    assert min(noted.recoveries) < 30
