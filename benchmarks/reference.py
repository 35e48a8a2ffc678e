"""The reference: TensorFlow Recommenders' deep retrieval example, as one would write it.

Keras `fit` over a `tf.data` pipeline of strings; lookups, bucketing and tokenising
inside the towers; `tfrs.tasks.Retrieval` with `FactorizedTopK` over streamed
candidates. https://www.tensorflow.org/recommenders/examples/deep_recommenders

  python -m benchmarks.reference --layers 64,32 --epochs 5 --threads 2

prints one line of JSON. Timings leave out imports and loading the data:

  build_seconds      vocabularies, statistics, model
  warm_up_seconds    the first `--warm-up-epochs` and one evaluation, with tracing
  steady_seconds     `--epochs` more and one evaluation
  wall_seconds       since this module was entered, imports included
  loss               mean cross-entropy of a training row over the last epoch, nats
  top_100            top-100 accuracy on the test rows after the last epoch

Where it differs from the example, the difference makes it faster: the records
come from memory and not from TensorFlow Datasets' files, they are laid out in
the split's order once and not shuffled into it in each epoch, preprocessing
layers are adapted on large batches, and each title is a candidate once.
"""

from __future__ import annotations

import time

ENTERED = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from sweeper.two_tower.config import DataConfig  # noqa: E402  (before TensorFlow: sets Keras 2)
from sweeper.two_tower.data.columns import CategoricalColumn  # noqa: E402
from sweeper.two_tower.data.interactions import Interactions  # noqa: E402
from sweeper.two_tower.data.loading import load_interactions  # noqa: E402
from sweeper.two_tower.data.split import Split, split_interactions  # noqa: E402

import tensorflow as tf  # noqa: E402  isort: skip
import tensorflow_recommenders as tfrs  # noqa: E402

from benchmarks.measure import layer_list, wait_for_go  # noqa: E402

EMBEDDING_DIM = 32
NUM_BOUNDARIES = 1_000
MAX_TOKENS = 10_000
SHUFFLE_BUFFER = 100_000
BATCH_SIZE, TEST_BATCH_SIZE, CANDIDATE_BATCH_SIZE = 2_048, 4_096, 128
LEARNING_RATE = 0.1
TOP_100 = "val_factorized_top_k/top_100_categorical_accuracy"


class UserModel(tf.keras.Model):
    """User and time of a rating; gives [rows, 65]."""

    def __init__(self, user_ids: np.ndarray, timestamps: np.ndarray) -> None:
        super().__init__()
        self.user_embedding = tf.keras.Sequential(
            [
                tf.keras.layers.StringLookup(vocabulary=user_ids, mask_token=None),
                tf.keras.layers.Embedding(len(user_ids) + 1, EMBEDDING_DIM),
            ]
        )
        boundaries = np.linspace(timestamps.min(), timestamps.max(), num=NUM_BOUNDARIES)
        self.timestamp_embedding = tf.keras.Sequential(
            [
                tf.keras.layers.Discretization(boundaries.tolist()),
                tf.keras.layers.Embedding(len(boundaries) + 1, EMBEDDING_DIM),
            ]
        )
        self.normalized_timestamp = tf.keras.layers.Normalization(axis=None)
        self.normalized_timestamp.adapt(timestamps, batch_size=len(timestamps))

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.concat(
            [
                self.user_embedding(inputs["user_id"]),
                self.timestamp_embedding(inputs["timestamp"]),
                tf.reshape(self.normalized_timestamp(inputs["timestamp"]), (-1, 1)),
            ],
            axis=1,
        )


class MovieModel(tf.keras.Model):
    """A title, whole and as words; gives [rows, 64]."""

    def __init__(self, titles: np.ndarray) -> None:
        super().__init__()
        self.title_embedding = tf.keras.Sequential(
            [
                tf.keras.layers.StringLookup(vocabulary=titles, mask_token=None),
                tf.keras.layers.Embedding(len(titles) + 1, EMBEDDING_DIM),
            ]
        )
        self.title_vectorizer = tf.keras.layers.TextVectorization(max_tokens=MAX_TOKENS)
        self.title_text_embedding = tf.keras.Sequential(
            [
                self.title_vectorizer,
                tf.keras.layers.Embedding(MAX_TOKENS, EMBEDDING_DIM, mask_zero=True),
                tf.keras.layers.GlobalAveragePooling1D(),
            ]
        )
        self.title_vectorizer.adapt(titles, batch_size=len(titles))

    def call(self, titles: tf.Tensor) -> tf.Tensor:
        return tf.concat([self.title_embedding(titles), self.title_text_embedding(titles)], axis=1)


class TowerModel(tf.keras.Model):
    """An embedding model and dense layers on top; the last has no activation."""

    def __init__(self, embedding_model: tf.keras.Model, layer_sizes: list[int]) -> None:
        super().__init__()
        self.embedding_model = embedding_model
        self.dense_layers = tf.keras.Sequential()
        for layer_size in layer_sizes[:-1]:
            self.dense_layers.add(tf.keras.layers.Dense(layer_size, activation="relu"))
        self.dense_layers.add(tf.keras.layers.Dense(layer_sizes[-1]))

    def call(self, inputs: Any) -> tf.Tensor:
        return self.dense_layers(self.embedding_model(inputs))


