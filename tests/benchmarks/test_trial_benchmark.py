"""The whole of this project's model against the reference script of the benchmark.

The reference gets weights far from their initial values, so that scores matter;
they are copied row by row, by the word that a row stands for. From there both
must give the same embeddings, losses, trained weights and accuracies.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
from small_trials import compose_config

from benchmarks import reference as reference_script
from benchmarks.measure import Spread, layer_list
from sweeper.two_tower.config import TOP_K, Config, SyntheticConfig
from sweeper.two_tower.data.columns import CategoricalColumn, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble
from sweeper.two_tower.data.split import Split
from sweeper.two_tower.data.synthetic import generate
from sweeper.two_tower.evaluation.ranking import Ranks, ranking_tasks
from sweeper.two_tower.evaluation.scoring import ModelScorer
from sweeper.two_tower.training.batches import BatchBlock
from sweeper.two_tower.training.setup import Training, set_up_training

import tensorflow as tf  # isort: skip  (after sweeper: it sets Keras 2)

NUM_USERS, NUM_ITEMS, NUM_ROWS, NUM_TRAIN = 70, 150, 2_400, 2_000
BATCH_SIZE = 384  # NUM_TRAIN is no multiple of it: the last batch is short
LAYER_SIZES = [24, 16, 8]
LAST_SECOND = 3 * (reference_script.NUM_BOUNDARIES - 1)
WORDS = ("The", "amber", "o'Birch", "CEDAR,", "(1994)", "the", "Ember-glow", "é")


@dataclass
class Sides:
    """Both models with the same weights, and what they are fed."""

    interactions: Interactions
    reference: reference_script.MovielensModel
    training: Training
    split: Split


def made_up_interactions() -> Interactions:
    """Synthetic rows, with titles of one to six words in mixed case with punctuation.

    Times are whole numbers on and between the bucket boundaries 0, 3, 6, ...;
    single precision, in which Keras has its boundaries, holds them exactly.
    """
    rows = generate(
        SyntheticConfig(num_users=NUM_USERS, num_items=NUM_ITEMS, num_interactions=NUM_ROWS, rank=4)
    )
    rng = np.random.default_rng(5)
    seconds = rng.integers(0, LAST_SECOND + 1, NUM_ROWS)
    seconds[:2] = 0, LAST_SECOND
    titles = [
        " ".join([f"{index:03d}", *rng.choice(WORDS, rng.integers(0, 6))])
        for index in range(NUM_ITEMS)
    ]
    return assemble(
        query_columns=rows.query_columns | {"timestamp": NumericColumn(seconds)},
        items=rows.items,
        candidate_columns={
            "movie_title": CategoricalColumn(np.arange(NUM_ITEMS, dtype=np.int32), titles)
        },
        source="made in a test",
    )


def make_sides(xla: bool = False) -> Sides:
    interactions = made_up_interactions()
    order = np.random.default_rng(6).permutation(NUM_ROWS)
    split = Split(order[:NUM_TRAIN], order[:0], order[NUM_TRAIN:], unused=0)
    reference = reference_script.build_model(LAYER_SIZES, interactions)
    reference.compute_loss(reference_batch(interactions, order[:2]), training=True)
    move_weights(reference)
    config = compose_config(
        "experiment=tutorial_three_layer",
        f"model.layer_sizes={LAYER_SIZES}",
        f"train.batch_size={BATCH_SIZE}",
        f"train.xla={str(xla).lower()}",
    )
    # The example fits vocabularies and statistics on all rows, this project on the
    # training rows: here both on all, while the batches are of training rows.
    training = dataclasses.replace(
        set_up_training(config, interactions, np.arange(NUM_ROWS), threads=2),
        planner=set_up_training(config, interactions, split.train, threads=2).planner,
    )
    sides = Sides(interactions, reference, training, split)
    for own, values in paired_weights(sides):
        own.assign(values)
    return sides


@pytest.fixture(scope="module")
def sides() -> Sides:
    """For tests that leave the weights as they are."""
    return make_sides()


def reference_batch(interactions: Interactions, rows: np.ndarray) -> dict[str, tf.Tensor]:
    features = reference_script.features_of(interactions)
    return {name: tf.constant(values[rows]) for name, values in features.items()}


def move_weights(model: tf.keras.Model) -> None:
    """Gives every weight, biases too, a value that makes a difference."""
    rng = np.random.default_rng(7)
    for weight in model.trainable_variables:
        scale = 0.5 if "embeddings" in weight.name else 0.3
        weight.assign(rng.normal(0.0, scale, weight.shape))


def paired_weights(sides: Sides) -> list[tuple[tf.Variable, np.ndarray]]:
    """Each weight of this project's model with the reference's values, rows in its order."""
    model, encoded = sides.training.model, sides.training.encoded
    users = sides.reference.query_model.embedding_model
    movies = sides.reference.candidate_model.embedding_model
    user_id = encoded.query_features[0]
    title, words = encoded.candidate_features
    user_layer, bucket_layer, _ = model.query_tower.feature_layers
    title_layer, words_layer = model.candidate_tower.feature_layers
    pairs = [
        (user_layer.table, table(users.user_embedding, ["[UNK]", *user_id.vocabulary])),
        (bucket_layer.table, users.timestamp_embedding.layers[1].embeddings.numpy()),
        (title_layer.table, table(movies.title_embedding, ["[UNK]", *title.vocabulary])),
        (words_layer.table, table(movies.title_text_embedding, ["", "[UNK]", *words.vocabulary])),
    ]
    for own_tower, tower in (
        (model.query_tower, sides.reference.query_model),
        (model.candidate_tower, sides.reference.candidate_model),
    ):
        own_layers = [
            layer for layer in own_tower.stack if isinstance(layer, tf.keras.layers.Dense)
        ]
        for own, layer in zip(own_layers, tower.dense_layers.layers, strict=True):
            pairs += [(own.kernel, layer.kernel.numpy()), (own.bias, layer.bias.numpy())]
    assert {id(own) for own, _ in pairs} == {id(own) for own in model.trainable_variables}
    return pairs


def table(lookup_and_embedding: tf.keras.Sequential, words: list[str]) -> np.ndarray:
    """The rows of the reference's embedding that stand for `words`, in their order."""
    lookup, embedding = lookup_and_embedding.layers[:2]
    position = {word: index for index, word in enumerate(lookup.get_vocabulary())}
    assert len(position) == len(words)
    return embedding.embeddings.numpy()[[position[word] for word in words]]


