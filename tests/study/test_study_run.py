"""How often workers that end without having done anything are launched again."""

from __future__ import annotations

from typing import Any

import pytest
from new_studies import begun
from plans import Planner, planner
from rich.console import Console

from sweeper.common.errors import StudyError
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.execution.study_run import StudyRun
from sweeper.study.storage.files import Sqlite

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def hydra(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with planner() as found:
        yield found


def started(hydra: Planner) -> StudyRun:
    plan = hydra.plan("model.dropout=interval(0,0.5)", "study.n_trials=2", "study.name=s")
    plan.directory.mkdir(parents=True)
    storage = Sqlite(plan.directory)
    storage.make([ObjectiveConfig()], {attributes.INITIAL_PARAMS: []}, "s")
    unused: Any = None
    console = Console(quiet=True)
    return StudyRun(plan, storage, storage.load(), console, unused, unused, unused)


def test_workers_that_end_before_their_trials_begin_are_not_launched_for_ever(hydra, monkeypatch):
    run = started(hydra)
    launches = 0

    def launch() -> None:
        nonlocal launches
        launches += 1
        assert launches < 10
        begun(run._study)

    monkeypatch.setattr(run, "_launch", launch)
    with pytest.raises(StudyError, match="ended 4 times without finishing a trial"):
        run.until_done(max_relaunches=3)
    assert launches == 4


def test_each_trial_that_finishes_begins_the_count_anew(hydra, monkeypatch):
    run = started(hydra)
    ends = iter([False, True, False, True])

    def launch() -> None:
        trial = begun(run._study)
        if next(ends):
            run._study.tell(trial, 1.0)

    monkeypatch.setattr(run, "_launch", launch)
    run.until_done(max_relaunches=1)


def test_one_that_was_stopped_has_not_failed(hydra, monkeypatch):
    run = started(hydra)

    def launch() -> None:
        begun(run._study)
        run.stopped_by = 2

    monkeypatch.setattr(run, "_launch", launch)
    run.until_done(max_relaunches=0)
