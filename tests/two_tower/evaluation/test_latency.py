"""The time of a query: the median over rows, of a whole answer, after a warm-up."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from small_trials import skewed_interactions, small_config, tutorial_features

from sweeper.two_tower.config import ModelConfig
from sweeper.two_tower.evaluation import latency
from sweeper.two_tower.evaluation.latency import milliseconds_per_query
from sweeper.two_tower.evaluation.ranking import EVERY
from sweeper.two_tower.evaluation.scoring import ModelScorer
from sweeper.two_tower.training.setup import set_up_training

INTERACTIONS = skewed_interactions(num_rows=200)
ROWS = np.arange(100, 200)


@pytest.fixture
def training():
    config = small_config(features=tutorial_features(4))
    return set_up_training(config, INTERACTIONS, np.arange(100), threads=1)


def test_the_median_of_all_timed_queries_in_milliseconds(training, monkeypatch) -> None:
    # By hand: query n takes n squared milliseconds, of 0 to 49.
    times = itertools.chain.from_iterable((0.0, n**2 / 1_000) for n in range(50))
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(times))
    measured = milliseconds_per_query(training.model, training.encoded, ROWS)
    assert measured == pytest.approx((24**2 + 25**2) / 2)
    assert next(times, None) is None


@pytest.mark.parametrize("number", [1, 7, 50, 100])
def test_the_rows_asked_for_are_different_ones_and_the_answers_exact(
    training, monkeypatch, number
) -> None:
    rows, asked = ROWS[:number], []
    monkeypatch.setattr(
        latency,
        "_seconds",
        lambda answer, query, seen: asked.append((query, answer(query, seen))) or 0.001,
    )
    milliseconds_per_query(training.model, training.encoded, rows)
    times = [float(query["timestamp_normalized"][0]) for query, _ in asked]
    assert len(set(times)) == len(times) == min(number, 50)
    assert set(times) <= {float(x) for x in training.encoded.query["timestamp_normalized"][rows]}
    candidates = training.model.candidate_tower(training.encoded.candidate).numpy()
    for query, (scores, items) in asked:
        assert all(value.shape[0] == 1 for value in query.values())
        own = (training.model.query_tower(query).numpy() @ candidates.T)[0]
        # Of 40 candidates all are among the best 100.
        assert sorted(items[0].numpy()) == list(range(40))
        np.testing.assert_allclose(scores[0].numpy(), own[items[0].numpy()], rtol=1e-5)
        assert (np.diff(scores[0].numpy()) <= 0).all()


def test_the_answer_has_the_bias_of_what_was_seen(monkeypatch) -> None:
    config = small_config(model=ModelConfig(layer_sizes=[4], seen_bias=True))
    config = replace(config, data=replace(config.data, split="temporal"))
    made = set_up_training(config, INTERACTIONS, np.arange(100), threads=1)
    made.model.seen_bias.assign(-2.0)
    answers = []
    monkeypatch.setattr(
        latency, "_seconds", lambda answer, *asked: answers.append(answer(*asked)) or 0.001
    )
    milliseconds_per_query(made.model, made.encoded, ROWS[:9])
    expected = ModelScorer(made.model, made.encoded, ROWS[:9]).scorer()(0, 9, EVERY)
    for row, (scores, items) in enumerate(answers):
        np.testing.assert_allclose(scores[0], expected[row][items[0].numpy()], rtol=1e-5)
    assert (expected < -1).any()
