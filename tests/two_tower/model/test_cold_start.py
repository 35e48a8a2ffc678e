"""Users and candidates that no training row has: how each kind encodes them, and their rank.

And what makes them reachable: a cold candidate is found by its words and genres, never by its id.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from small_trials import small_config

from sweeper.two_tower.config import (
    FEATURE_KINDS,
    TIMED_KINDS,
    DataConfig,
    FeatureConfig,
    FeaturesConfig,
    ModelConfig,
    OptimizerConfig,
    SyntheticConfig,
    TaskConfig,
    TrainConfig,
)
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import Split
from sweeper.two_tower.evaluation.ranking import EVERY, ranking_tasks
from sweeper.two_tower.evaluation.scoring import ModelScorer
from sweeper.two_tower.model.towers import feature_layer
from sweeper.two_tower.model.two_tower import build_model, encode_features
from sweeper.two_tower.trial import trial

# Eight training rows; then one of a cold user, one of a cold candidate, and one of both.
USERS = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 0, 4], np.int32)
ITEMS = np.array([0, 1, 1, 2, 2, 3, 3, 0, 1, 4, 4], np.int32)
SPLIT = Split(np.arange(8), np.zeros(0, np.int64), np.array([8, 9, 10]), 0)


def known(numbers: np.ndarray, cold: int, prefix: str) -> dict[str, object]:
    """A column of each type; what the number `cold` has, no other has."""
    words = ["dull old", "dull new", "calm old", "calm new", "strange zebra"]
    each = np.arange(5, dtype=np.int32)
    return {
        f"{prefix}_id": CategoricalColumn(numbers, [f"{prefix} {index}" for index in range(5)]),
        f"{prefix}_text": CategoricalColumn(numbers, words),
        f"{prefix}_tags": CategoricalListColumn(
            each, np.arange(6, dtype=np.int64), ["a", "b", "c", "d", "unseen"]
        ).take(numbers),
        f"{prefix}_number": NumericColumn(np.where(numbers == cold, 1e6, numbers.astype(float))),
    }


def cold_interactions() -> Interactions:
    """User 4 and candidate 4 are in no training row; times are the rows'."""
    return assemble(
        query_columns=known(USERS, 4, "user")
        | {"timestamp": NumericColumn(np.arange(len(USERS), dtype=np.int64))},
        items=ITEMS,
        candidate_columns=known(np.arange(5, dtype=np.int32), 4, "item"),
        source="made in a test",
        item_column="item_id",
    )


@dataclass
class Case:
    """A feature, and what it makes of the cold user, or candidate."""

    suffix: str
    kind: str
    cold_code: object


# The scaled one by hand: of training rows 0 to 3 twice each the mean is 1.5, the deviation
# sqrt(1.25).
CASES = [
    Case("id", "embedding", 0),
    Case("tags", "embedding", [1]),
    Case("text", "text", [1, 1]),
    Case("number", "buckets", 1_000),
    Case("number", "normalized", pytest.approx((1e6 - 1.5) / np.sqrt(1.25))),
    Case("number", "numeric", 1e6),
    Case("id", "history", [5, 0]),
]
# A candidate has no history.
BY_TOWER = [("query", case) for case in CASES] + [("candidate", case) for case in CASES[:-1]]


def config_of(tower: str, case: Case):
    """One feature in this tower, the id in the other."""
    features = {
        "query": [FeatureConfig("user_id", "embedding")],
        "candidate": [FeatureConfig("item_id", "embedding")],
    }
    prefix = "user" if tower == "query" else "item"
    features[tower] = [FeatureConfig(f"{prefix}_{case.suffix}", case.kind)]
    return small_config(features=FeaturesConfig(4, **features))


def test_every_kind_of_feature_is_held_to_it():
    # What reads histories has its own tests: tests/two_tower/model/test_sequences.py.
    assert {case.kind for case in CASES} == set(FEATURE_KINDS) - set(TIMED_KINDS)


@pytest.mark.parametrize(
    ("tower", "case"), BY_TOWER, ids=lambda each: each if isinstance(each, str) else each.kind
)
def test_a_cold_user_and_a_cold_candidate_are_encoded_and_ranked(tower: str, case: Case):
    interactions, config = cold_interactions(), config_of(tower, case)
    encoded = encode_features(config, interactions, SPLIT.train)
    (code,) = (encoded.query if tower == "query" else encoded.candidate).values()
    cold_rows = [8, 10] if tower == "query" else [4]
    for row in cold_rows:
        assert code[row].tolist() == case.cold_code
    if case.kind != "buckets":  # Its last bucket is also that of the largest number seen.
        seen_rows = [*range(8), 9] if tower == "query" else range(4)
        assert all(code[row].tolist() != case.cold_code for row in seen_rows)
    model = build_model(config, encoded)
    task = ranking_tasks(config.data, config.evaluation, interactions, SPLIT)["test"]
    scorer = ModelScorer(model, encoded, SPLIT.test)
    assert np.isfinite(scorer.scorer()(0, 3, EVERY)).all()
    ranks = scorer.rank(task)
    for each in (ranks.unfiltered, ranks.seen_filtered):
        assert each.shape == (3,)
        assert ((each >= 0) & (each < 5)).all()


