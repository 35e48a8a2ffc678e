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
    """log sum_u w_u exp(q_i . c_u) for each query, with a gradient of its own.

    The exponentials are computed once, shifted by the row's largest score, and
    used for the value and for both gradients: one product [batch, candidates] x
    [candidates, 1 + dim] gives the sum and its weighted mean candidate, and one
    [dim, batch] x [batch, candidates] the gradient of the candidates.

    Args:
      queries: [batch, dim].
      candidates: [num_candidates, dim].
      weights: [num_candidates], at least 0; a candidate of weight 0 is padding,
        whatever its embedding. The first is none.
      positions: [batch] integers, the column of each row's own candidate.
      own_factors: [batch]; the row's own candidate counts this much more or
        less in the row's sum (1 / n_t leaves one of n_t occurrences). None: 1.
      row_blocks: the rows are computed in so many independent blocks, which
        XLA runs side by side on as many threads.
      excluded: [batch, num_candidates] booleans; candidates that are in no sum of the row. One
        candidate at least must be left. None: none is.
      biased: a scalar, and the [batch, num_candidates] booleans of the scores that it is added
        to. None: to none.

    Returns:
      [batch].
    """
    dim = candidates.shape[1]
    blocks = row_blocks if queries.shape[0] and queries.shape[0] % row_blocks == 0 else 1

    bias, is_biased = biased if biased is not None else (tf.constant(0.0), None)

    @tf.custom_gradient
    def compute(queries, candidates, weights, bias):  # type: ignore[no-untyped-def]
        # Padding must not hold a row's largest score: under dropout it isn't equal to the
        # candidate that it repeats, nor is it excluded or biased as that is.
        candidates = tf.where(weights[:, None] > 0, candidates, candidates[:1])
        biased_marks, excluded_marks = (
            None if marks is None else tf.where(weights[None, :] > 0, marks, marks[:, :1])
            for marks in (is_biased, excluded)
        )
        weighted = tf.concat([weights[:, None], weights[:, None] * candidates], axis=1)
        columns = tf.range(tf.shape(candidates)[0], dtype=positions.dtype)
        exponentials, sums, means, log_sums = [], [], [], []
        for index, block in enumerate(tf.split(queries, blocks)):
            scores = tf.matmul(block, candidates, transpose_b=True)
            if biased_marks is not None:
                scores += tf.where(tf.split(biased_marks, blocks)[index], bias, 0.0)
            if excluded_marks is not None:
                scores = tf.where(tf.split(excluded_marks, blocks)[index], EXCLUDED, scores)
            largest = tf.reduce_max(scores, axis=1, keepdims=True)
            exponential = tf.exp(scores - largest)
            if own_factors is not None:
                own = columns[None, :] == tf.split(positions, blocks)[index][:, None]
                factors = tf.split(own_factors, blocks)[index][:, None]
                exponential = tf.where(own, exponential * factors, exponential)
            products = tf.matmul(exponential, weighted)
            total = products[:, :1]
            exponentials.append(exponential)
            sums.append(total)
            means.append(products[:, 1 : 1 + dim] / total)
            log_sums.append(largest[:, 0] + tf.math.log(total[:, 0]))

        def gradient(upstream):  # type: ignore[no-untyped-def]
            query_gradient = upstream[:, None] * tf.concat(means, axis=0)
            # [dim, num_candidates]: in the other orientation the product takes
            # three times as long on a CPU. The weights are applied before the
            # transposition, else XLA folds it back into the product.
            transposed = tf.add_n(
                [
                    tf.matmul(block * (share[:, None] / total), exponential, transpose_a=True)
                    for block, share, total, exponential in zip(
                        tf.split(queries, blocks),
                        tf.split(upstream, blocks),
                        sums,
                        exponentials,
                        strict=True,
                    )
                ]
            )
            bias_gradient = None
            if biased_marks is not None:
                # The softmax's share of the biased candidates.
                bias_gradient = tf.add_n(
                    [
                        tf.reduce_sum(
                            tf.where(biased_block, exponential * weights[None, :], 0.0)
                            * (share[:, None] / total)
                        )
                        for biased_block, share, total, exponential in zip(
                            tf.split(biased_marks, blocks),
                            tf.split(upstream, blocks),
                            sums,
                            exponentials,
                            strict=True,
                        )
                    ]
                )
            candidate_gradient = tf.transpose(weights[None, :] * transposed)
            return query_gradient, candidate_gradient, None, bias_gradient

        return tf.concat(log_sums, axis=0), gradient

    return compute(queries, candidates, weights, bias)


def hard_negative_log_sum_exp(
    scores: tf.Tensor,
    weights: tf.Tensor,
    counts: tf.Tensor,
    positions: tf.Tensor,
    num_hard_negatives: int,
) -> tf.Tensor:
    """log of the positive's exponential plus those of the hardest negatives.

    Of the batch's negatives, counted with their repetitions, the
    `num_hard_negatives` of largest score are kept, as in
    `tfrs.layers.loss.HardNegativeMining`. Other occurrences of the row's own
    candidate are negatives too; `counts` says how many there are.

    Args:
      scores: [batch, num_candidates], already corrected for sampling.
      weights: [num_candidates]; 0 marks padding.
      counts: [batch, num_candidates], how often each candidate stands among
        the row's negatives.
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
