"""Dropout that gives the same masks in each process: of values, and of ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

from sweeper.two_tower.model.features import OUT_OF_VOCABULARY

_for_xla = ContextVar("_for_xla", default=False)


@contextmanager
def traced_for_xla(is_so: bool) -> Iterator[None]:
    """Says of what is traced inside whether XLA compiles it: `Dropout` draws by that."""
    token = _for_xla.set(is_so)
    try:
        yield
    finally:
        _for_xla.reset(token)


class Dropout(tf.keras.layers.Layer):
    """Dropout with masks that follow from a seed and a counter, in each process anew.

    As Keras's, whose default generator starts anew in each process under XLA, and whose other one
    takes Philox: compiled for a CPU, 918,000 numbers of it take 17.5 ms, and 2.3 ms of Threefry,
    which TensorFlow has under XLA alone. Both are counter-based: Salmon et al., "Parallel random
    numbers: as easy as 1, 2, 3", SC 2011.

    Args:
      rate: the share of values that become 0 in training, in [0, 1); the others are divided by
        1 - rate.
      precision: Keras's policy.
    """

    def __init__(self, rate: float, seed: int, name: str, precision: str = "float32") -> None:
        super().__init__(name=name, dtype=precision)
        self.rate, self.seed = rate, seed
        # Not among the layer's weights, which a trial keeps the best of.
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
    """Replaces codes of ids by that of unknown ids, in training, each with a probability.

    So the vector of unknown ids is trained, and the tower learns what else it knows of a row
    whose id it lacks, as DropoutNet does by leaving out whole inputs: Volkovs, Yu and Poutanen,
    "DropoutNet: Addressing cold start in recommender systems", NIPS 2017.

    Takes and gives int32 codes of any shape; 0 stands for the unknown id.

    Args:
      rate: the probability, in [0, 1).
      seed: of the masks, which repeat as those of `Dropout` do.
    """

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__(name="id_dropout")
        self.dropout = Dropout(rate, seed, "mask")

    def call(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return codes
        kept = self.dropout(tf.ones_like(codes, tf.float32), training=True) > 0
        return tf.where(kept, codes, OUT_OF_VOCABULARY)
