"""The retrieval task: `tfrs.tasks.Retrieval` over distinct candidates.

Three losses share one computation (`sweeper.two_tower.model.softmax`):

  in_batch_softmax   negatives are the batch's other candidates, as often as
                     they occur. It learns log p(title | user) - log p(title).
  corrected_softmax  the same with the sampling-bias correction, "logQ": the
                     score less the log of the candidate's sampling probability.
  full_softmax       negatives are the whole catalogue, each once.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from sweeper.common.plugins import is_path, make
from sweeper.two_tower.config import TaskConfig
from sweeper.two_tower.model.softmax import hard_negative_log_sum_exp, weighted_log_sum_exp

# The bounds that tfrs.layers.loss.SamplingProbablityCorrection clips to.
MIN_PROBABILITY, MAX_PROBABILITY = 1e-6, 1.0


class CustomTask(tf.keras.layers.Layer):
    """Base class of a user's own tasks; `task.name: package.module:Name`.

    `call` takes the arguments of `DistinctRetrieval.call`, by the same names, and returns the
    batch's summed loss, a scalar. Rows of weight 0 and candidates of count 0 are padding and must
    change nothing.

    Args:
      config: the task's configuration; the task itself must apply the temperature and the like.
      options: the values of `task.options`.
    """

    def __init__(self, config: TaskConfig, **options: Any) -> None:
        super().__init__(name="own", **options)
        self.config = config


def build_task(config: TaskConfig, row_blocks: int = 1) -> DistinctRetrieval | CustomTask:
    """Makes the task that the configuration names.

    Raises:
      ConfigError: a path that names no `CustomTask`.
    """
    if is_path(config.name):
        return make("task.name", config.name, CustomTask, config, **config.options)
    return DistinctRetrieval(config, row_blocks)


class DistinctRetrieval(tfrs.tasks.Retrieval):
    """The loss of `tfrs.tasks.Retrieval`, computed from each distinct candidate once.

    The loss is summed over the batch, as there: the learning rate scales with the batch size.
    """

    def __init__(self, config: TaskConfig, row_blocks: int = 1) -> None:
        super().__init__(
            temperature=config.temperature,
            num_hard_negatives=config.num_hard_negatives,
            remove_accidental_hits=config.remove_accidental_hits,
            name=config.name,
        )
        self._corrects_sampling = config.name == "corrected_softmax"
        self._row_blocks = row_blocks

    def call(
        self,
        query_embeddings: tf.Tensor,
        candidate_embeddings: tf.Tensor,
        positions: tf.Tensor,
        counts: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        candidate_sampling_probability: tf.Tensor | None = None,
        excluded: tf.Tensor | None = None,
        seen: tf.Tensor | None = None,
        seen_bias: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns the summed cross-entropy of the batch, a scalar.

        Args:
          query_embeddings: [batch, dim].
          candidate_embeddings: [num_candidates, dim], the distinct candidates.
          positions: [batch] integers, the column of each row's own candidate.
          counts: [num_candidates] floats, how often each candidate occurs in
            the batch; 0 marks padding.
          sample_weight: [batch], the weight of each row; 0 marks padding.
          candidate_sampling_probability: [num_candidates], needed by
            `corrected_softmax` and ignored by the others.
          excluded: [batch, num_candidates] booleans, the candidates that are not negatives of a
            row; the row's own is never excluded.
          seen: [batch, num_candidates] booleans, the candidates to whose scores `seen_bias` is
            added, a scalar.
        """
        scaled = query_embeddings / self._temperature
        bias = None if seen is None else seen_bias / self._temperature
        if excluded is not None:
            columns = tf.range(tf.shape(counts)[0], dtype=positions.dtype)
            excluded &= columns[None, :] != positions[:, None]
        positive = tf.reduce_sum(scaled * tf.gather(candidate_embeddings, positions), axis=1)
        if seen is not None:
            is_seen = tf.gather(seen, positions, axis=1, batch_dims=1)
            positive += tf.where(is_seen, bias, 0.0)
        weights, log_probability = counts, None
        if self._corrects_sampling:
            probability = tf.clip_by_value(
                candidate_sampling_probability, MIN_PROBABILITY, MAX_PROBABILITY
            )
            weights, log_probability = counts / probability, tf.math.log(probability)
            positive -= tf.gather(log_probability, positions)
        if self._num_hard_negatives is None:
            log_sum = weighted_log_sum_exp(
                scaled,
                candidate_embeddings,
                weights,
                positions,
                self._own_factors(counts, positions),
                self._row_blocks,
                excluded,
                None if seen is None else (bias, seen),
            )
        else:
            scores = tf.matmul(scaled, candidate_embeddings, transpose_b=True)
            if seen is not None:
                scores += tf.where(seen, bias, 0.0)
            if log_probability is not None:
                scores -= log_probability[None, :]
            negatives = self._negative_counts(counts, positions)
            if excluded is not None:
                negatives = tf.where(excluded, 0.0, negatives)
            log_sum = hard_negative_log_sum_exp(
                scores, weights, negatives, positions, self._num_hard_negatives
            )
        losses = log_sum - positive
        return tf.reduce_sum(losses if sample_weight is None else losses * sample_weight)

    def _own_factors(self, counts: tf.Tensor, positions: tf.Tensor) -> tf.Tensor | None:
        """Returns the factors that leave one occurrence of each row's own candidate.

        None: all occurrences count.
        """
        if not self._remove_accidental_hits:
            return None
        return 1.0 / tf.maximum(tf.gather(counts, positions), 1.0)

    def _negative_counts(self, counts: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Returns how often each candidate is a negative of the row, [batch, num_candidates]."""
        own = tf.one_hot(positions, tf.shape(counts)[0], dtype=counts.dtype)
        if self._remove_accidental_hits:
            return counts[None, :] * (1.0 - own)
        return tf.maximum(counts[None, :] - own, 0.0)
