"""Plans: every row once an epoch, and candidates, positions and counts that fit the items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.two_tower.training.batches import BatchBlock, BatchPlanner


def planner_of(items, batch_size: int, rows=None, **settings) -> BatchPlanner:
    items = np.array(items, np.int32)
    rows = np.arange(len(items)) if rows is None else np.array(rows)
    settings = {"whole_catalogue": False, "seed": 0} | settings
    return BatchPlanner(rows, items, int(items.max()) + 1, batch_size, **settings)


def real_rows(plans: list[BatchBlock]) -> list[list[int]]:
    """The rows of each step, padding left out."""
    return [
        plan.rows[step][plan.sample_weight[step] > 0].tolist()
        for plan in plans
        for step in range(plan.steps)
    ]


def check_step(plan: BatchBlock, step: int, items: np.ndarray) -> None:
    """Distinct candidates with their counts, and each row pointing at its own."""
    real = plan.sample_weight[step] > 0
    own = items[plan.rows[step]]
    used = plan.counts[step] > 0
    candidates = plan.candidates[step]
    assert len(set(candidates[used])) == used.sum()
    expected = {item: np.sum(own[real] == item) for item in own[real]}
    assert dict(zip(candidates[used], plan.counts[step][used], strict=True)) == expected
    assert (candidates[plan.positions[step]][real] == own[real]).all()
    # Padding is harmless: valid rows, candidates and positions of weight 0 or 1.
    assert set(plan.sample_weight[step]) <= {0.0, 1.0}
    assert ((candidates >= 0) & (candidates <= items.max())).all()
    assert ((plan.positions[step] >= 0) & (plan.positions[step] < len(candidates))).all()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_an_epoch_has_every_training_row_once_and_consistent_plans(data) -> None:
    items = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=40))
    rows = data.draw(st.lists(st.integers(0, len(items) - 1), min_size=1, max_size=40, unique=True))
    batch_size = data.draw(st.integers(1, 45))
    steps_per_block = data.draw(st.integers(1, 5))
    planner = planner_of(items, batch_size, rows, steps_per_block=steps_per_block)
    plans = list(planner.epoch(data.draw(st.integers(1, 3))))
    batches = real_rows(plans)
    assert sorted(row for batch in batches for row in batch) == sorted(rows)
    assert len(batches) == planner.steps_per_epoch == -(-len(rows) // planner.batch_size)
    # All batches are full but the last.
    assert {len(batch) for batch in batches[:-1]} <= {min(batch_size, len(rows))}
    for plan in plans:
        for step in range(plan.steps):
            check_step(plan, step, np.array(items))


def test_one_batch_by_hand() -> None:
    # Rows 0 to 4 with items 7, 3, 7, 7, 3: item 3 twice and 7 three times.
    (plan,) = planner_of([7, 3, 7, 7, 3], batch_size=5).epoch(1)
    assert sorted(plan.rows[0].tolist()) == [0, 1, 2, 3, 4]
    assert sorted(zip(plan.candidates[0], plan.counts[0], strict=True))[-2:] == [(3, 2), (7, 3)]


def test_the_last_batch_of_an_epoch_is_padded_with_weight_0() -> None:
    (plan,) = planner_of([0, 1, 2, 3, 4, 0, 1], batch_size=3).epoch(1)
    assert plan.steps == 3
    assert plan.sample_weight.tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 0]]
    assert plan.counts[2].sum() == 1


def test_every_plan_of_an_epoch_has_the_same_shapes() -> None:
    """So that XLA compiles once: 11 steps in plans of 4, the last with 3."""
    planner = planner_of(np.arange(43) % 6, batch_size=4, steps_per_block=4)
    plans = [*planner.epoch(1), *planner.epoch(2)]
    assert [plan.steps for plan in plans] == [4, 4, 3, 4, 4, 3]
    assert len({tuple(part.shape for part in list(vars(plan).values())[1:]) for plan in plans}) == 1
    assert not plans[2].sample_weight[3].any()
    assert not plans[2].counts[3].any()


def test_a_batch_larger_than_the_data_is_one_batch_of_all() -> None:
    planner = planner_of([0, 1, 2], batch_size=2_048)
    assert (planner.batch_size, planner.steps_per_epoch) == (3, 1)
    (plan,) = planner.epoch(1)
    assert plan.sample_weight.tolist() == [[1, 1, 1]]


def test_the_whole_catalogue_has_each_candidate_once_and_positions_are_items() -> None:
    items = np.array([4, 0, 4, 2])
    planner = planner_of(items, batch_size=3, whole_catalogue=True)
    (plan,) = planner.epoch(1)
    for step in range(2):
        assert plan.candidates[step].tolist() == [0, 1, 2, 3, 4]
        assert plan.counts[step].tolist() == [1] * 5
        real = plan.sample_weight[step] > 0
        assert (plan.positions[step][real] == items[plan.rows[step][real]]).all()
    assert sorted(row for batch in real_rows([plan]) for row in batch) == [0, 1, 2, 3]


def test_candidates_take_less_room_than_rows_where_items_repeat() -> None:
    items = np.tile(np.arange(20), 50)
    (plan,) = planner_of(items, batch_size=1_000).epoch(1)
    assert plan.candidates.shape == (1, 20)


def test_a_batch_with_more_distinct_candidates_than_foreseen_gets_its_room() -> None:
    batch, num_batches = 40, 90
    items = np.zeros(batch * num_batches, np.int32)
    # The order of the rows doesn't depend on the items: give each row of one late
    # batch an item of its own, where the planner, looking ahead, sees item 0 alone.
    late = real_rows(list(planner_of(items, batch).epoch(1)))[80]
    items[late] = np.arange(1, batch + 1)
    plans = list(planner_of(items, batch).epoch(1))
    widths = [plan.candidates.shape[1] for plan in plans]
    assert widths[0] < batch == widths[-1]
    for plan in plans:
        for step in range(plan.steps):
            check_step(plan, step, items)


def test_orders_differ_between_epochs_and_seeds_and_repeat_otherwise() -> None:
    items = np.arange(50) % 7

    def order(seed: int, epoch: int) -> list[list[int]]:
        return real_rows(list(planner_of(items, 8, seed=seed).epoch(epoch)))

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


@pytest.mark.parametrize("steps_per_block", [1, 3, 64])
def test_the_order_does_not_depend_on_the_blocks(steps_per_block: int) -> None:
    items = np.arange(50) % 7
    whole = real_rows(list(planner_of(items, 8).epoch(2)))
    assert real_rows(list(planner_of(items, 8, steps_per_block=steps_per_block).epoch(2))) == whole
