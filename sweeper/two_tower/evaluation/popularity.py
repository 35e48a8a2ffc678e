"""Baselines that answer everybody with the same list: the most popular candidates.

The last days alone are the stronger list where tastes move: Y. Ji et al., "A re-visit of the
popularity baseline in recommender systems", SIGIR 2020.
"""

from __future__ import annotations

import numpy as np

from sweeper.two_tower.evaluation.ranking import Candidates
from sweeper.two_tower.evaluation.training_rows import Fitted, TrainingRows

SECONDS_A_DAY = 86_400


def fit_popularity(rows: TrainingRows) -> Fitted:
    """The same list for everyone: candidates by their number of training rows.

    Equal numbers are listed in catalogue order, as a list of titles has no ties.
    """
    return _same_for_all(popularity_scores(rows))


def fit_recent_popularity(rows: TrainingRows, days: float) -> Fitted:
    """The same list for everyone: candidates by their number of recent training rows.

    Recent is what is less than `days` older than the last training row. Equal numbers are listed
    by those of all training rows, and where these are equal, too, in catalogue order.
    """
    assert rows.times is not None, "the data has no times"
    is_recent = rows.times > rows.times.max() - days * SECONDS_A_DAY
    recent = np.bincount(rows.items[is_recent], minlength=rows.num_candidates)
    return _same_for_all(_scores(np.lexsort((-popularity_scores(rows), -recent))))


def popularity_scores(rows: TrainingRows) -> np.ndarray:
    """The candidates' places in a list by number of training rows, counted from its end.

    Returns:
      float32 [candidates]: as many as there are candidates for the most popular, 1 for the last.
    """
    counts = np.bincount(rows.items, minlength=rows.num_candidates)
    return _scores(np.argsort(-counts, kind="stable"))


def _scores(order: np.ndarray) -> np.ndarray:
    """Such that a list of all candidates by score is in this order."""
    scores = np.empty(len(order), np.float32)
    scores[order] = np.arange(len(order), 0, -1)
    return scores


def _same_for_all(scores: np.ndarray) -> Fitted:
    def scorer(start: int, stop: int, chosen: Candidates) -> np.ndarray:
        return np.broadcast_to(scores[chosen], (stop - start, len(scores[chosen])))

    return lambda task: scorer
