"""What a model must beat: the most popular titles, and EASE.

Both are fitted on the training rows and ranked by the same code as the model.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sweeper.errors import ConfigError
from sweeper.evaluation.ranking import RankingTask, Ranks, Scorer, rank

# EASE inverts a dense [candidates, candidates] matrix: 3.2 GB at this size.
LARGEST_EASE_CATALOGUE = 20_000


def popularity(users: np.ndarray, items: np.ndarray, task: RankingTask, **_: float) -> Scorer:
    """The same list for everyone: candidates by their number of training rows.

    Equal numbers are listed in catalogue order, as a list of titles has no ties.
    """
    counts = np.bincount(items, minlength=task.num_candidates)
    scores = np.empty(task.num_candidates, np.float32)
    scores[np.argsort(-counts, kind="stable")] = np.arange(task.num_candidates, 0, -1)
    return lambda start, stop: np.broadcast_to(scores, (stop - start, task.num_candidates))


def ease(
    users: np.ndarray, items: np.ndarray, task: RankingTask, ease_regularization: float
) -> Scorer:
    """EASE: a linear item-to-item model in closed form.

    With X the [users, candidates] 0/1 matrix of training rows and
    P = (X'X + lambda I)^-1, the weights are B_ij = -P_ij / P_jj off the diagonal
    and 0 on it; a user's scores are the user's row of X times B. H. Steck,
    "Embarrassingly shallow autoencoders for sparse data", WWW 2019.

    Raises:
      ConfigError: the catalogue is too large for the dense inverse.
    """
    size = task.num_candidates
    if size > LARGEST_EASE_CATALOGUE:
        raise ConfigError(
            f"evaluation.baselines: got 'ease' for a catalogue of {size:,}; it inverts a dense "
            f"matrix and takes at most {LARGEST_EASE_CATALOGUE:,} candidates"
        )
    num_users = int(max(users.max(), task.users.max())) + 1
    matrix = np.zeros((num_users, size), np.float32)
    matrix[users, items] = 1.0
    gram = (matrix.T @ matrix).astype(np.float64)
    gram[np.diag_indices(size)] += ease_regularization
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    weights = weights.astype(np.float32)
    return lambda start, stop: matrix[task.users[start:stop]] @ weights


BASELINES: dict[str, Callable[..., Scorer]] = {"popularity": popularity, "ease": ease}


def rank_baseline(
    name: str,
    users: np.ndarray,
    items: np.ndarray,
    task: RankingTask,
    ease_regularization: float,
) -> Ranks:
    """Fits the named baseline on the users and items of the training rows and ranks the task."""
    scorer = BASELINES[name](users, items, task, ease_regularization=ease_regularization)
    return rank(scorer, task, name)
