"""Dropout that gives the same masks in each process."""

from __future__ import annotations

import tensorflow as tf


def repeatable_dropout(
    rate: float, seed: int, name: str, precision: str = "float32"
) -> tf.keras.layers.Dropout:
    """Makes a dropout layer whose masks come from a counter in a variable, so that they repeat.

    Under XLA, Keras's default generator starts anew in each process.
    """
    return tf.keras.layers.Dropout(
        rate, seed=seed, force_generator=True, dtype=precision, name=name
    )
