"""Dropout that gives the same masks in each process: of values, and of ids."""

from __future__ import annotations

import tensorflow as tf

from sweeper.model.features import OUT_OF_VOCABULARY


def repeatable_dropout(
    rate: float, seed: int, name: str, precision: str = "float32"
) -> tf.keras.layers.Dropout:
    """Makes a dropout layer whose masks come from a counter in a variable, so that they repeat.

    Under XLA, Keras's default generator starts anew in each process.
    """
    return tf.keras.layers.Dropout(
        rate, seed=seed, force_generator=True, dtype=precision, name=name
    )


class IdDropout(tf.keras.layers.Layer):
    """Replaces codes of ids by that of unknown ids, in training, each with a probability.

    So the vector of unknown ids is trained, and the tower learns what else it knows of a row
    whose id it lacks, as DropoutNet does by leaving out whole inputs: Volkovs, Yu and Poutanen,
    "DropoutNet: Addressing cold start in recommender systems", NIPS 2017.

    Takes and gives int32 codes of any shape; 0 stands for the unknown id.

    Args:
      rate: the probability, in [0, 1).
      seed: of the masks, which repeat as those of `repeatable_dropout` do.
    """

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__(name="id_dropout")
        self.dropout = repeatable_dropout(rate, seed, "mask")

    def call(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return codes
        kept = self.dropout(tf.ones_like(codes, tf.float32), training=True) > 0
        return tf.where(kept, codes, OUT_OF_VOCABULARY)
