"""Dropout of values and of ids, with the same masks in each process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

from sweeper.two_tower.model.features import OUT_OF_VOCABULARY

_for_xla = ContextVar("_for_xla", default=False)


@contextmanager
def traced_for_xla(is_so: bool) -> Iterator[None]:
    """Sets for the functions traced in the block whether XLA compiles them, for `Dropout`."""
    token = _for_xla.set(is_so)
    try:
        yield
    finally:
        _for_xla.reset(token)


class Dropout(tf.keras.layers.Layer):
    """Dropout with masks that depend on a seed and a counter only, in each process.

    It replaces Keras's, whose default generator starts anew in each process under XLA, and whose
    other one uses Philox: compiled for a CPU, 918,000 of its numbers take 17.5 ms, and 2.3 ms with
    Threefry, which TensorFlow has under XLA only. Both are counter-based: Salmon et al., "Parallel
    random numbers: as easy as 1, 2, 3", SC 2011.

    Args:
      rate: the share of values that become 0 in training, in [0, 1); the others are divided by
        1 - rate.
      precision: Keras's policy.
    """

    def __init__(self, rate: float, seed: int, name: str, precision: str = "float32") -> None:
        super().__init__(name=name, dtype=precision)
        self.rate, self.seed = rate, seed
        # The generator is not one of the layer's weights, which a trial restores the best of.
        self._generator = tf.random.Generator.from_seed(seed, alg="philox")

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or not self.rate:
            return values
        numbers = tf.random.stateless_uniform(
            tf.shape(values),
            self._generator.make_seeds()[:, 0],
            alg="threefry" if _for_xla.get() else "philox",
        )
        return tf.where(numbers >= self.rate, values / (1.0 - self.rate), 0.0)


class IdDropout(tf.keras.layers.Layer):
    """Replaces each id's code by the code of unknown ids with a probability, in training.

    This trains the vector of unknown ids, and the tower learns to use the other features of a row
    whose id is unknown, as DropoutNet does by leaving out whole inputs: Volkovs, Yu and Poutanen,
    "DropoutNet: Addressing cold start in recommender systems", NIPS 2017.

    It takes and returns int32 codes of any shape; 0 is the unknown id.

    Args:
      rate: the probability, in [0, 1).
      seed: seeds the masks, which repeat like those of `Dropout`.
    """

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__(name="id_dropout")
        self.dropout = Dropout(rate, seed, "mask")

    def call(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return codes
        kept = self.dropout(tf.ones_like(codes, tf.float32), training=True) > 0
        return tf.where(kept, codes, OUT_OF_VOCABULARY)
