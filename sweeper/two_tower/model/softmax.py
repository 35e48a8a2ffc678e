"""The in-batch softmax over the batch's distinct candidates.

A batch of 2,048 MovieLens rows holds about 780 distinct titles. The in-batch
softmax of `tfrs.tasks.Retrieval` scores each row against all 2,048 candidates
of the batch, so a title that occurs n times is scored n times, with the same
result. Scoring each distinct title once and weighting its exponential by n
gives the same loss and the same gradients:

  loss_i = -s(i, t_i) + log sum_u n_u exp s(i, u)

The same sum with other weights covers the sampling-bias correction
(n_u / p_u in place of n_u; Yi et al., "Sampling-bias-corrected neural modeling
for large corpus item recommendations", RecSys 2019) and the softmax over a
whole catalogue (n_u = 1 for all).
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

# The score of an excluded candidate: its exponential is 0.
EXCLUDED = -1e30


def weighted_log_sum_exp(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    weights: tf.Tensor,
    positions: tf.Tensor,
    own_factors: tf.Tensor | None = None,
    row_blocks: int = 1,
    excluded: tf.Tensor | None = None,
    biased: tuple[tf.Tensor, tf.Tensor] | None = None,
) -> tf.Tensor:
    """Computes log sum_u w_u exp(q_i . c_u) for each query, with a gradient of its own.

    The exponentials are computed once, shifted by the row's largest score, and
    used for the value and for both gradients: one product [batch, candidates] x
    [candidates, 1 + dim] gives the sum and its weighted mean candidate, and one
    [dim, batch] x [batch, candidates] the gradient of the candidates.

    Args:
      queries: [batch, dim].
      candidates: [num_candidates, dim].
      weights: [num_candidates], at least 0; a candidate of weight 0 is padding,
        whatever its embedding. The first candidate must not be padding.
      positions: [batch] integers, the column of each row's own candidate.
      own_factors: [batch], multiplies the row's own candidate in the row's sum
        (1 / n_t leaves one of n_t occurrences). None: 1.
      row_blocks: the number of independent blocks of rows, which XLA computes side by side on as
        many threads.
      excluded: [batch, num_candidates] booleans, candidates that are left out of the row's sum,
        which must keep at least one. None: none is left out.
      biased: a scalar, and the [batch, num_candidates] booleans of the scores that it is added
        to. None: none.

    Returns:
      [batch].
    """
    blocks = row_blocks if queries.shape[0] and queries.shape[0] % row_blocks == 0 else 1
    bias, is_biased = (tf.constant(0.0), None) if biased is None else biased

    def split(values: tf.Tensor | None) -> list[tf.Tensor]:
        return [None] * blocks if values is None else tf.split(values, blocks)

    @tf.custom_gradient
    def compute(queries, candidates, weights, bias):  # type: ignore[no-untyped-def]
        # Padding must not have a row's largest score. Under dropout its embedding differs from
        # that of the first candidate, which it repeats; so might its marks.
        candidates = tf.where(weights[:, None] > 0, candidates, candidates[:1])
        biased_marks, excluded_marks = (
            None if marks is None else tf.where(weights[None, :] > 0, marks, marks[:, :1])
            for marks in (is_biased, excluded)
        )
        weighted = tf.concat([weights[:, None], weights[:, None] * candidates], axis=1)
        biased_blocks = split(biased_marks)
        sums = [
            _block_sums(block, candidates, weighted, bias, *masks)
            for block, *masks in zip(
                split(queries),
                biased_blocks,
                split(excluded_marks),
                split(positions),
                split(own_factors),
                strict=True,
            )
        ]

        def gradient(upstream):  # type: ignore[no-untyped-def]
            query_gradient = upstream[:, None] * tf.concat([each.mean for each in sums], axis=0)
            shares = [
                block[:, None] / each.total
                for block, each in zip(split(upstream), sums, strict=True)
            ]
            # [dim, num_candidates]: in the other orientation the product takes three times as
            # long on a CPU. The weights are applied before the transposition, else XLA folds it
            # back into the product.
            transposed = tf.add_n(
                [
                    tf.matmul(block * share, each.exponentials, transpose_a=True)
                    for block, share, each in zip(split(queries), shares, sums, strict=True)
                ]
            )
            candidate_gradient = tf.transpose(weights[None, :] * transposed)
            bias_gradient = None
            if biased_marks is not None:
                # The biased candidates' share of the softmax.
                bias_gradient = tf.add_n(
                    [
                        tf.reduce_sum(
                            tf.where(marks, each.exponentials * weights[None, :], 0.0) * share
                        )
                        for marks, share, each in zip(biased_blocks, shares, sums, strict=True)
                    ]
                )
            return query_gradient, candidate_gradient, None, bias_gradient

        return tf.concat([each.log_sum for each in sums], axis=0), gradient

    return compute(queries, candidates, weights, bias)


class _BlockSums(NamedTuple):
    """The sums of a block of rows.

    Attributes:
      exponentials: [rows, num_candidates], without the weights of the candidates.
      total: [rows, 1], the weighted sum of the exponentials.
      mean: [rows, dim], the weighted mean candidate.
      log_sum: [rows].
    """

    exponentials: tf.Tensor
    total: tf.Tensor
    mean: tf.Tensor
    log_sum: tf.Tensor


def _block_sums(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    weighted: tf.Tensor,
    bias: tf.Tensor,
    biased: tf.Tensor | None,
    excluded: tf.Tensor | None,
    positions: tf.Tensor,
    own_factors: tf.Tensor | None,
) -> _BlockSums:
    """Computes the sums of `weighted_log_sum_exp` for a block of its rows.

    Args:
      weighted: [num_candidates, 1 + dim], the weights and the weighted candidates.
      biased: [rows, num_candidates] booleans of the scores that `bias` is added to; None: none.
    """
    scores = tf.matmul(queries, candidates, transpose_b=True)
    if biased is not None:
        scores += tf.where(biased, bias, 0.0)
    if excluded is not None:
        scores = tf.where(excluded, EXCLUDED, scores)
    largest = tf.reduce_max(scores, axis=1, keepdims=True)
    exponentials = tf.exp(scores - largest)
    if own_factors is not None:
        columns = tf.range(tf.shape(candidates)[0], dtype=positions.dtype)
        is_own = columns[None, :] == positions[:, None]
        exponentials = tf.where(is_own, exponentials * own_factors[:, None], exponentials)
    products = tf.matmul(exponentials, weighted)
    total = products[:, :1]
    log_sum = largest[:, 0] + tf.math.log(total[:, 0])
    return _BlockSums(exponentials, total, products[:, 1:] / total, log_sum)


def hard_negative_log_sum_exp(
    scores: tf.Tensor,
    weights: tf.Tensor,
    counts: tf.Tensor,
    positions: tf.Tensor,
    num_hard_negatives: int,
) -> tf.Tensor:
    """Computes the log of the positive's exponential plus those of the hardest negatives.

    The `num_hard_negatives` negatives of largest score are kept, counted with their repetitions,
    as in `tfrs.layers.loss.HardNegativeMining`. Other occurrences of the row's own candidate are
    negatives too; `counts` says how many there are.

    Args:
      scores: [batch, num_candidates], already corrected for sampling.
      weights: [num_candidates]; 0 marks padding.
      counts: [batch, num_candidates], how often each candidate is among the
        row's negatives.
      positions: [batch], the column of each row's own candidate.
      num_hard_negatives: how many negatives are kept.

    Returns:
      [batch].
    """
    positive = tf.gather(scores, positions, axis=1, batch_dims=1)
    lowest = scores.dtype.min / 100.0
    masked = tf.where((counts > 0) & (weights > 0)[None, :], scores, lowest)
    kept = min(num_hard_negatives, scores.shape[1] or num_hard_negatives)
    hardest, columns = tf.math.top_k(masked, k=kept)
    occurrences = tf.gather(counts, columns, axis=1, batch_dims=1)
    before = tf.cumsum(occurrences, axis=1, exclusive=True)
    used = tf.clip_by_value(num_hard_negatives - before, 0.0, occurrences)
    largest = tf.stop_gradient(tf.maximum(positive, hardest[:, 0]))
    terms = tf.where(used > 0, used * tf.exp(hardest - largest[:, None]), 0.0)
    total = tf.exp(positive - largest) + tf.reduce_sum(terms, axis=1)
    return largest + tf.math.log(total)
