"""No drift: the saved candidate tower gives a catalogue the embeddings that the model gives it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from served_models import ITEMS, MOODS, TRAIN, config_of, every_kind, raw, words

from sweeper.serving.candidate_tower import CandidateTower
from sweeper.two_tower.config import Config, FeatureConfig, ModelConfig
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.training.setup import Training, set_up_training

KINDS = {
    "id": FeatureConfig("movie_title", "embedding"),
    "text": FeatureConfig("movie_title", "text", max_tokens=12),
    "word": FeatureConfig("mood", "embedding"),
    "lists": FeatureConfig("genres", "embedding"),
    "buckets": FeatureConfig("year", "buckets", num_boundaries=5),
    "normalized": FeatureConfig("year", "normalized"),
    "numeric": FeatureConfig("price", "numeric"),
}
DEEP = ModelConfig(layer_sizes=[8, 4], activation="gelu", dropout=0.2, input_dropout=0.1)


def catalogue() -> dict[str, Column]:
    """Of `every_kind`, with a column of each type; some lists and a word are empty."""
    rng = np.random.default_rng(4)
    lengths = rng.integers(0, 4, ITEMS)
    return {
        "movie_title": every_kind().candidate_columns["movie_title"],
        "mood": words([MOODS[index % len(MOODS)] for index in range(ITEMS)]),
        "genres": lists(rng.integers(0, 3, lengths.sum()), lengths),
        "year": NumericColumn(rng.integers(1900, 2020, ITEMS)),
        "price": NumericColumn(rng.random(ITEMS) * 100),
    }


def lists(codes: np.ndarray, lengths: np.ndarray) -> CategoricalListColumn:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return CategoricalListColumn(codes.astype(np.int32), offsets, ["x", "y", "z", "zz"])


@dataclass(frozen=True)
class Saved:
    """A model, and the signature of its saved candidate tower."""

    config: Config
    interactions: Interactions
    training: Training
    signature: Any
    loaded: Any

    def embed(self, columns: dict[str, Column], rows: slice = slice(None)) -> dict[str, np.ndarray]:
        """What the saved tower gives for rows of a catalogue's raw columns."""
        names = self.signature.structured_input_signature[1]
        outputs = self.signature(**{name: raw(columns[name])[rows] for name in names})
        return {name: values.numpy() for name, values in outputs.items()}

    def expected(self, columns: dict[str, Column]) -> np.ndarray:
        """What the model gives for them, as its evaluation embeds candidates."""
        features = zip(
            self.training.encoded.candidate_features, self.config.features.candidate, strict=True
        )
        encoded = {
            feature.name: tf.constant(feature.encode(columns[each.column]))
            for feature, each in features
        }
        return self.training.model.embed_candidates(encoded, training=False).numpy()


def saved(
    place: Path, *kinds: str, query: list[FeatureConfig] | None = None, **parts: Any
) -> Saved:
    """A model whose candidate tower has these features; its weights are as they begin."""
    config = config_of("embedding", **parts)
    config.features.candidate = [KINDS[kind] for kind in kinds]
    config.features.query += query or []
    interactions = replace(every_kind(), candidate_columns=catalogue())
    if query:
        interactions = replace(
            interactions, timestamps=np.arange(len(interactions)), timestamp_column="timestamp"
        )
    training = set_up_training(config, interactions, np.arange(TRAIN), threads=1)
    CandidateTower(config, interactions, training.model, training.encoded).save(place)
    loaded = tf.saved_model.load(str(place))
    return Saved(config, interactions, training, loaded.signatures["serving_default"], loaded)