def test_a_cold_user_has_no_history():
    encoded = encode_features(
        config_of("query", Case("id", "history", None)), cold_interactions(), SPLIT.train
    )
    layer = feature_layer(encoded.query_features[0])
    rows = layer(tf.constant(encoded.query["user_id_history"])).numpy()
    assert not rows[[8, 10]].any()
    assert rows[9].any()


NUM_ITEMS, COLD_ITEMS = 400, 80


def late_items() -> Interactions:
    """Synthetic rows in which `COLD_ITEMS` items, drawn at random, come after all others."""
    made_up = SyntheticConfig(600, NUM_ITEMS, 12_000, popularity_exponent=0.0, affinity=5.0)
    interactions = load_interactions(DataConfig(name="synthetic", synthetic=made_up))
    late = np.random.default_rng(0).permutation(NUM_ITEMS)[:COLD_ITEMS]
    is_late = np.isin(interactions.items, late)
    return replace(interactions, timestamps=1_000_000 * is_late + np.arange(len(is_late)))


def metrics_of_cold_items(
    tmp_path, monkeypatch, candidate: list[FeatureConfig], id_dropout: float = 0.0
):
    """A trial's metrics on test rows, whose candidates are all cold."""
    interactions = late_items()
    num_late = int((interactions.timestamps >= 1_000_000).sum())
    monkeypatch.setattr(trial, "load_interactions", lambda config, say: interactions)
    config = small_config(
        data=DataConfig(
            name="synthetic", split="temporal", validation_size=500, test_size=num_late
        ),
        features=FeaturesConfig(16, [FeatureConfig("user_id", "embedding")], candidate, id_dropout),
        model=ModelConfig(layer_sizes=[]),
        task=TaskConfig("corrected_softmax"),
        optimizer=OptimizerConfig("adam", 0.01),
        train=TrainConfig(epochs=6, batch_size=512, eval_every_epochs=6, xla=False),
    )
    quiet = Console(file=io.StringIO())
    record = trial.run_trial(config, tmp_path, console=quiet, draw=False)
    assert record.by_cold_start["test"]["cold_item"]["rows"] == num_late > 2_000
    return record.by_cold_start["test"]["cold_item"]


ID = FeatureConfig("movie_title", "embedding")
# "title" and the sixteen words for traits; the numbers, of which each title has its own, are
# left out.
ABOUT = [
    FeatureConfig("movie_title", "text", max_tokens=19),
    FeatureConfig("movie_genres", "embedding"),
]


def test_by_its_id_alone_a_cold_item_is_never_found(tmp_path, monkeypatch):
    """All 80 have the id's row for unknown ones, and so one score: a tie never helps."""
    metrics = metrics_of_cold_items(tmp_path, monkeypatch, [ID])
    assert metrics["top_50"] == metrics["seen_filtered_top_50"] == 0


def test_by_its_words_and_genres_a_cold_item_is_found(tmp_path, monkeypatch):
    """By chance a row's candidate is among the first ten of 400 for one row in 40."""
    metrics = metrics_of_cold_items(tmp_path, monkeypatch, ABOUT)
    assert metrics["top_10"] > 3 * 10 / NUM_ITEMS
    assert metrics["seen_filtered_top_10"] > 5 * 10 / NUM_ITEMS
    assert metrics["top_50"] > 2.5 * 50 / NUM_ITEMS


def test_with_its_id_beside_them_it_is_still_found(tmp_path, monkeypatch):
    """Less often: the ids of the others have learned whom they suit."""
    metrics = metrics_of_cold_items(tmp_path, monkeypatch, [ID, *ABOUT])
    assert metrics["seen_filtered_top_50"] > 1.5 * 50 / NUM_ITEMS
    assert metrics["top_100"] > 1.4 * 100 / NUM_ITEMS


def test_with_ids_dropped_in_training_it_is_found_beside_them(tmp_path, monkeypatch):
    """Seen-filtered top-10 is 0.147 where it is 0.024 with ids that are always known."""
    metrics = metrics_of_cold_items(tmp_path, monkeypatch, [ID, *ABOUT], id_dropout=0.3)
    assert metrics["seen_filtered_top_10"] > 4 * 10 / NUM_ITEMS
    assert metrics["top_50"] > 2.2 * 50 / NUM_ITEMS
