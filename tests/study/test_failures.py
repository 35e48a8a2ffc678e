"""When a study has failed as a whole: what its command says, and ends with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_up_trials import FAIL, PRUNED, made_up_study, made_up_trial

from sweeper.common.errors import StudyError
from sweeper.study import runner
from sweeper.study.failures import failure_of, first_failure, nothing_to_rank
from sweeper.study.hooks import StudyHooks


def plan_of(place: Path, max_failures: int = 10, selects: bool = True) -> Any:
    study = SimpleNamespace(max_failures=max_failures, pruner="threshold")
    return SimpleNamespace(directory=place, name="s", study=study, selects=selects)


def study_of(failed: int = 0, complete: int = 0, pruned: int = 0, collapsed: int = 0) -> Any:
    study = made_up_study(top_100="maximize")

    def add(number: int, *arguments: Any, **values: Any) -> None:
        for _ in range(number):
            study.add_trial(made_up_trial(len(study.trials), *arguments, **values))

    add(failed, FAIL, reason="no GPU", directory="trials/0000")
    add(complete, values=[0.3])
    add(pruned, PRUNED, reports={1: 0.2})
    add(collapsed, values=[0.0], collapsed=True)
    return study


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        ({"failed": 3}, "s: no trial completed: 3 failed; the first, in "),
        ({"failed": 3, "pruned": 2}, "s: no trial completed: 3 failed, 2 pruned; the first, in "),
        ({"failed": 11, "complete": 50}, "study.max_failures: 11 trials failed, more than 10; the"),
    ],
)
def test_one_that_has_failed_says_why_its_first_trial_did(tmp_path, trials, words):
    (tmp_path / "trials/0000").mkdir(parents=True)
    (tmp_path / "trials/0000/traceback.txt").write_text("Traceback: here")
    error = failure_of(plan_of(tmp_path), study_of(**trials))
    assert isinstance(error, StudyError)
    assert error.exit_code == 1
    assert str(error).startswith(words)
    assert str(error).endswith(f"in {tmp_path / 'trials/0000'}: no GPU\nTraceback: here")


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        ({"failed": 3, "complete": 1}, None),
        ({"failed": 3, "collapsed": 1}, None),
        ({"complete": 1}, None),
        ({"pruned": 4}, "study.pruner 'threshold' pruned all of them; choose"),
        ({"pruned": 1, "collapsed": 1}, "give all candidates the same score"),
        ({}, "none has completed yet"),
    ],
)
def test_one_that_has_not_says_at_most_why_there_is_no_best(tmp_path, trials, words):
    plan, study = plan_of(tmp_path), study_of(**trials)
    assert failure_of(plan, study) is None
    text = nothing_to_rank(plan, study)
    assert text is None if words is None else words in str(text)
    assert nothing_to_rank(plan_of(tmp_path, selects=False), study) is None


def test_one_without_a_failure_has_no_first():
    assert first_failure(study_of(complete=1)) == "it left no record"


def test_a_reference_that_failed_costs_the_trials_nothing_and_is_told_in_the_end(
    tmp_path, monkeypatch, capsys
):
    study = SimpleNamespace(reference="best_known", confirm=SimpleNamespace(best=0), name="s")
    plan = plan_of(tmp_path)
    plan.study = SimpleNamespace(**vars(plan.study), **vars(study))
    reference = plan_of(tmp_path / "reference")
    ran = []

    def run(_: Any, which: Any, before: Any = None) -> Any:
        if which is reference:
            return study_of(failed=1)
        if before:
            before(study_of())
        ran.append(which)
        return study_of(complete=2)

    class Hooks(StudyHooks):
        def reference_plan(self, plan: Any, loader: Any) -> Any:
            return reference

    monkeypatch.setattr(runner._Runner, "run", run)
    context: Any = SimpleNamespace(config_loader=None)
    failure = runner.run_study(plan, Hooks(), None, context, None, 1)  # type: ignore[arg-type]
    assert ran == [plan]
    assert "best_known failed and is skipped: no GPU" in capsys.readouterr().out
    assert str(failure).startswith("study.reference: it is skipped: s: no trial completed: 1 fail")
