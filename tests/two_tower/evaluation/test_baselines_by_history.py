"""Baselines that go by times: by hand, and by plain loops over any table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from test_baselines import ridge_weights
from test_seen_before import interactions_of

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import DataConfig, EvaluationConfig, baseline_name, ease_last
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.split import Split
from sweeper.two_tower.evaluation import baseline_models
from sweeper.two_tower.evaluation.baseline_models import STEP, Ease
from sweeper.two_tower.evaluation.baselines import fit_baselines
from sweeper.two_tower.evaluation.ranking import EVERY, RankingTask, ranking_tasks

ITEMS, DAY = 5, 86_400
NOBODY = np.array([], np.int64)
# (user, item, time in days) of each row; the last three are held out.
TABLE = [
    (0, 0, 1), (0, 1, 2), (0, 2, 5),
    (1, 1, 2), (1, 0, 6),
    (2, 3, 6), (2, 1, 6),
    (0, 3, 7), (0, 4, 8), (3, 0, 8),
]  # fmt: skip


def parts_of(
    rows: list[tuple[int, int, int]], test: list[int], **values: str
) -> tuple[Interactions, Split, RankingTask]:
    """The rows, which of them are for training, and the task of the others."""
    interactions = interactions_of([(user, item, DAY * day) for user, item, day in rows])
    train = np.setdiff1d(np.arange(len(rows)), test)
    split = Split(train, NOBODY, np.array(test), 0)
    config = DataConfig(**{"split": "temporal", **values})
    return (
        interactions,
        split,
        ranking_tasks(config, EvaluationConfig(), interactions, split)["test"],
    )


def scores_of(name: str, parts: tuple[Interactions, Split, RankingTask], **values: float):
    interactions, split, task = parts
    config = EvaluationConfig(baselines=[name], **values)
    return fit_baselines(config, interactions, split.train)[name](task)(0, len(task), EVERY)


def order_of(scores: np.ndarray) -> list[int]:
    return np.argsort(-scores, kind="stable").tolist()


def test_recent_popularity_by_hand() -> None:
    parts = parts_of(TABLE, [7, 8, 9])
    # Of all training rows items 0 to 4 have 2, 3, 1, 1 and 0.
    assert order_of(scores_of("popularity", parts)[0]) == [1, 0, 2, 3, 4]
    # The last is of day 6: after day 4 items 2, 0, 3 and 1 have one row each.
    assert order_of(scores_of("recent_popularity", parts, recent_popularity_days=2)[0]) == [
        1, 0, 2, 3, 4,
    ]  # fmt: skip
    # After day 5 item 2 has none; a row of just that age doesn't count.
    scores = scores_of("recent_popularity", parts, recent_popularity_days=1)
    assert order_of(scores[0]) == [1, 0, 3, 2, 4]
    np.testing.assert_array_equal(scores, np.tile(scores[0], (3, 1)))


def test_covisitation_by_hand() -> None:
    # Sequences 0 1 2, 1 0 and 3 1: neighbours count 1, and 0 and 2 one half for each other.
    parts = parts_of(TABLE, [7, 8, 9])
    rows = {0: [0, 2, 0.5, 0, 0], 1: [2, 0, 1, 1, 0], 2: [0.5, 1, 0, 0, 0], 3: [0, 1, 0, 0, 0]}
    scores = scores_of("covisitation", parts, covisitation_window=2, covisitation_history=2)
    # The second row has the first, held out like it, in its history.
    last, before = np.array(rows[2]), np.array(rows[1])
    np.testing.assert_allclose(scores[0], last + before / 2, atol=1e-6)
    np.testing.assert_allclose(scores[1], rows[3] + last / 2, atol=1e-6)
    # Equal scores by popularity; user 3 has no history, and gets the popularity list.
    assert order_of(scores[1]) == [1, 0, 2, 3, 4]
    assert order_of(scores[2]) == [1, 0, 2, 3, 4]
    narrow = scores_of("covisitation", parts, covisitation_window=1, covisitation_history=1)
    np.testing.assert_allclose(narrow[0], [0, 1, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("lead", "first"),
    # In steps: none, none, one, and many. Popularity alone decides where it is none.
    [(0.0, 1), (0.4 * STEP, 1), (0.6 * STEP, 0), (100 * STEP, 0)],
)
def test_popularity_decides_between_equal_co_visitation_scores_alone(
    lead: float, first: int, monkeypatch
) -> None:
    # Item 0 leads item 1, the most popular of all.
    counts = np.zeros((ITEMS, ITEMS))
    counts[4, :2] = 100 + lead, 100
    monkeypatch.setattr(baseline_models, "covisitation_counts", lambda *_: csr_array(counts))
    rows = [(0, 1, 1), (0, 1, 2), (1, 1, 2), (1, 2, 2), (1, 3, 2), (0, 4, 3), (0, 0, 4)]
    scores = scores_of("covisitation", parts_of(rows, [6]))[0]
    assert order_of(scores)[0] == first


def test_ease_by_hand_knows_what_came_before_the_row() -> None:
    parts = parts_of(TABLE, [7, 8, 9])
    matrix = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0], [0] * 5], float)
    weights = ridge_weights(matrix, 0.5)
    scores = scores_of("ease", parts, ease_regularization=0.5)
    np.testing.assert_allclose(scores[0], weights[[0, 1, 2]].sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(scores[1], weights[[0, 1, 2, 3]].sum(axis=0), atol=1e-5)
    assert order_of(scores[2]) == [1, 0, 2, 3, 4]
    latest = scores_of("ease_last_2", parts, ease_regularization=0.5)
    np.testing.assert_allclose(latest[1], weights[[2, 3]].sum(axis=0), atol=1e-5)


tables = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, ITEMS - 1), st.integers(0, 4)),
    min_size=5,
    max_size=30,
)


@settings(max_examples=30, deadline=None)
@given(
    tables,
    st.sampled_from(["temporal", "random"]),
    st.sampled_from(["include", "exclude"]),
    st.integers(1, 4),
    st.integers(1, 4),
    st.data(),
)
def test_scores_are_those_of_the_plainest_loops(table, split, same_time, window, last, data):
    every = range(len(table))
    by_time = sorted(every, key=lambda row: (table[row][2], row))
    if split == "temporal":
        test = sorted(by_time[-3:])
    else:
        test = sorted(data.draw(st.sets(st.sampled_from(every), min_size=1, max_size=4)))
    parts = parts_of(table, test, split=split, same_time=same_time)
    train = [row for row in by_time if row not in test]
    known = by_time if split == "temporal" else train

    def earlier(row: int) -> list[int]:
        """The items that the row's user had before it, the latest last."""
        user, _, day = table[row]
        ties = same_time == "include"
        return [
            table[each][1]
            for each in known
            if table[each][0] == user
            and (table[each][2] < day or (ties and table[each][2] == day and each < row))
        ]

    popularity = np.zeros(ITEMS)
    matrix, counts = np.zeros((4, ITEMS)), np.zeros((ITEMS, ITEMS))
    for row in train:
        user, item, _ = table[row]
        popularity[item] += 1
        matrix[user, item] = 1
    for user in range(4):
        sequence = [table[row][1] for row in train if table[row][0] == user]
        for i, item in enumerate(sequence):
            for j, other in enumerate(sequence):
                if 1 <= abs(i - j) <= window:
                    counts[item, other] += 1 / abs(i - j)
    weights = ridge_weights(matrix, 3.0)
    places = ITEMS - np.argsort(np.argsort(-popularity, kind="stable"))

    values = {"covisitation_window": window, "covisitation_history": last}
    found = {
        name: scores_of(name, parts, ease_regularization=3.0, **values)
        for name in ("covisitation", "ease", f"ease_last_{last}")
    }
    for position, row in enumerate(test):
        history = earlier(row)
        expected = sum(
            (counts[item] / age for age, item in enumerate(history[::-1][:last], 1)),
            np.zeros(ITEMS),
        )
        np.testing.assert_allclose(found["covisitation"][position], expected, atol=2e-6)
        # Among equal scores the more popular one is ahead.
        assert (
            order_of(found["covisitation"][position])
            == np.lexsort((-places, -expected.round(9))).tolist()
        )
        latest = weights[sorted(set(history[-last:]))].sum(axis=0) if history else places
        np.testing.assert_allclose(found[f"ease_last_{last}"][position], latest, atol=1e-4)
        if split == "random":
            everything = matrix[table[row][0]] @ weights
        else:
            everything = weights[sorted(set(history))].sum(axis=0) if history else places
        np.testing.assert_allclose(found["ease"][position], everything, atol=1e-4)


