from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sweeper.two_tower.config import Config, DataConfig, SyntheticConfig
from sweeper.two_tower.data import synthetic
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.synthetic import synthetic_structure
from sweeper.two_tower.validation import data_problems

CONFIG = SyntheticConfig(num_users=300, num_items=120, num_interactions=9_000, rank=4, seed=3)


def load(config: SyntheticConfig) -> Interactions:
    return load_interactions(DataConfig(name="synthetic", synthetic=config))


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    return load(CONFIG)


def test_sizes_and_distinct_pairs(interactions: Interactions) -> None:
    assert len(interactions) == 9_000
    assert (interactions.num_users, interactions.num_items) == (300, 120)
    assert interactions.source.startswith("synthetic: 300 users x 120 items")
    pairs = set(zip(interactions.users.tolist(), interactions.items.tolist(), strict=True))
    assert len(pairs) == 9_000
    assert set(interactions.users.tolist()) == set(range(300))


def test_same_configuration_same_bits_another_seed_other_bits(
    interactions: Interactions,
) -> None:
    assert load(CONFIG).fingerprint == interactions.fingerprint
    other = load(dataclasses.replace(CONFIG, seed=4))
    assert other.fingerprint != interactions.fingerprint


def test_every_column_fits_its_rows_and_has_sorted_categories(
    interactions: Interactions,
) -> None:
    for columns, length in (
        (interactions.query_columns, 9_000),
        (interactions.candidate_columns, 120),
    ):
        for name, column in columns.items():
            assert len(column) == length, name
            if isinstance(column, CategoricalColumn | CategoricalListColumn):
                assert column.categories == sorted(set(column.categories)), name
                assert 0 <= column.codes.min() <= column.codes.max() < len(column.categories)
    assert interactions.query_columns["user_id"].categories[0] == "user_001"


def test_time_goes_forward_but_for_noise(interactions: Interactions) -> None:
    steps = np.diff(interactions.timestamps)
    assert (steps < 0).any()
    assert np.corrcoef(interactions.timestamps, np.arange(9_000))[0, 1] > 0.99


def test_counts_follow_the_popularity(interactions: Interactions) -> None:
    _, _, popularity = synthetic_structure(CONFIG)
    counts = np.bincount(interactions.items, minlength=120)
    by_popularity = counts[np.argsort(-popularity)]
    fifths = by_popularity.reshape(5, 24).sum(axis=1)
    assert (np.diff(fifths) < 0).all()
    assert popularity.sum() == pytest.approx(1)
    assert popularity.max() / popularity.min() == pytest.approx(120**0.8)


def test_the_low_rank_structure_can_be_recovered(interactions: Interactions) -> None:
    """Neighbours of rank 4 in the counts, popularity taken off, are those of the truth."""
    user_factors, item_factors, _ = synthetic_structure(CONFIG)
    matrix = np.zeros((300, 120))
    matrix[interactions.users, interactions.items] = 1
    expected = matrix.sum(1, keepdims=True) * matrix.sum(0, keepdims=True) / matrix.sum()
    residual = (matrix - expected) / np.sqrt(expected)
    _, values, right = np.linalg.svd(residual, full_matrices=False)
    assert values[3] > 1.5 * values[4]
    projection = right[:4].T @ right[:4]
    found = projection @ item_factors
    assert np.linalg.norm(found) > 0.9 * np.linalg.norm(item_factors)
    liking = (user_factors[interactions.users] * item_factors[interactions.items]).sum(1)
    assert liking.mean() > 1  # over all pairs it is 0


def test_without_affinity_the_choice_does_not_depend_on_the_user() -> None:
    config = dataclasses.replace(CONFIG, affinity=0.0)
    interactions = load(config)
    user_factors, item_factors, _ = synthetic_structure(config)
    liking = (user_factors[interactions.users] * item_factors[interactions.items]).sum(1)
    assert abs(liking.mean()) < 0.1


def test_titles_and_genres_tell_of_the_factors(interactions: Interactions) -> None:
    _, item_factors, _ = synthetic_structure(CONFIG)
    titles = interactions.candidate_columns["movie_title"].categories
    strongest = np.abs(item_factors).argmax(axis=1)
    positive = item_factors[np.arange(120), strongest] > 0
    words = [title.split()[2] for title in titles]
    for word in set(words):
        here = [index for index, other in enumerate(words) if other == word]
        assert len(set(strongest[here])) == len(set(positive[here])) == 1


@pytest.mark.parametrize(
    "config",
    [
        SyntheticConfig(num_users=3, num_items=2, num_interactions=6, rank=1),
        SyntheticConfig(num_users=10, num_items=5, num_interactions=3),
        SyntheticConfig(num_users=1, num_items=2, num_interactions=2, rank=30),
    ],
)
def test_extreme_sizes(config: SyntheticConfig) -> None:
    interactions = load(config)
    assert len(interactions) == config.num_interactions
    assert interactions.num_users == config.num_users
    assert interactions.num_items == config.num_items


def test_more_interactions_than_pairs() -> None:
    config = SyntheticConfig(num_users=3, num_items=2, num_interactions=7)
    data = DataConfig(name="synthetic", synthetic=config)
    assert data_problems(Config(data=data)) == [
        "data.synthetic.num_interactions: got 7; must be at most the 6 pairs of "
        "data.synthetic.num_users and num_items"
    ]
    data.name = "movielens_100k"
    assert data_problems(Config(data=data)) == [
        "data.synthetic: is given with data.name 'movielens_100k'; it only applies to "
        "data=synthetic"
    ]


@pytest.mark.parametrize("limit", [("KEPT_ROWS", 1_000), ("KEPT_CELLS", 50 * 40)])
def test_large_data_is_drawn_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: tuple[str, int]
) -> None:
    monkeypatch.setattr(synthetic, *limit)
    config = DataConfig(
        name="synthetic",
        cache_dir=str(tmp_path),
        synthetic=SyntheticConfig(num_users=50, num_items=40, num_interactions=1_000),
    )
    said: list[str] = []
    drawn = load_interactions(config, said.append)
    assert said == ["Drawing 1,000 interactions, user by user ..."]
    monkeypatch.setattr(synthetic, "generate", lambda *_: pytest.fail("drawn again"))
    kept = load_interactions(config, said.append)
    assert kept.fingerprint == drawn.fingerprint
    np.testing.assert_array_equal(kept.items, drawn.items)
    other = dataclasses.replace(config.synthetic, seed=1)
    assert synthetic.entry(other) != synthetic.entry(config.synthetic)
