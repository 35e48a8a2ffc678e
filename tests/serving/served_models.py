"""Small trained models with every kind of feature, exported, for tests of serving."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from small_trials import small_config

from sweeper.config import METRICS, Config, FeatureConfig, FeaturesConfig
from sweeper.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)
from sweeper.data.interactions import Interactions, assemble
from sweeper.data.split import Split
from sweeper.evaluation.ranking import RankingTask, Ranks, ranking_tasks
from sweeper.evaluation.scoring import ModelScorer
from sweeper.serving.query_tower import QueryInputs, QueryTower
from sweeper.serving.search import ExactSearch
from sweeper.serving.served import ServedModel
from sweeper.training.loop import Callbacks, History, train
from sweeper.training.setup import Training, set_up_training

ROWS, USERS, ITEMS, TRAIN = 260, 20, 30, 180
MOODS = ["calm", "drôle", "Σοφός ΟΔΟΣ", "İstanbul by NIGHT!", "two\u2003words", "…", ""]
TAGS = ["a", "b", "c", "d", "unseen tag"]

QUERY = {
    "embedding": FeatureConfig("user_id", "embedding"),
    "buckets": FeatureConfig("timestamp", "buckets", num_boundaries=9),
    "normalized": FeatureConfig("timestamp", "normalized"),
    "numeric": FeatureConfig("age", "numeric"),
    "text": FeatureConfig("mood", "text", max_tokens=20),
    "lists": FeatureConfig("tags", "embedding"),
    "history": FeatureConfig("user_id", "history"),
    "word": FeatureConfig("mood", "embedding"),
}
CANDIDATE = [FeatureConfig("movie_title", "embedding"), FeatureConfig("movie_title", "text")]


def every_kind(nameless: bool = False) -> Interactions:
    """Rows with every type of column.

    After the training rows, which are the first `TRAIN`, there are users, moods and tags that
    these lack, an empty user, empty texts and lists, and missing times and ages.

    Args:
      nameless: whether the first candidate is named "".
    """
    num_rows = ROWS
    rng = np.random.default_rng(3)
    known = np.arange(num_rows) < TRAIN
    users = rng.integers(2, USERS - 4, num_rows)
    users[~known] = rng.integers(0, USERS, (~known).sum())
    times = 879024300.0 + rng.integers(0, 10**7, num_rows)
    ages = rng.integers(10, 80, num_rows) / 3
    times[~known & (rng.random(num_rows) < 0.2)] = np.nan
    ages[~known & (rng.random(num_rows) < 0.2)] = np.nan
    moods = rng.integers(0, len(MOODS), num_rows)
    moods[known & (moods == 1)] = 2
    lengths = rng.integers(0, 4, num_rows)
    tags = rng.integers(0, len(TAGS), lengths.sum())
    in_training = np.repeat(known, lengths)
    tags[in_training] %= len(TAGS) - 1
    columns: dict[str, Column] = {
        "user_id": words([f"u{user}" if user else "" for user in users]),
        "timestamp": NumericColumn(times),
        "age": NumericColumn(ages),
        "mood": words([MOODS[mood] for mood in moods]),
        "tags": CategoricalListColumn(
            tags.astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]), TAGS
        ),
    }
    titles = [f"{index:02d} {MOODS[index % len(MOODS)]}" for index in range(ITEMS)]
    titles[0] = "" if nameless else titles[0]
    genres = CategoricalListColumn(
        (np.arange(ITEMS) % 3).astype(np.int32), np.arange(ITEMS + 1), ["x", "y", "z"]
    )
    return assemble(
        columns,
        np.minimum(rng.geometric(0.12, num_rows), ITEMS).astype(np.int32) - 1,
        {
            "movie_title": CategoricalColumn(np.arange(ITEMS, dtype=np.int32), titles),
            "genres": genres,
        },
        source="made in a test",
        timestamp_column=None,
    )


def words(values: list[str]) -> CategoricalColumn:
    categories = sorted(set(values))
    codes = {category: code for code, category in enumerate(categories)}
    return CategoricalColumn(np.array([codes[each] for each in values], np.int32), categories)


@dataclass(frozen=True)
class Served:
    """A trained model, its evaluation's ranks, and what the saved model answers.

    Attributes:
      rows: those that are scored.
    """

    config: Config
    interactions: Interactions
    training: Training
    rows: np.ndarray
    task: RankingTask
    ranks: Ranks
    directory: Path

    @cached_property
    def signatures(self) -> Any:
        """Of what was saved, loaded again."""
        self.__dict__["loaded"] = tf.saved_model.load(str(self.directory))
        return self.__dict__["loaded"].signatures

    @property
    def titles(self) -> list[str]:
        return self.interactions.candidate_columns["movie_title"].categories  # type: ignore[union-attr]

    def inputs(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """The raw values of the scored rows, of every column that the model takes."""
        taken = self.rows if rows is None else rows
        used = {"user_id", *(each.column for each in self.config.features.query)}
        return {
            name: raw(self.interactions.query_columns[name].take(taken)) for name in sorted(used)
        }


def raw(column: Column) -> tf.Tensor:
    """A column as a request has it."""
    if isinstance(column, NumericColumn):
        return tf.constant(column.values, tf.float64)
    names = [category.encode() for category in column.categories]
    if isinstance(column, CategoricalColumn):
        return tf.constant([names[code] for code in column.codes])
    flat = tf.constant([names[code] for code in column.codes], tf.string)
    return tf.RaggedTensor.from_row_splits(flat, column.offsets).to_tensor(b"")


def serve(
    directory: Path,
    config: Config,
    change: Any = lambda model: None,
    nameless: bool = False,
) -> Served:
    """Trains on the first rows, and exports to `directory`.

    Args:
      change: what is done to the trained model's weights.
    """
    interactions = every_kind(nameless)
    split = Split(np.arange(TRAIN), np.zeros(0, np.int64), np.arange(TRAIN, ROWS), 0)
    training = set_up_training(config, interactions, split.train, threads=1)
    scores = Callbacks(lambda: dict.fromkeys(METRICS, 0.0))
    for _ in train(config.train, training, "top_100", scores, History()):
        pass
    change(training.model)
    task = ranking_tasks(config.data, config.evaluation, interactions, split)["test"]
    scorer = ModelScorer(training.model, training.encoded, split.test)
    candidates = scorer._model.embed_candidates(scorer._candidate, training=False).numpy()
    inputs = QueryInputs(config, interactions, training.encoded)
    tower = QueryTower(inputs, training.model, training.encoded)
    ServedModel(tower, ExactSearch(candidates), interactions, split.train).save(directory)
    return Served(config, interactions, training, split.test, task, scorer.rank(task), directory)


def config_of(*kinds: str, **parts: Any) -> Config:
    """A configuration whose query tower has these features."""
    features = FeaturesConfig(4, [QUERY[kind] for kind in kinds], list(CANDIDATE))
    return small_config(**({"features": features} | parts))