def test_under_the_random_split_ease_has_the_same_bits_as_ever() -> None:
    rng = np.random.default_rng(3)
    table = [(int(rng.integers(4)), int(rng.integers(ITEMS)), day) for day in range(60)]
    interactions, split, task = parts_of(table, list(range(0, 60, 3)), split="random")
    users, items = interactions.users[split.train], interactions.items[split.train]
    matrix = np.zeros((4, ITEMS), np.float32)
    matrix[users, items] = 1.0
    gram = (matrix.T @ matrix).astype(np.float64)
    gram[np.diag_indices(ITEMS)] += 600.0
    inverse = np.linalg.inv(gram)
    inverse /= -np.diag(inverse)
    np.fill_diagonal(inverse, 0.0)
    expected = matrix[task.users] @ inverse.astype(np.float32)
    np.testing.assert_array_equal(scores_of("ease", (interactions, split, task)), expected)
    # Without times it goes by training rows, too.
    bare = replace(task, histories=None)
    np.testing.assert_array_equal(scores_of("ease", (interactions, split, bare)), expected)


def test_ease_is_fitted_once_for_all_that_go_by_it(monkeypatch) -> None:
    fits, fit = [], Ease.fit
    monkeypatch.setattr(Ease, "fit", lambda *values: fits.append(values) or fit(*values))
    interactions, split, task = parts_of(TABLE, [7, 8, 9])
    names = ["ease_last_1", "ease", "ease_last_10"]
    fitted = fit_baselines(EvaluationConfig(baselines=names), interactions, split.train)
    assert len(fits) == 1
    assert list(fitted) == ["popularity", *names]
    for name in names:
        assert fitted[name](task)(0, 1, EVERY).shape == (1, ITEMS)
    # Without any of them it isn't fitted at all.
    fit_baselines(EvaluationConfig(baselines=["covisitation"]), interactions, split.train)
    assert len(fits) == 1


@pytest.mark.parametrize("name", ["recent_popularity", "covisitation", "ease_last_3"])
def test_without_times_none_is_fitted(name: str) -> None:
    interactions, split, _ = parts_of(TABLE, [7, 8, 9])
    bare = replace(interactions, timestamps=None, timestamp_column=None)
    with pytest.raises(ConfigError, match=rf"evaluation\.baselines: got '{name}', which needs"):
        fit_baselines(EvaluationConfig(baselines=["ease", name]), bare, split.train)


def test_names_in_yaml_and_in_tables() -> None:
    named = {
        "popularity": "popularity",
        "recent_popularity": "recent popularity",
        "covisitation": "co-visitation",
        "ease": "EASE",
        "ease_last_10": "EASE last 10",
        "plugins:mine": "plugins:mine",
        # A study's reference, whose name is that of its experiment.
        "tutorial_two_layer": "tutorial_two_layer",
    }
    assert {name: baseline_name(name) for name in named} == named
    names = (
        "ease_last_1",
        "ease_last_1000",
        "ease_last_1001",
        "ease_last_0",
        "ease",
        "ease_last_5x",
    )
    assert [ease_last(name) for name in names] == [1, 1_000, None, None, None, None]
