"""What a worker counts, and which trial it takes next: never one twice, never one too many."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from plans import planner

from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig, StorageConfig
from sweeper.study.execution.recovery import counts_toward_budget, has_failed
from sweeper.study.execution.trial_counter import TrialCounter
from sweeper.study.execution.trial_queue import ClaimedStudy, TrialQueue
from sweeper.study.plan import Plan
from sweeper.study.storage.factory import configured_storage

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
GRID = ("train.epochs=5,10,15", "study.sampler=grid")
RANDOM = ("optimizer.learning_rate=tag(log,interval(0.001,0.1))", "study.n_trials=3",
          "study.sampler=random")  # fmt: skip


class FreeLock:
    """A lock that nobody else wants; it can be lost."""

    def __init__(self) -> None:
        self.losses = 0

    def acquire(self) -> None:
        pass

    def release(self) -> bool:
        self.losses -= 1
        return self.losses < 0


def plan_of(directory: Path, *arguments: str) -> Plan:
    with planner() as planned:
        return planned.plan(f"hydra.sweep.dir={directory}", "study.pruner=none", *arguments)


def claims_of(plan: Plan, storage: str = "sqlite") -> tuple[TrialQueue, ClaimedStudy, FreeLock]:
    place = configured_storage(plan.directory, StorageConfig(storage), plan.name)
    if not place.exists():
        plan.directory.mkdir(exist_ok=True)
        place.make(plan.study.objectives, {attributes.INITIAL_PARAMS: []}, plan.name)
    study, lock = ClaimedStudy(place.study_name(), place.connect()), FreeLock()
    return TrialQueue(plan, study, lock), study, lock


def end(study: ClaimedStudy, **user_attributes: object) -> None:
    """Runs what has been claimed, to its end."""
    trial = study.ask()
    for name, value in user_attributes.items():
        trial.set_user_attr(name, value)
    study.tell(trial, state=TrialState.FAIL)


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_a_grid_is_claimed_in_order_and_each_point_once(tmp_path, storage):
    plan = plan_of(tmp_path / "s", *GRID)
    first, one, _ = claims_of(plan, storage)
    second, other, _ = claims_of(plan, storage)
    for queue, study in ((first, one), (second, other), (first, one)):
        assert queue.claim_next()
        end(study)
    assert not first.claim_next()
    assert not second.claim_next()
    trials = one.get_trials()
    assert [trial.user_attrs[attributes.GRID_POINT] for trial in trials] == [0, 1, 2]
    queued = [trial.system_attrs["fixed_params"] for trial in trials]
    assert queued == [{"train.epochs": epochs} for epochs in (5, 10, 15)]


def test_no_trial_is_started_beyond_the_total_while_others_run(tmp_path):
    plan = plan_of(tmp_path / "s", *RANDOM)
    queue, study, _ = claims_of(plan)
    for _ in range(3):
        assert queue.claim_next()
        study.ask()  # It runs on.
    assert not queue.claim_next()


def test_what_is_to_be_run_again_comes_first(tmp_path):
    plan = plan_of(tmp_path / "s", *GRID)
    queue, study, _ = claims_of(plan)
    assert queue.claim_next()
    end(study, **{attributes.INTERRUPTED: True})
    study.enqueue_trial({"train.epochs": 5}, user_attrs={attributes.RETRY_OF: 0})
    assert queue.claim_next()
    assert study.ask().user_attrs == {attributes.RETRY_OF: 0}


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_what_another_worker_has_queued_can_be_run(tmp_path, storage):
    plan = plan_of(tmp_path / "s", *GRID)
    queue, study, _ = claims_of(plan, storage)
    _, other, _ = claims_of(plan, storage)
    assert queue.claim_next()
    end(study)
    other.enqueue_trial({"train.epochs": 10}, user_attrs={attributes.RETRY_OF: 0})
    assert queue.claim_next()
    assert queue.suggest(study.ask()) == {"train.epochs": 10}


def test_sets_that_are_named_come_before_what_the_sampler_chooses(tmp_path):
    plan = plan_of(tmp_path / "s", *RANDOM)
    _, study, _ = claims_of(plan)
    study.set_user_attr(attributes.INITIAL_PARAMS, [{"optimizer.learning_rate": 0.02}])
    queue, study, _ = claims_of(plan)
    for _ in range(2):
        assert queue.claim_next()
        end(study)
    first, second = study.get_trials()
    assert first.system_attrs["fixed_params"] == {"optimizer.learning_rate": 0.02}
    assert "fixed_params" not in second.system_attrs


def test_a_stopped_study_has_none_left(tmp_path):
    queue, study, _ = claims_of(plan_of(tmp_path / "s", *RANDOM))
    study.set_user_attr(attributes.STOP, attributes.NO_MORE)
    assert not queue.claim_next()
    assert not study.get_trials()


def test_a_claim_that_may_have_been_out_of_turn_is_kept_if_it_is_nobodys_twin(tmp_path):
    queue, study, lock = claims_of(plan_of(tmp_path / "s", *GRID))
    lock.losses = 1
    assert queue.claim_next()
    end(study)
    assert [counts_toward_budget(trial) for trial in study.get_trials()] == [True]


def claim_after_the_next_look(
    monkeypatch: pytest.MonkeyPatch, queue: TrialQueue, study: ClaimedStudy
) -> None:
    """Another worker claims a trial when the next one has looked, and before that claims one."""
    looked = TrialCounter.refresh

    def look_before_the_other_claims(counter: TrialCounter) -> None:
        looked(counter)
        monkeypatch.setattr(TrialCounter, "refresh", looked)
        assert queue.claim_next()
        study.ask()

    monkeypatch.setattr(TrialCounter, "refresh", look_before_the_other_claims)


def test_a_twin_of_another_claim_is_given_up(tmp_path, monkeypatch):
    plan = plan_of(tmp_path / "s", *GRID)
    queue, study, lock = claims_of(plan)
    others, other_study, _ = claims_of(plan)
    # Both look at the same time, since the database took the first one's lock away.
    claim_after_the_next_look(monkeypatch, others, other_study)
    lock.losses = 1
    assert queue.claim_next()
    study.ask()
    claimed = [trial for trial in study.get_trials() if counts_toward_budget(trial)]
    assert sorted(trial.user_attrs[attributes.GRID_POINT] for trial in claimed) == [0, 1]
    (given_up,) = [trial for trial in study.get_trials() if not counts_toward_budget(trial)]
    assert given_up.user_attrs[attributes.DUPLICATE]
    assert given_up.state == TrialState.FAIL


def test_a_claim_beyond_the_total_is_given_up(tmp_path, monkeypatch):
    plan = plan_of(tmp_path / "s", *RANDOM[:1], "study.n_trials=1", "study.sampler=random")
    queue, study, lock = claims_of(plan)
    others, other_study, _ = claims_of(plan)
    claim_after_the_next_look(monkeypatch, others, other_study)
    lock.losses = 1
    assert not queue.claim_next()
    assert sum(map(counts_toward_budget, study.get_trials())) == 1


STEPS = st.lists(
    st.sampled_from(["ask", "complete", "fail", "interrupt", "queue", "point"]), max_size=15
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, looks=st.sets(st.integers(0, 15)))
@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_counting_from_look_to_look_is_counting_all(tmp_path_factory, storage, steps, looks):
    directory = tmp_path_factory.mktemp("study")
    place = configured_storage(directory, StorageConfig(storage), "s")
    place.make([ObjectiveConfig()], {}, "s")
    study = place.load()
    counter = TrialCounter(study)
    running = []
    for index, step in enumerate(steps):
        if step == "ask":
            running.append(study.ask())
        elif step == "queue":
            study.enqueue_trial({})
        elif step == "point":
            study.enqueue_trial({}, user_attrs={attributes.GRID_POINT: index})
        elif running:
            trial = running.pop(0)
            if step == "interrupt":
                trial.set_user_attr(attributes.INTERRUPTED, True)
            study.tell(trial, 1.0 if step == "complete" else None,
                       state=None if step == "complete" else TrialState.FAIL)  # fmt: skip
        if index in looks:
            counter.refresh()
    counter.refresh()
    trials = study.get_trials()
    assert counter.claimed == sum(map(counts_toward_budget, trials))
    assert counter.failed == sum(map(has_failed, trials))
    waiting = [trial._trial_id for trial in trials if trial.state == TrialState.WAITING]
    assert counter.waiting == waiting
    points = [trial.user_attrs.get(attributes.GRID_POINT, -1) for trial in trials]
    assert counter.next_index(attributes.GRID_POINT) == max(points, default=-1) + 1
