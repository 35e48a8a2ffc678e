"""Metrics of a ranking, from the rank of each row's one relevant item.

With r the rank of the relevant item, from 0, and one such item a row:

- `top_k`: 1 if r < k, else 0. Its mean is the top-k accuracy, which is also the hit rate at k
  and, as there is one relevant item, the recall at k.
- `ndcg_k`: 1 / log2(r + 2) if r < k, else 0: the discounted cumulated gain of one relevant item,
  whose ideal is 1. K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR
  techniques", ACM Transactions on Information Systems 20(4), 2002.
- `mrr`: 1 / (r + 1), over the whole catalogue: the reciprocal rank. E. M. Voorhees, "The TREC-8
  question answering track report", TREC 1999.
"""

from __future__ import annotations

import numpy as np

from sweeper.two_tower.config import MRR, SEEN_FILTERED, TOP_K

# The rank, in the seen-filtered metrics, of an item that the user has already: a product never
# shows it, so that the row is a miss at every k. It is the largest int32, so that it is below no k.
NEVER_SHOWN = np.iinfo(np.int32).max
# The catalogue coverage counts the first SHOWN candidates of each row.
SHOWN = 100
# A list of k items drawn at random has the true one with probability k / candidates. With k at
# most a fifth of the catalogue, at least four fifths of the scale lie above that.
MIN_ITEMS_PER_K = 5


def row_values(name: str, ranks: np.ndarray) -> np.ndarray:
    """Returns what each row contributes to a metric's mean, [rows]; bool for `top_k`, else float64.

    Args:
      name: `top_K`, `ndcg_K` or `mrr`, without the prefix of seen-filtered metrics.
      ranks: integers from 0, or `NEVER_SHOWN`, which contributes nothing.
    """
    if name == MRR:
        return np.where(ranks == NEVER_SHOWN, 0.0, 1.0 / (ranks + 1.0))
    kind, _, k = name.partition("_")
    is_hit = ranks < int(k)
    return is_hit if kind == "top" else np.where(is_hit, 1.0 / np.log2(ranks + 2.0), 0.0)


def is_always_hit(metric: str, candidates: int) -> bool:
    """Whether a metric is a top-k accuracy and every list of k has all candidates.

    Args:
      metric: any objective, seen-filtered or not.
    """
    kind, _, k = metric.removeprefix(SEEN_FILTERED).partition("_")
    return kind == "top" and candidates <= int(k)


def default_metric(num_candidates: int) -> str:
    """Returns the `top_k` of the largest k that is at most a fifth of the candidates.

    A k close to the size of the catalogue makes every model's score 1, so that no search can
    order its trials by it. With fewer than five candidates the metric is `top_1`.
    """
    fitting = [k for k in TOP_K if k * MIN_ITEMS_PER_K <= num_candidates]
    return f"top_{max(fitting, default=min(TOP_K))}"