class MovielensModel(tfrs.models.Model):
    """The two towers and the retrieval task."""

    def __init__(
        self,
        layer_sizes: list[int],
        user_ids: np.ndarray,
        timestamps: np.ndarray,
        titles: np.ndarray,
    ) -> None:
        super().__init__()
        self.query_model = TowerModel(UserModel(user_ids, timestamps), layer_sizes)
        self.candidate_model = TowerModel(MovieModel(titles), layer_sizes)
        movies = tf.data.Dataset.from_tensor_slices(titles)
        self.task = tfrs.tasks.Retrieval(
            metrics=tfrs.metrics.FactorizedTopK(
                candidates=movies.batch(CANDIDATE_BATCH_SIZE).map(self.candidate_model)
            )
        )

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        query_embeddings = self.query_model(
            {"user_id": features["user_id"], "timestamp": features["timestamp"]}
        )
        movie_embeddings = self.candidate_model(features["movie_title"])
        return self.task(query_embeddings, movie_embeddings, compute_metrics=not training)


class MeanLoss(tf.keras.callbacks.Callback):
    """The mean loss of a row in the last epoch.

    Keras's own history has the last batch's sum alone. Tensors are kept as they
    are until the epoch ends, so that no step waits for them.
    """

    _supports_tf_logs = True

    def __init__(self, num_rows: int) -> None:
        super().__init__()
        self.num_rows, self.value = num_rows, float("nan")
        self.batches: list[tf.Tensor] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches.append(logs["loss"])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.value = float(tf.add_n(self.batches)) / self.num_rows


def features_of(interactions: Interactions) -> dict[str, np.ndarray]:
    """The columns of all rows as the example has them: strings, and whole seconds."""
    users = interactions.query_columns["user_id"]
    assert isinstance(users, CategoricalColumn)
    return {
        "user_id": np.array(users.categories, object)[users.codes],
        "timestamp": interactions.timestamps,
        "movie_title": catalogue(interactions)[interactions.items],
    }


def catalogue(interactions: Interactions) -> np.ndarray:
    """The distinct titles; [candidates] strings."""
    titles = interactions.candidate_columns["movie_title"]
    assert isinstance(titles, CategoricalColumn)
    return np.array(titles.categories, object)[titles.codes]


def build_model(layer_sizes: list[int], interactions: Interactions) -> MovielensModel:
    """The model, its vocabularies and statistics fitted on all rows as in the example."""
    features = features_of(interactions)
    model = MovielensModel(
        layer_sizes,
        user_ids=np.unique(features["user_id"]),
        timestamps=features["timestamp"],
        titles=np.unique(catalogue(interactions)),
    )
    model.compile(optimizer=tf.keras.optimizers.Adagrad(LEARNING_RATE))
    return model


def make_datasets(
    interactions: Interactions, split: Split
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """The training and the test pipeline."""
    features = features_of(interactions)

    def rows(part: np.ndarray) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(
            {name: values[part] for name, values in features.items()}
        )

    cached_train = rows(split.train).shuffle(SHUFFLE_BUFFER).batch(BATCH_SIZE)
    cached_test = rows(split.test).batch(TEST_BATCH_SIZE).cache()
    return cached_train, cached_test


def measure(layer_sizes: list[int], epochs: int, warm_up_epochs: int, wait: bool) -> dict[str, Any]:
    """Builds and trains the reference; returns the figures that the module's text lists."""
    interactions = load_interactions(DataConfig(name="movielens_100k"), lambda text: None)
    config = DataConfig(name="movielens_100k", validation_size=0, test_size=20_000)
    tf.constant(0) + 1  # starts TensorFlow
    started = time.perf_counter()
    split = split_interactions(config, interactions)
    train, test = make_datasets(interactions, split)
    model = build_model(layer_sizes, interactions)
    build_seconds = time.perf_counter() - started
    mean_loss = MeanLoss(len(split.train))

    def fit(number: int) -> tuple[float, float]:
        """Trains so many epochs, evaluates once; returns seconds and top-100 accuracy."""
        started = time.perf_counter()
        history = model.fit(
            train,
            validation_data=test,
            validation_freq=number,
            epochs=number,
            callbacks=[mean_loss],
            verbose=0,
        )
        return time.perf_counter() - started, history.history[TOP_100][-1]

    warm_up_seconds, _ = fit(warm_up_epochs)
    if wait:
        wait_for_go()
    steady_seconds, top_100 = fit(epochs)
    return {
        "build_seconds": build_seconds,
        "warm_up_seconds": warm_up_seconds,
        "steady_seconds": steady_seconds,
        "wall_seconds": time.perf_counter() - ENTERED,
        "loss": mean_loss.value,
        "top_100": top_100,
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--layers", type=layer_list, default=[32], help="widths of the dense layers (64,32)"
    )
    parser.add_argument("--epochs", type=int, default=5, help="epochs to time (5)")
    parser.add_argument(
        "--warm-up-epochs", type=int, default=1, help="epochs before, which pay tracing (1)"
    )
    parser.add_argument(
        "--threads", type=int, help="threads within and between operations (all cores)"
    )
    parser.add_argument(
        "--wait", action="store_true", help="after the warm-up, print `ready` and wait for a line"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.threads:
        # Read when TensorFlow makes its first device, which it has not yet.
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(arguments.threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(arguments.threads)
    figures = measure(arguments.layers, arguments.epochs, arguments.warm_up_epochs, arguments.wait)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
