"""`sweeper.testing` passes every built-in part, and fails parts with a fault each."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from sweeper.testing import (
    check_baseline,
    check_feature,
    check_sequence_encoder,
    check_task,
    check_tower,
    lists,
    numbers,
    words,
)
from sweeper.two_tower.config import BASELINES, FEATURE_KINDS, SEQUENCE_ENCODERS, TASKS, TIMED_KINDS
from sweeper.two_tower.data.columns import CategoricalColumn
from sweeper.two_tower.model.features import CustomFeature
from sweeper.two_tower.model.retrieval import CustomTask
from sweeper.two_tower.model.sequence_encoders import SequenceEncoder
from sweeper.two_tower.model.towers import CustomTower

COLUMNS = {
    "embedding": [words(), lists()],
    "text": [words()],
    "history": [words()],
    "buckets": [numbers()],
    "normalized": [numbers()],
    "numeric": [numbers()],
}


@pytest.mark.parametrize("kind", [kind for kind in FEATURE_KINDS if kind not in TIMED_KINDS])
def test_every_kind_of_feature_passes(kind: str) -> None:
    for column in COLUMNS[kind]:
        check_feature(kind, column)


@pytest.mark.parametrize("name", SEQUENCE_ENCODERS)
def test_every_encoder_of_sequences_passes(name: str) -> None:
    check_sequence_encoder(name)


@pytest.mark.parametrize(
    "options",
    [{}, {"dropout": 0.5, "input_dropout": 0.5}, {"layer_norm": True}, {"normalize_output": True}],
    ids=str,
)
def test_the_dense_tower_passes(options) -> None:
    check_tower("dense", **options)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.3}, {"num_hard_negatives": 2}], ids=str)
@pytest.mark.parametrize("name", TASKS)
def test_every_task_passes(name: str, options) -> None:
    check_task(name, **options)


@pytest.mark.parametrize("name", [*BASELINES, "ease_last_2"])
def test_every_baseline_passes(name: str) -> None:
    check_baseline(name)


class Codes(CustomFeature):
    """A right one, for the faulty ones to be made of."""

    def __init__(self, name, column, rows, dim):
        self.name, self.dim = name, dim
        self.known = set(column.codes[rows].tolist())

    def encode(self, column):
        assert isinstance(column, CategoricalColumn)
        return np.array([code + 1 if code in self.known else 0 for code in column.codes], np.int32)

    def layer(self):
        return tf.keras.layers.Embedding(len(words().categories) + 1, self.dim, name=self.name)


class SeesAll(Codes):
    def __init__(self, name, column, rows, dim):
        super().__init__(name, column, rows, dim)
        self.first = column.codes[-1]

    def encode(self, column):
        return super().encode(column) + np.int32(self.first % 2)


class Wide(Codes):
    def encode(self, column):
        return super().encode(column).astype(np.int64)


class Broad(Codes):
    def layer(self):
        return tf.keras.layers.Embedding(9, self.dim + 1)


class Drifting(Codes):
    made = 0

    def encode(self, column):
        Drifting.made += 1
        return super().encode(column) * 0 + np.int32(Drifting.made % 5)


class Linear(CustomTower):
    def __init__(self, layer_sizes, seed):
        super().__init__(layer_sizes, seed)
        self.dense = tf.keras.layers.Dense(self.units)

    def call(self, values, training=False):
        return self.dense(values)


class Narrow(Linear):
    def call(self, values, training=False):
        return super().call(values)[:, :-1]


class Restless(Linear):
    def call(self, values, training=False):
        return super().call(values) + tf.random.normal([self.units])


class Neighbourly(Linear):
    def call(self, values, training=False):
        return super().call(values - tf.reduce_mean(values, axis=0))


class Latest(SequenceEncoder):
    """The last item's vector."""

    def __init__(self, dim, length, seed, sign=1.0):
        super().__init__(dim, length, seed)
        self.width, self.sign = dim, sign

    def call(self, vectors, is_there, training=False):
        return self.sign * tf.where(is_there[:, -1:], vectors[:, -1], 0.0)


