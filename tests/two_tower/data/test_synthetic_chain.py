"""The order of made-up data: probabilities by hand, and that the rows are drawn by them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sweeper.two_tower.config import Config, DataConfig, SyntheticConfig
from sweeper.two_tower.data import synthetic
from sweeper.two_tower.data.histories import NO_ITEM, find_histories
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.synthetic import synthetic_structure
from sweeper.two_tower.data.synthetic_chain import TRANSITION_AFFINITY, NextItem
from sweeper.two_tower.validation import data_problems

CONFIG = SyntheticConfig(num_users=300, num_items=120, num_interactions=9_000, rank=4, seed=3)
ORDERED = replace(CONFIG, markov_share=0.8)


def load(config: SyntheticConfig) -> Interactions:
    return load_interactions(DataConfig(name="synthetic", synthetic=config))


def test_without_an_order_the_rows_and_their_cache_are_those_of_before_there_was_one() -> None:
    assert load(CONFIG).fingerprint == (
        "1b61b01fb496f48629ff31581ec5a1a6a1c606f289e8982664e8dacaedc75cb8"
    )
    assert synthetic.entry(CONFIG).key == "42269af77ac95812"
    assert synthetic.entry(ORDERED) != synthetic.entry(CONFIG)


def test_probabilities_by_hand_of_a_single_axis() -> None:
    # Liked items count twice, disliked ones half; on one axis an item is followed by its like.
    config = SyntheticConfig(rank=1, affinity=np.log(2), markov_share=0.6)
    next_item = NextItem(
        config, np.array([[1.0]]), np.array([[1.0], [-1.0], [1.0]]), np.array([0.5, 0.3, 0.2])
    )
    users, nothing = np.array([0]), np.zeros((1, 3), bool)
    first = next_item.probabilities(users, np.array([NO_ITEM]), nothing)
    np.testing.assert_allclose(first, [[1.0 / 1.55, 0.15 / 1.55, 0.4 / 1.55]], rtol=1e-5)
    second = next_item.probabilities(users, np.array([0]), np.array([[True, False, False]]))
    unlike = 0.3 * np.exp(-TRANSITION_AFFINITY) / 0.2 / np.exp(TRANSITION_AFFINITY)
    chain = unlike / (1 + unlike)
    expected = 0.6 * chain + 0.4 * 0.15 / 0.55
    np.testing.assert_allclose(second, [[0.0, expected, 1 - expected]], rtol=1e-5)


def test_an_item_is_followed_by_one_that_lies_far_out_on_the_next_axis() -> None:
    axes = np.sqrt(3) * np.eye(3)
    config = SyntheticConfig(rank=3, affinity=0.0, markov_share=1.0)
    next_item = NextItem(config, axes, axes, np.full(3, 1 / 3))
    every = np.arange(3)
    found = next_item.probabilities(every, every, np.zeros((3, 3), bool))
    assert found.argmax(axis=1).tolist() == [1, 2, 0]
    ratio = np.exp(TRANSITION_AFFINITY * np.sqrt(3))
    np.testing.assert_allclose(found.max(axis=1), ratio / (ratio + 2), rtol=1e-5)


def test_what_remains_has_a_probability_however_unlikely_it_was() -> None:
    config = SyntheticConfig(rank=1, affinity=1_000.0, markov_share=0.5)
    factors = np.array([[1.0], [-1.0], [-1.0]])
    next_item = NextItem(config, factors[:1], factors, np.array([0.5, 0.3, 0.2]))
    left = next_item.probabilities(np.array([0]), np.array([0]), np.array([[True, False, False]]))
    np.testing.assert_allclose(left, [[0.0, 0.6, 0.4]], rtol=1e-5)


def test_whole_sequences_are_as_frequent_as_their_probability() -> None:
    """All 24 orders of four items, drawn 40,000 times, against the product of their steps."""
    config = SyntheticConfig(rank=2, affinity=1.0, markov_share=0.5)
    rng = np.random.default_rng(5)
    items = rng.standard_normal((4, 2))
    user, popularity = np.array([[0.3, -1.0]]), np.array([0.4, 0.3, 0.2, 0.1])
    next_item = NextItem(config, user, items, popularity)
    rates = popularity * np.exp(user @ items.T / np.sqrt(2))
    number = 40_000
    by_taste = np.argsort(rng.exponential(1 / rates, (number, 4)), axis=1)
    drawn = next_item.draw(by_taste, np.full(number, 4), rng)
    share_of = {
        tuple(order): count / number
        for order, count in zip(*np.unique(drawn, axis=0, return_counts=True), strict=True)
    }
    expected = {}
    for order in itertools.permutations(range(4)):
        expected[order], previous, had = 1.0, NO_ITEM, np.zeros((1, 4), bool)
        for item in order:
            chances = next_item.probabilities(np.array([0]), np.array([previous]), had)
            expected[order] *= float(chances[0, item])
            previous, had[0, item] = item, True
    assert sum(expected.values()) == pytest.approx(1)
    for order, chance in expected.items():
        deviation = np.sqrt(chance * (1 - chance) / number)
        assert share_of.get(order, 0.0) == pytest.approx(chance, abs=4 * deviation), order


@pytest.mark.parametrize("share", [0.01, 0.8, 1.0])
def test_an_order_changes_the_items_alone(share: float) -> None:
    config = replace(CONFIG, markov_share=share)
    ordered, without = load(config), load(CONFIG)
    assert load(config).fingerprint == ordered.fingerprint != without.fingerprint
    assert f"rank 4, Markov share {share:g}, seed 3" in ordered.source
    np.testing.assert_array_equal(ordered.users, without.users)
    np.testing.assert_array_equal(ordered.timestamps, without.timestamps)
    pairs = set(zip(ordered.users.tolist(), ordered.items.tolist(), strict=True))
    assert len(pairs) == 9_000


def test_rows_follow_the_chain_in_the_order_that_histories_have() -> None:
    """The chain's own probability of what came, far above that of the rows in another order."""
    config = replace(CONFIG, markov_share=1.0)
    next_item = NextItem(config, *synthetic_structure(config))

    def mean_probability(interactions: Interactions) -> float:
        histories = find_histories(interactions)
        rows = np.flatnonzero(histories.lengths(np.arange(9_000)))
        had = np.zeros((len(rows), 120), bool)
        had[histories.pairs(rows)] = True
        previous = histories.latest(rows, 1)[:, 0]
        chances = next_item.probabilities(interactions.users[rows], previous, had)
        return float(chances[np.arange(len(rows)), interactions.items[rows]].mean())

    ordered = load(config)
    backwards = replace(ordered, timestamps=-ordered.timestamps)
    assert mean_probability(ordered) > 0.2
    assert mean_probability(backwards) < 0.08


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_users_who_take_every_item(share: float) -> None:
    interactions = load(
        SyntheticConfig(
            num_users=3, num_items=2, num_interactions=6, rank=1, markov_share=share, affinity=20.0
        )
    )
    assert sorted(zip(interactions.users.tolist(), interactions.items.tolist(), strict=True)) == [
        (user, item) for user in range(3) for item in range(2)
    ]


def test_ordered_data_that_takes_seconds_to_draw_is_kept() -> None:
    config = SyntheticConfig(num_users=100, num_items=2_000, num_interactions=50_000)
    assert not synthetic.is_kept(config)
    assert synthetic.is_kept(replace(config, markov_share=0.5))


def test_an_order_is_of_made_up_data_alone() -> None:
    data = DataConfig(name="movielens_100k", synthetic=SyntheticConfig(markov_share=0.5))
    assert data_problems(Config(data=data)) == [
        "data.synthetic: is given with data.name 'movielens_100k'; it only applies to "
        "data=synthetic"
    ]
