"""Small made-up data, configurations and models that several test files share."""

from __future__ import annotations

import numpy as np
from hydra import compose, initialize_config_dir

from sweeper.two_tower.config import (
    Config,
    DataConfig,
    EvaluationConfig,
    FeatureConfig,
    FeaturesConfig,
    ModelConfig,
    OptimizerConfig,
    SyntheticConfig,
    TaskConfig,
    TrainConfig,
    config_directory,
    to_dataclass,
)
from sweeper.two_tower.config.experiment import register_schema
from sweeper.two_tower.data.columns import CategoricalColumn, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble

WORDS = ("amber", "birch", "cedar", "delta", "ember")


def compose_config(*overrides: str) -> Config:
    """What the command line with these overrides means."""
    register_schema()
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return to_dataclass(compose("config", overrides=list(overrides)))


def small_config(**parts: object) -> Config:
    """A valid configuration that trains in a moment; `parts` replace whole groups."""
    groups: dict[str, object] = {
        "data": DataConfig(
            name="synthetic",
            synthetic=SyntheticConfig(num_users=40, num_items=120, num_interactions=1_000, rank=2),
        ),
        "features": ids_features(dim=4),
        "model": ModelConfig(layer_sizes=[4]),
        "task": TaskConfig(),
        "optimizer": OptimizerConfig(),
        "train": TrainConfig(epochs=2, batch_size=256, eval_every_epochs=1, xla=False),
        "evaluation": EvaluationConfig(),
    }
    return Config(**(groups | parts))  # type: ignore[arg-type]


def ids_features(dim: int, item: str = "movie_title") -> FeaturesConfig:
    return FeaturesConfig(
        embedding_dim=dim,
        query=[FeatureConfig("user_id", "embedding")],
        candidate=[FeatureConfig(item, "embedding")],
    )


def tutorial_features(dim: int) -> FeaturesConfig:
    """Every kind that the shipped `features=tutorial` has."""
    return FeaturesConfig(
        embedding_dim=dim,
        query=[
            FeatureConfig("user_id", "embedding"),
            FeatureConfig("timestamp", "buckets", num_boundaries=10),
            FeatureConfig("timestamp", "normalized"),
        ],
        candidate=[
            FeatureConfig("movie_title", "embedding"),
            FeatureConfig("movie_title", "text", max_tokens=100),
        ],
    )


def interactions_of(users: np.ndarray, items: np.ndarray, num_items: int) -> Interactions:
    """Rows of these users and items, one a minute, with titles of one to five words."""
    titles = [f"{index:03d} " + " ".join(WORDS[: index % 5]) for index in range(num_items)]
    return assemble(
        query_columns={
            "user_id": CategoricalColumn(
                users.astype(np.int32), [f"user {index:03d}" for index in range(users.max() + 1)]
            ),
            "timestamp": NumericColumn(60 * np.arange(len(users), dtype=np.int64)),
        },
        items=items.astype(np.int32),
        candidate_columns={
            "movie_title": CategoricalColumn(np.arange(num_items, dtype=np.int32), titles)
        },
        source="made in a test",
    )


def skewed_interactions(num_rows: int = 300, num_users: int = 25, num_items: int = 40):
    """Random rows in which a few items occur often."""
    rng = np.random.default_rng(7)
    items = np.minimum(rng.geometric(0.1, num_rows), num_items) - 1
    return interactions_of(rng.integers(0, num_users, num_rows), items, num_items)