class Reading(Latest):
    def call(self, vectors, is_there, training=False):
        return tf.reduce_sum(vectors, axis=1)


class Short(Latest):
    def call(self, vectors, is_there, training=False):
        return super().call(vectors, is_there)[:, 1:]


class Positive(CustomTask):
    """The sum of the rows' own scores, negative: a loss, if a poor one."""

    def call(self, query_embeddings, candidate_embeddings, positions, counts,
             sample_weight=None, candidate_sampling_probability=None):  # fmt: skip
        own = tf.gather(candidate_embeddings, positions)
        losses = -tf.reduce_sum(query_embeddings * own, axis=1)
        others = -1e-3 * tf.reduce_sum(candidate_embeddings**2 * counts[:, None])
        return tf.reduce_sum(losses * sample_weight) + others


class Padded(Positive):
    def call(self, query_embeddings, candidate_embeddings, positions, counts,
             sample_weight=None, candidate_sampling_probability=None):  # fmt: skip
        even = tf.ones_like(sample_weight)
        return super().call(query_embeddings, candidate_embeddings, positions, counts, even)


class Rows(Positive):
    def call(self, query_embeddings, candidate_embeddings, positions, counts,
             sample_weight=None, candidate_sampling_probability=None):  # fmt: skip
        return sample_weight


class Deaf(Positive):
    def call(self, query_embeddings, candidate_embeddings, positions, counts,
             sample_weight=None, candidate_sampling_probability=None):  # fmt: skip
        deaf = tf.stop_gradient(query_embeddings)
        return super().call(deaf, candidate_embeddings, positions, counts, sample_weight)


def all_alike(users, items, num_users, size, config):
    return lambda task: (
        lambda start, stop, chosen: np.zeros((stop - start, len(np.arange(size)[chosen])))
    )


def blind(users, items, num_users, size, config):
    return lambda task: lambda start, stop, chosen: np.zeros((stop - start, size))


def infinite(users, items, num_users, size, config):
    return lambda task: (
        lambda start, stop, chosen: np.full((stop - start, len(np.arange(size)[chosen])), np.inf)
    )


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this file's parts loadable by a path."""
    parts = types.ModuleType("parts")
    parts.__dict__.update(globals())
    parts.__file__, parts.__spec__ = __file__, types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "parts", parts)


def test_right_ones_pass() -> None:
    check_feature("parts:Codes", words())
    check_tower("parts:Linear")
    check_task("parts:Positive")
    check_sequence_encoder("parts:Latest", sign=-1.0)


@pytest.mark.parametrize(
    ("name", "told"), [("Reading", "padding changes"), ("Short", "the encoder gives")]
)
def test_a_faulty_encoder_fails(name: str, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_sequence_encoder(f"parts:{name}")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SeesAll", "held-out rows change"),
        ("Wide", "encode gives int64"),
        ("Broad", "the layer gives"),
        ("Drifting", "two fits of the same rows differ"),
    ],
)
def test_a_faulty_feature_fails(name: str, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_feature(f"parts:{name}", words())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Narrow", "the tower gives"),
        ("Restless", "scored differently"),
        ("Neighbourly", "depends on the other rows"),
    ],
)
def test_a_faulty_tower_fails(name: str, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_tower(f"parts:{name}")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Padded", "padding changes"),
        ("Rows", "has the shape"),
        ("Deaf", "the query embeddings get no gradient"),
    ],
)
def test_a_faulty_task_fails(name: str, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_task(f"parts:{name}")


@pytest.mark.parametrize(("name", "told"), [("blind", "chosen|shape"), ("infinite", "not finite")])
def test_a_faulty_baseline_fails(name: str, told: str) -> None:
    check_baseline("parts:all_alike")
    with pytest.raises((AssertionError, ValueError), match=told):
        check_baseline(f"parts:{name}")