def newer() -> dict[str, Column]:
    """Seven items: two as they were, five with ids, words and numbers that are new."""
    old = catalogue()
    two = {name: column.take(np.array([3, 5])) for name, column in old.items()}
    titles, genres, moods = two["movie_title"], two["genres"], two["mood"]
    assert isinstance(titles, CategoricalColumn)
    assert isinstance(genres, CategoricalListColumn)
    assert isinstance(moods, CategoricalColumn)
    known = [titles.categories[code] for code in titles.codes]
    codes = np.concatenate([genres.codes, [3, 0, 1, 2, 0, 1, 2, 3]])
    return {
        "movie_title": words([*known, *(f"new {index} of NIGHT" for index in range(5))]),
        "mood": words([*(moods.categories[code] for code in moods.codes), *"", *"abcde"]),
        "genres": lists(codes, np.concatenate([np.diff(genres.offsets), [0, 1, 0, 2, 5]])),
        "year": NumericColumn(np.array([1950, 1980, 1800, 2500, 1999, 2000, 2001])),
        "price": NumericColumn(np.array([1.0, 2.0, -5.0, 1e9, 3.0, np.nan, 4.0])),
    }


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A deep model with every kind of feature at once."""
    return saved(tmp_path_factory.mktemp("every"), *KINDS, model=DEEP)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_feature_has_the_catalogues_embeddings_to_the_last_bit(
    kind: str, tmp_path: Path
) -> None:
    tower = saved(tmp_path, kind)
    found = tower.embed(catalogue())["embedding"]
    assert found.shape == (ITEMS, 4)
    np.testing.assert_array_equal(found, tower.expected(catalogue()))


def test_all_kinds_at_once_in_a_deep_model_have_them_to_the_last_bit(every: Saved) -> None:
    found = every.embed(catalogue())["embedding"]
    np.testing.assert_array_equal(found, every.expected(catalogue()))
    assert len(np.unique(found, axis=0)) == ITEMS


def test_new_items_have_what_the_model_gives_them(every: Saved) -> None:
    """Unknown ids and words, numbers beyond the known ones, a list longer than any before."""
    np.testing.assert_allclose(
        every.embed(newer())["embedding"], every.expected(newer()), rtol=1e-5, atol=1e-6
    )


def test_rows_in_other_batches_are_the_same_but_for_rounding(every: Saved) -> None:
    """A matrix product of another number of rows may round otherwise."""
    whole = every.embed(catalogue())["embedding"]
    parts = [every.embed(catalogue(), slice(at, at + 7))["embedding"] for at in range(0, ITEMS, 7)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)
    alone = every.embed(catalogue(), slice(4, 5))["embedding"]
    np.testing.assert_allclose(alone[0], whole[4], rtol=1e-5, atol=1e-6)


def test_layer_norm_is_the_same_but_for_rounding(tmp_path: Path) -> None:
    model = ModelConfig(layer_sizes=[8, 4], layer_norm=True, normalize_output=True)
    tower = saved(tmp_path, "id", "numeric", model=model)
    np.testing.assert_allclose(
        tower.embed(catalogue())["embedding"], tower.expected(catalogue()), rtol=1e-4, atol=1e-6
    )


def test_a_table_that_a_sequence_of_the_query_tower_shares_is_in_it(tmp_path: Path) -> None:
    query = [FeatureConfig("movie_title", "sequence", share_with_candidates=True)]
    tower = saved(tmp_path, "id", "text", query=query)
    model = tower.training.model
    shared = model.candidate_tower.feature_layers[0].table
    assert any(shared is each for each in model.query_tower.variables)
    np.testing.assert_array_equal(
        tower.embed(catalogue())["embedding"], tower.expected(catalogue())
    )


def test_it_says_which_ids_the_model_was_trained_with(every: Saved, tmp_path: Path) -> None:
    trained = np.unique(every.interactions.items[:TRAIN])
    assert 0 < len(trained) < ITEMS
    np.testing.assert_array_equal(
        np.flatnonzero(every.embed(catalogue())["known"]), np.sort(trained)
    )
    assert every.embed(newer())["known"].tolist()[2:] == [False] * 5
    # Of a model that reads no ids there is nothing to say.
    assert set(saved(tmp_path, "text", "word").embed(catalogue())) == {"embedding"}


def test_columns_of_other_lengths_are_refused_by_name(every: Saved) -> None:
    columns = catalogue()
    columns["year"] = columns["year"].take(np.arange(3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="year: must have as many rows as mov"):
        every.embed(columns)
