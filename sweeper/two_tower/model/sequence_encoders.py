"""Encoders of a user's latest items: from a vector for each item to one vector for each row.

Each is a Keras layer on top of the items' embeddings, the most recent of which comes last. Where
a history is shorter than the sequence, the sequence begins with padding, whose values never change
the result. A row without any history gets zeros, or what the encoder computes from its weights
alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from sweeper.two_tower.model.dropout import Dropout
from sweeper.two_tower.model.weighted_means import weighted_means

# The slowest and the fastest initial decay of `Recency`, per position.
SLOWEST, FASTEST = 0.02, 1.0
# The value of a masked attention score; it is finite because a row may have no item.
MASKED = -1e9


class SequenceEncoder(tf.keras.layers.Layer):
    """Base class of all encoders of sequences, a user's own included.

    `call(vectors, is_there, training)` takes float32 [rows, length, dim] and bool
    [rows, length], and returns float32 [rows, width].

    Args:
      dim: the width of an item's vector.
      length: how many items a sequence has, padding included.
      seed: seeds whatever is random in training.
      options: further options of the configuration.

    Attributes:
      width: the width of the result; set by the subclass.
    """

    width: int

    def __init__(self, dim: int, length: int, seed: int, **options: Any) -> None:
        super().__init__(name="sequence_encoder", **options)
        self.dim, self.length, self.seed = dim, length, seed

    def call(self, vectors: tf.Tensor, is_there: tf.Tensor, training: bool = False) -> tf.Tensor:
        raise NotImplementedError


class AveragingEncoder(SequenceEncoder):
    """Base class of encoders that average the items' vectors, in one way or in several.

    In training, `means_of_rows` computes these averages without a vector for each item of a batch.

    Args:
      sets: the number of averages; the result is [rows, sets * dim].
    """

    def __init__(self, dim: int, length: int, seed: int, sets: int) -> None:
        super().__init__(dim, length, seed)
        self.width = sets * dim

    def item_weights(self, is_there: tf.Tensor) -> tf.Tensor:
        """Returns the weight of each item in each average, float32 [rows, sets, length].

        Weights are at least 0, and 0 where there is no item.

        Args:
          is_there: [rows, length] booleans.
        """
        raise NotImplementedError

    def call(self, vectors: tf.Tensor, is_there: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.concatenate(weighted_means(vectors, self.item_weights(is_there)))

    @property
    def is_pure_average(self) -> bool:
        """Whether the result is the averages alone; a subclass with its own `call` may differ."""
        return type(self).call is AveragingEncoder.call

    def concatenate(self, means: tf.Tensor) -> tf.Tensor:
        """Puts the averages side by side: [rows, sets, dim] to [rows, width]."""
        return tf.reshape(means, [-1, self.width])


class Mean(AveragingEncoder):
    """Averages the items' vectors; [rows, dim].

    YouTube encodes the watch history in this way: Covington, Adams and Sargin, "Deep neural
    networks for YouTube recommendations", RecSys 2016.
    """

    def __init__(self, dim: int, length: int, seed: int) -> None:
        super().__init__(dim, length, seed, sets=1)

    def item_weights(self, is_there: tf.Tensor) -> tf.Tensor:
        return tf.cast(is_there, tf.float32)[:, None, :]


class Recency(AveragingEncoder):
    """Averages the items' vectors with several decays side by side, and adds the last item.

    The k-th average weighs the item at age a (the last item has age 0) by exp(-r_k a), with a
    learnt rate r_k > 0: slow rates see the user's taste, fast ones the session. The result is
    [rows, (decays + 1) * dim]: the averages from slow to fast, then the last item's vector.
    Fixed decays of this form are the "exponential moving averages" of Ma et al., "MEGA: Moving
    average equipped gated attention", ICLR 2023.

    Args:
      num_decays: the number of averages.
    """

    def __init__(self, dim: int, length: int, seed: int, num_decays: int = 4) -> None:
        super().__init__(dim, length, seed, sets=num_decays + 1)
        self.num_decays = num_decays

    def build(self, input_shape: tf.TensorShape) -> None:
        rates = np.geomspace(SLOWEST, FASTEST, self.num_decays)
        self.log_rates = self.add_weight(
            name="log_rates",
            shape=(self.num_decays,),
            initializer=tf.keras.initializers.Constant(np.log(rates)),
        )
        super().build(input_shape)

    def item_weights(self, is_there: tf.Tensor) -> tf.Tensor:
        ages = tf.range(self.length - 1, -1, -1, dtype=tf.float32)
        decays = tf.exp(-tf.exp(tf.convert_to_tensor(self.log_rates))[:, None] * ages[None, :])
        last = tf.cast(ages == 0, tf.float32)[None, :]
        there = tf.cast(is_there, tf.float32)
        return tf.concat([decays, last], axis=0)[None, :, :] * there[:, None, :]


class Gru(SequenceEncoder):
    """Reads the items from first to last with a gated recurrent unit; [rows, dim].

    Hidasi et al., "Session-based recommendations with recurrent neural networks", ICLR 2016.
    The unit is that of Keras's `GRUCell`. Padding leaves the state, zeros at first, as it is.
    """

    def __init__(self, dim: int, length: int, seed: int) -> None:
        super().__init__(dim, length, seed)
        self.width = dim

    def build(self, input_shape: tf.TensorShape) -> None:
        shape = (self.dim, 3 * self.dim)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=shape, initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(2, 3 * self.dim), initializer="zeros")
        super().build(input_shape)

    def call(self, vectors: tf.Tensor, is_there: tf.Tensor, training: bool = False) -> tf.Tensor:
        recurrent = tf.convert_to_tensor(self.recurrent_kernel)
        bias = tf.convert_to_tensor(self.bias)
        # One product for all positions computes what does not depend on the state.
        read = tf.tensordot(vectors, tf.convert_to_tensor(self.kernel), 1) + bias[0]
        read, there = tf.transpose(read, [1, 0, 2]), tf.transpose(is_there)[:, :, None]

        def step(position, state):  # type: ignore[no-untyped-def]
            inputs = tf.split(tf.gather(read, position), 3, axis=1)
            states = tf.split(tf.matmul(state, recurrent) + bias[1], 3, axis=1)
            update, reset = (tf.sigmoid(inputs[each] + states[each]) for each in (0, 1))
            candidate = tf.tanh(inputs[2] + reset * states[2])
            moved = update * state + (1.0 - update) * candidate
            return position + 1, tf.where(tf.gather(there, position), moved, state)

        _, state = tf.while_loop(
            lambda position, _: position < self.length,
            step,
            (tf.constant(0), tf.zeros_like(vectors[:, 0])),
            # XLA must know for how many steps to keep what the gradient needs.
            maximum_iterations=self.length,
        )
        return state


class SelfAttention(SequenceEncoder):
    """Reads the items with causal self-attention, and returns the last position; [rows, dim].

    Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018: learnt vectors of
    positions, then blocks of attention and of a two-layer network at each position, each after a
    layer normalization and with a residual connection. A position attends to itself and to earlier
    ones. Positions count from the end, so that the last item always has the same position.

    Args:
      num_blocks: at least 1.
      num_heads: must divide `dim`.
      dropout: the dropout rate of embeddings, attention and the networks in training.
    """

    def __init__(
        self,
        dim: int,
        length: int,
        seed: int,
        num_blocks: int = 2,
        num_heads: int = 2,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(dim, length, seed)
        self.width = dim
        self.dropout = Dropout(dropout, seed, "dropout")
        self.blocks = [
            AttentionBlock(dim, num_heads, dropout, seed + 1 + 10 * number, f"block_{number + 1}")
            for number in range(num_blocks)
        ]
        self.normalization = tf.keras.layers.LayerNormalization(name="normalization")

    def build(self, input_shape: tf.TensorShape) -> None:
        self.positions = self.add_weight(
            name="positions",
            shape=(self.length, self.dim),
            initializer=tf.keras.initializers.RandomUniform(-0.05, 0.05),
        )
        super().build(input_shape)

    def call(self, vectors: tf.Tensor, is_there: tf.Tensor, training: bool = False) -> tf.Tensor:
        there = tf.cast(is_there, vectors.dtype)[:, :, None]
        scaled = vectors * math.sqrt(self.dim) + tf.convert_to_tensor(self.positions)
        values = self.dropout(scaled, training=training) * there
        for block in self.blocks[:-1]:
            values = block(values, values, is_there, training=training)
        # Only the last position of the last block is needed.
        last = self.blocks[-1](values[:, -1:], values, is_there, training=training)
        return self.normalization(last[:, 0]) * there[:, -1]


class AttentionBlock(tf.keras.layers.Layer):
    """One block of `SelfAttention`."""

    def __init__(self, dim: int, num_heads: int, dropout: float, seed: int, name: str) -> None:
        super().__init__(name=name)
        keras = tf.keras.layers
        self.dim, self.num_heads = dim, num_heads
        self.query_normalization = keras.LayerNormalization(name="query_normalization")
        self.query, self.key, self.value, self.output_projection = (
            keras.Dense(dim, name=each) for each in ("query", "key", "value", "output")
        )
        self.attention_dropout = Dropout(dropout, seed, "attention_dropout")
        self.network_normalization = keras.LayerNormalization(name="network_normalization")
        self.hidden = keras.Dense(dim, activation="relu", name="hidden")
        self.outer = keras.Dense(dim, name="outer")
        self.hidden_dropout = Dropout(dropout, seed + 1, "hidden_dropout")
        self.outer_dropout = Dropout(dropout, seed + 2, "outer_dropout")

    def call(
        self, asking: tf.Tensor, values: tf.Tensor, is_there: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Computes the block's output at the last positions.

        Args:
          asking: [rows, asked, dim], the last of `values`.
          values: [rows, length, dim].
          is_there: [rows, length].
        """
        normalized = self.query_normalization(asking)
        attended = self._attend(normalized, values, is_there, training)
        between = normalized + attended
        network = self.hidden(self.network_normalization(between))
        network = self.outer(self.hidden_dropout(network, training=training))
        return between + self.outer_dropout(network, training=training)

    def _attend(
        self, asking: tf.Tensor, values: tf.Tensor, is_there: tf.Tensor, training: bool
    ) -> tf.Tensor:
        queries, keys, contents = (
            self._heads(layer(each))
            for layer, each in ((self.query, asking), (self.key, values), (self.value, values))
        )
        scores = tf.matmul(queries, keys, transpose_b=True) / math.sqrt(self.dim / self.num_heads)
        asked, length = asking.shape[1], values.shape[1]
        places = tf.range(length)
        causal = places[None, :] <= places[length - asked :, None]
        allowed = causal[None, None, :, :] & is_there[:, None, None, :]
        shares = tf.nn.softmax(tf.where(allowed, scores, MASKED))
        shares = self.attention_dropout(tf.where(allowed, shares, 0.0), training=training)
        mixed = tf.transpose(tf.matmul(shares, contents), [0, 2, 1, 3])
        return self.output_projection(tf.reshape(mixed, [-1, asked, self.dim]))

    def _heads(self, values: tf.Tensor) -> tf.Tensor:
        """Splits [rows, n, dim] into [rows, heads, n, dim / heads]."""
        split = tf.reshape(
            values, [-1, values.shape[1], self.num_heads, self.dim // self.num_heads]
        )
        return tf.transpose(split, [0, 2, 1, 3])


ENCODERS: dict[str, type[SequenceEncoder]] = {
    "mean": Mean,
    "recency": Recency,
    "gru": Gru,
    "self_attention": SelfAttention,
}

# The values of the configuration that each encoder takes.
OPTIONS_OF_ENCODERS = {
    "recency": ("num_decays",),
    "self_attention": ("num_blocks", "num_heads", "dropout"),
}
