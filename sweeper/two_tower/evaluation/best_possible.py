"""The best metrics that any model can expect on synthetic data, whose order is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sweeper.two_tower.config import METRICS, SEEN_FILTERED, DataConfig, EvaluationConfig
from sweeper.two_tower.data.histories import Histories, histories_of
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.synthetic import synthetic_structure
from sweeper.two_tower.data.synthetic_chain import NextItem
from sweeper.two_tower.evaluation.metrics import row_values

PAIRS_A_CHUNK = 1_000_000


def is_known(data: DataConfig, evaluation: EvaluationConfig) -> bool:
    """Whether `best_possible` can be computed: the data is synthetic, with an order.

    It can't be computed under the random split, where the user's later rows help to predict a row,
    nor where only a sample of the catalogue competes.
    """
    ordered = data.name == "synthetic" and data.synthetic.markov_share > 0
    return ordered and data.split != "random" and evaluation.sampled_candidates is None


def best_possible(
    config: DataConfig, interactions: Interactions, rows: np.ndarray
) -> dict[str, float]:
    """Computes what a ranking by the true P(item | user, history) is expected to score.

    With p_1 >= p_2 >= ... the probabilities of a row's candidates (see
    `data.synthetic_chain`), and v_r what a metric counts for the rank r, the metric is
    expected to be sum_r p_r v_r; of top-k accuracies that is p_1 + ... + p_k. No other ranking is
    expected to do better, as v falls with the rank. The next item depends on the whole history,
    including the rows of cold-start items that a model doesn't get. The result is the mean over
    the rows: the accuracy on them differs from it by chance, with a standard deviation of at most
    1 / (2 sqrt(rows)).

    No user has an item twice, so that the best ranking lists seen items last, and its seen-filtered
    metrics are the same.

    Args:
      config: one for which `is_known` is true.
      interactions: the data that `config` names.
      rows: indices of the rows to score, [n].

    Returns:
      All of `METRICS`, by name.
    """
    next_item = NextItem(config.synthetic, *synthetic_structure(config.synthetic))
    whole = replace(config, same_time="include", cold_start_items=0.0)
    histories = histories_of(whole, interactions, rows)
    chances = np.zeros(interactions.num_items)
    size = max(1, PAIRS_A_CHUNK // interactions.num_items)
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        each = _probabilities(next_item, histories, interactions, some)
        chances += np.sort(each, axis=1)[:, ::-1].sum(axis=0, dtype=np.float64)
    chances /= len(rows)
    ranks = np.arange(interactions.num_items)
    return {
        metric: float(chances @ row_values(metric.removeprefix(SEEN_FILTERED), ranks))
        for metric in METRICS
    }


def _probabilities(
    next_item: NextItem, histories: Histories, interactions: Interactions, rows: np.ndarray
) -> np.ndarray:
    """Computes P(item | user, history) of every item for each row, [rows, num_items]."""
    had = np.zeros((len(rows), interactions.num_items), bool)
    had[histories.pairs(rows)] = True
    previous = histories.latest(rows, 1)[:, 0]
    return next_item.probabilities(interactions.users[rows], previous, had)
