"""What was cut short is closed, and run again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from new_studies import LOW, begun, new_study, states
from optuna.trial import TrialState

from sweeper.study import attributes
from sweeper.study.execution.recovery import (
    PROCESS_DIED,
    counts_toward_budget,
    has_failed,
    interruption_attributes,
    recover_stale_trials,
)
from sweeper.study.storage.factory import load_study
from sweeper.two_tower import record as records
from sweeper.two_tower.app import TwoTowerApp


def plan_of(directory: Path, max_retries: int = 2) -> Any:
    study = SimpleNamespace(max_retries=max_retries)
    return SimpleNamespace(directory=directory, study=study, app=TwoTowerApp())


pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_settling_runs_again_what_was_cut_short(tmp_path):
    study = new_study(tmp_path)
    study.tell(begun(study), 1.0)
    lost = begun(study, grid_point=1, directory="trials/0001")
    recover_stale_trials(study, plan_of(tmp_path))
    first, second, third = study.get_trials()
    assert [first.state, second.state] == [TrialState.COMPLETE, TrialState.FAIL]
    assert second.user_attrs[attributes.REASON] == PROCESS_DIED
    assert (
        counts_toward_budget(first),
        counts_toward_budget(second),
        counts_toward_budget(third),
    ) == (True, False, False)
    assert not has_failed(second)
    again = study.ask(LOW)
    assert again.params == lost.params
    # That the main process ended says nothing against the trial.
    kept = {attributes.RETRY_OF: 1, attributes.GRID_POINT: 1, attributes.CRASH_COUNT: 0}
    assert again.user_attrs == kept


def test_settling_again_changes_nothing(tmp_path):
    study = new_study(tmp_path)
    begun(study)
    recover_stale_trials(study, plan_of(tmp_path))
    before = study.get_trials()
    recover_stale_trials(load_study(tmp_path), plan_of(tmp_path))
    assert study.get_trials() == before


def test_a_trial_that_was_claimed_and_never_began_has_not_died(tmp_path):
    study = new_study(tmp_path)
    begun(study)
    recover_stale_trials(study, plan_of(tmp_path, 0), died=True)
    assert states(study) == ["FAIL", "WAITING"]
    assert not has_failed(study.get_trials()[0])


@pytest.mark.parametrize("max_retries", [0, 2])
def test_a_trial_under_which_processes_die_again_and_again_fails(tmp_path, max_retries):
    study = new_study(tmp_path)
    for _ in range(max_retries + 1):
        begun(study, directory="trials/0000")
        recover_stale_trials(study, plan_of(tmp_path, max_retries), died=True)
    assert states(study) == ["FAIL"] * (max_retries + 1)
    *before, last = study.get_trials()
    assert has_failed(last)
    assert last.user_attrs[attributes.CRASH_COUNT] == max_retries + 1
    assert not any(counts_toward_budget(trial) for trial in before)


def test_the_user_may_stop_a_trial_as_often_as_they_like(tmp_path):
    study = new_study(tmp_path)
    for _ in range(5):
        trial = begun(study)
        for key, value in interruption_attributes(
            trial, "Ctrl-C", max_retries=0, died=False
        ).items():
            trial.set_user_attr(key, value)
        study.tell(trial, state=TrialState.FAIL)
        recover_stale_trials(study, plan_of(tmp_path, 0), died=True)
    assert states(study) == ["FAIL"] * 5 + ["WAITING"]
    assert not any(map(has_failed, study.get_trials()))


def test_what_was_queued_is_kept_though_the_trial_asked_for_nothing(tmp_path):
    study = new_study(tmp_path)
    study.enqueue_trial({"x": 0.5})
    study.ask()
    recover_stale_trials(study, plan_of(tmp_path))
    assert study.ask(LOW).params == {"x": 0.5}


def test_a_record_that_says_running_says_interrupted_afterwards(tmp_path):
    study = new_study(tmp_path)
    begun(study, directory="trials/0000")
    config = {"evaluation": {"split": "validation"}}
    place = tmp_path / "trials" / "0000"
    for directory, state in ((place, "running"), (place / "split_seed_1", "completed")):
        records.write(directory, records.TrialRecord(config, state=state))
    recover_stale_trials(study, plan_of(tmp_path))
    assert records.read(place).state == "interrupted"
    assert records.read(place).reason == PROCESS_DIED
    assert records.read(place / "split_seed_1").state == "completed"