def assert_relatively_close(actual, expected, tolerance: float = 1e-5) -> None:
    """|actual - expected| <= tolerance, relative to the largest expected value."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


def batches_of(plan: BatchBlock) -> list[np.ndarray]:
    """The rows of each step, without padding."""
    return [
        rows[weight > 0]
        for rows, weight in zip(plan.rows[: plan.steps], plan.sample_weight, strict=False)
    ]


def test_towers_give_the_same_embeddings(sides: Sides):
    model, encoded = sides.training.model, sides.training.encoded
    features = reference_batch(sides.interactions, np.arange(NUM_ROWS))
    titles = tf.constant(reference_script.catalogue(sides.interactions))
    expected_queries = sides.reference.query_model(
        {name: features[name] for name in ("user_id", "timestamp")}
    )
    expected_candidates = sides.reference.candidate_model(titles)
    assert np.std(expected_queries, axis=0).min() > 0.1
    assert np.std(expected_candidates, axis=0).min() > 0.1
    assert_relatively_close(model.query_tower(encoded.query), expected_queries)
    assert_relatively_close(model.candidate_tower(encoded.candidate), expected_candidates)


def test_the_comparison_notices_a_row_of_another_title(sides: Sides):
    encoded, tower = sides.training.encoded, sides.training.model.candidate_tower
    expected = tower(encoded.candidate).numpy()
    rolled = {name: np.roll(codes, 1, axis=0) for name, codes in encoded.candidate.items()}
    for name in rolled:
        actual = tower(encoded.candidate | {name: rolled[name]}).numpy()
        with pytest.raises(AssertionError):
            assert_relatively_close(actual, expected)


@pytest.mark.parametrize("xla", [False, True])
def test_an_epoch_gives_the_same_losses_and_weights(xla: bool):
    sides = make_sides(xla)
    losses, expected_losses = [], []
    for plan in sides.training.planner.epoch(1):
        losses += list(sides.training.runner(plan))
        for rows in batches_of(plan):
            batch = reference_batch(sides.interactions, rows)
            expected_losses.append(float(sides.reference.train_step(batch)["loss"]))
    assert len(losses) == -(-NUM_TRAIN // BATCH_SIZE)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for own, values in paired_weights(sides):
        # A step of Adagrad moves a weight by up to 0.1, so this is a thousandth of
        # one. The candidate tower's last bias needs the room: it adds the same to
        # all scores of a row, so its gradient is 0 but for rounding.
        np.testing.assert_allclose(own.numpy(), values, rtol=0, atol=1e-4)


def test_ranks_are_those_of_the_reference_embeddings(sides: Sides):
    features = reference_batch(sides.interactions, sides.split.test)
    queries = sides.reference.query_model(
        {name: features[name] for name in ("user_id", "timestamp")}
    )
    candidates = sides.reference.candidate_model(
        tf.constant(reference_script.catalogue(sides.interactions))
    )
    scores = queries.numpy() @ candidates.numpy().T
    items = sides.interactions.items[sides.split.test]
    own = np.take_along_axis(scores, items[:, None], axis=1)
    expected = np.count_nonzero(scores > own, axis=1)
    np.testing.assert_array_equal(ranks_of(sides).unfiltered, expected)


def test_accuracies_are_those_of_factorized_top_k(sides: Sides):
    _, dataset = reference_script.make_datasets(sides.interactions, sides.split)
    figures = sides.reference.evaluate(dataset, return_dict=True, verbose=0)
    ranks = ranks_of(sides).unfiltered
    for k in TOP_K:
        expected = figures[f"factorized_top_k/top_{k}_categorical_accuracy"]
        # TFRS computes the true candidate's score a second time, in another order of
        # additions: where that comes out smaller, the candidate is behind itself.
        assert np.mean(ranks < k - 1) - 1e-6 <= expected <= np.mean(ranks < k) + 1e-6


def ranks_of(sides: Sides) -> Ranks:
    config = Config()
    task = ranking_tasks(config.data, config.evaluation, sides.interactions, sides.split)["test"]
    scorer = ModelScorer(sides.training.model, sides.training.encoded, sides.split.test)
    return scorer.rank(task)


def test_a_spread_shows_its_median_and_its_ends():
    assert Spread((3.0, 1.0, 1.5)).show() == "1.50 (1.00-3.00)"
    assert Spread((0.25,)).show(digits=1) == "0.2"
    assert layer_list("64,32") == [64, 32]
