"""Small trained models with every kind of feature, exported, for tests of serving."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from small_trials import small_config

from sweeper.serving.query_tower import HISTORY_KINDS, QueryInputs, QueryTower
from sweeper.serving.saved_model import ExactSearch, ServedModel
from sweeper.two_tower.config import (
    METRICS,
    TIMED_KINDS,
    Config,
    FeatureConfig,
    FeaturesConfig,
    SequenceConfig,
)
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)
from sweeper.two_tower.data.histories import Histories, histories_of
from sweeper.two_tower.data.interactions import Interactions, assemble
from sweeper.two_tower.data.split import Split
from sweeper.two_tower.evaluation.ranking import RankingTask, Ranks, ranking_tasks
from sweeper.two_tower.evaluation.scoring import ModelScorer
from sweeper.two_tower.training.loop import Callbacks, History, train
from sweeper.two_tower.training.setup import Training, set_up_training

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
# Of what the user did before: for rows with times, split by them.
PAST = {
    "titles": FeatureConfig("movie_title", "sequence"),
    "few_titles": FeatureConfig("movie_title", "sequence", max_length=3),
    "words": FeatureConfig("movie_title", "sequence", item_kind="text", encoder="mean"),
    "genres": FeatureConfig("genres", "sequence", encoder="gru", share_with_candidates=False),
    "gap": FeatureConfig("timestamp", "time_gap"),
    "length": FeatureConfig("user_id", "history_length"),
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


def timed() -> Interactions:
    """Rows in the order of their times, of which many are equal.

    After the training rows, which are the first `TRAIN`, there are users that these lack, some of
    whom have one row alone, and titles.
    """
    rng = np.random.default_rng(5)
    known = np.arange(ROWS) < TRAIN
    users = rng.integers(3, USERS - 4, ROWS)
    users[~known] = rng.integers(0, USERS, (~known).sum())
    users[-3:] = [USERS, USERS + 1, USERS + 2]
    items = np.minimum(rng.geometric(0.12, ROWS), ITEMS - 4) - 1
    items[~known & (rng.random(ROWS) < 0.3)] = ITEMS - 2
    titles = [f"{index:02d} {MOODS[index % len(MOODS)]}" for index in range(ITEMS)]
    genres = CategoricalListColumn(
        (np.arange(2 * ITEMS) % 7).astype(np.int32), 2 * np.arange(ITEMS + 1), [*"tuvwxyz"]
    )
    times = 879024300 + np.cumsum(rng.integers(0, 2, ROWS) * rng.integers(1, 10**5, ROWS))
    return assemble(
        {
            "user_id": words([f"u{user}" for user in users]),
            "timestamp": NumericColumn(times.astype(np.int64)),
            "mood": words([MOODS[index % len(MOODS)] for index in range(ROWS)]),
        },
        items.astype(np.int32),
        {
            "movie_title": CategoricalColumn(np.arange(ITEMS, dtype=np.int32), titles),
            "genres": genres,
        },
        source="made in a test",
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
        features = self.config.features.query
        used = {each.column for each in features if each.kind not in TIMED_KINDS}
        kinds = {each.kind for each in features}
        history = {}
        if not kinds.isdisjoint(HISTORY_KINDS):
            history["history"] = padded(self.histories_of(taken))
        if "time_gap" in kinds:
            times = self.interactions.timestamps
            history["seconds_since_last"] = tf.constant(
                self.histories.seconds_since_last(taken, times)
            )
        used |= set() if "history" in history else {"user_id"}
        columns = {name: self.interactions.query_columns[name] for name in sorted(used)}
        return {name: raw(column.take(taken)) for name, column in columns.items()} | history

    @cached_property
    def histories(self) -> Histories:
        return histories_of(self.config.data, self.interactions, np.arange(TRAIN))

    def histories_of(self, rows: np.ndarray) -> list[list[str]]:
        """The titles before each row, the most recent one last."""
        history = self.histories
        return [
            [self.titles[item] for item in history.items[history.starts[row] : history.stops[row]]]
            for row in rows
        ]


def raw(column: Column) -> tf.Tensor:
    """A column as a request has it."""
    if isinstance(column, NumericColumn):
        return tf.constant(column.values, tf.float64)
    names = [category.encode() for category in column.categories]
    if isinstance(column, CategoricalColumn):
        return tf.constant([names[code] for code in column.codes])
    flat = tf.constant([names[code] for code in column.codes], tf.string)
    return tf.RaggedTensor.from_row_splits(flat, column.offsets).to_tensor(b"")


def padded(lists: list[list[str]]) -> tf.Tensor:
    """As a request has them: filled up in front, as a client may."""
    longest = max(map(len, lists), default=0)
    filled = [["" for _ in range(longest - len(each))] + each for each in lists]
    encoded = [[word.encode() for word in each] for each in filled]
    return tf.constant(encoded, tf.string, [len(lists), longest])


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
    kinds = {each.kind for each in config.features.query}
    interactions = timed() if kinds & set(TIMED_KINDS) else every_kind(nameless)
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
    ServedModel.of_rows(tower, ExactSearch(candidates), interactions, split.train).save(directory)
    return Served(config, interactions, training, split.test, task, scorer.rank(task), directory)


def config_of(*kinds: str, **parts: Any) -> Config:
    """A configuration whose query tower has these features."""
    every = QUERY | PAST
    features = FeaturesConfig(4, [every[kind] for kind in kinds], list(CANDIDATE))
    return small_config(**({"features": features} | parts))


def past_config(*kinds: str, sequence: SequenceConfig | None = None, **parts: Any) -> Config:
    """As `config_of`, of rows that are split by time."""
    config = config_of(*kinds, **parts)
    features = replace(config.features, sequence=sequence or SequenceConfig(max_length=7))
    return replace(config, features=features, data=replace(config.data, split="temporal"))
