"""What a model must beat: the most popular titles, and EASE.

Both are fitted on the training rows and ranked by the same code as the model. Each row counts
once, whatever its weight in the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sweeper.config import EvaluationConfig
from sweeper.data.interactions import Interactions
from sweeper.errors import ConfigError
from sweeper.evaluation.ranking import Candidates, RankingTask, Ranks, Scorer, rank
from sweeper.evaluation.rows import coverage
from sweeper.plugins import is_path, load

# EASE inverts a dense [candidates, candidates] matrix of 3.2 GB at this size, which it holds
# beside its inverse, and takes a dense [users, candidates] one of 4 bytes a cell.
LARGEST_EASE_CATALOGUE, LARGEST_EASE_MATRIX = 20_000, 500_000_000


# Fitted on the training rows; gives the scorer of any ranking task.
Fitted = Callable[[RankingTask], Scorer]


def check_baselines(config: EvaluationConfig, num_users: int, num_items: int) -> None:
    """Raises ConfigError for a baseline that doesn't fit into memory with this data."""
    if "ease" not in config.baselines:
        return
    limits = ""
    if num_items > LARGEST_EASE_CATALOGUE:
        limits = f"inverts a dense matrix of at most {LARGEST_EASE_CATALOGUE:,} candidates"
    elif num_users * num_items > LARGEST_EASE_MATRIX:
        limits = f"takes a dense matrix of at most {LARGEST_EASE_MATRIX:,} users x candidates"
    if limits:
        raise ConfigError(
            f"evaluation.baselines: got 'ease' for {num_users:,} users and a catalogue of "
            f"{num_items:,}, but it {limits}; must be without, as evaluation.baselines=[popularity]"
        )


def fit_popularity(
    users: np.ndarray, items: np.ndarray, num_users: int, size: int, config: EvaluationConfig
) -> Fitted:
    """The same list for everyone: candidates by their number of training rows.

    Equal numbers are listed in catalogue order, as a list of titles has no ties.
    """
    counts = np.bincount(items, minlength=size)
    scores = np.empty(size, np.float32)
    scores[np.argsort(-counts, kind="stable")] = np.arange(size, 0, -1)

    def scorer(start: int, stop: int, chosen: Candidates) -> np.ndarray:
        return np.broadcast_to(scores[chosen], (stop - start, len(scores[chosen])))

    return lambda task: scorer


def fit_ease(
    users: np.ndarray, items: np.ndarray, num_users: int, size: int, config: EvaluationConfig
) -> Fitted:
    """EASE: a linear item-to-item model in closed form.

    With X the [users, candidates] 0/1 matrix of training rows and
    P = (X'X + lambda I)^-1, the weights are B_ij = -P_ij / P_jj off the diagonal
    and 0 on it; a user's scores are the user's row of X times B. H. Steck,
    "Embarrassingly shallow autoencoders for sparse data", WWW 2019.
    """
    matrix = np.zeros((num_users, size), np.float32)
    matrix[users, items] = 1.0
    gram = (matrix.T @ matrix).astype(np.float64)
    gram[np.diag_indices(size)] += config.ease_regularization
    inverse = np.linalg.inv(gram)
    del gram
    inverse /= -np.diag(inverse)
    np.fill_diagonal(inverse, 0.0)
    weights = inverse.astype(np.float32)
    del inverse
    return lambda task: (
        lambda start, stop, chosen: matrix[task.users[start:stop]] @ weights[:, chosen]
    )


FITS: dict[str, Callable[..., Fitted]] = {"popularity": fit_popularity, "ease": fit_ease}


def fit_baselines(
    config: EvaluationConfig, interactions: Interactions, training_rows: np.ndarray
) -> dict[str, Fitted]:
    """Popularity always, and what `config` names, by name; a path names a function as above.

    Raises:
      ConfigError: a path names none, or a baseline can't be fitted to this data.
    """
    check_baselines(config, interactions.num_users, interactions.num_items)
    users, items = interactions.users[training_rows], interactions.items[training_rows]
    return {
        name: _fit_of(name)(users, items, interactions.num_users, interactions.num_items, config)
        for name in dict.fromkeys(("popularity", *config.baselines))
    }


def _fit_of(name: str) -> Callable[..., Fitted]:
    if not is_path(name):
        return FITS[name]
    fit = load("evaluation.baselines", name)
    if not callable(fit):
        raise ConfigError(f"evaluation.baselines: got {name!r}, which is no function")
    return fit  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Baseline:
    """What a baseline came to.

    Attributes:
      ranks: by task, "validation" and "test".
      coverage: of the test rows, see `sweeper.evaluation.rows.coverage`; None: not wanted.
    """

    ranks: dict[str, Ranks]
    coverage: float | None = None


def rank_baselines(
    config: EvaluationConfig,
    interactions: Interactions,
    training_rows: np.ndarray,
    tasks: dict[str, RankingTask],
    threads: int = 1,
) -> dict[str, Baseline]:
    """Fits the baselines, as `fit_baselines` names them, and ranks the rows of all tasks.

    With `evaluation.keep_rows` also the coverage of the test rows, if there are any.
    """
    found = {}
    for name, fitted in fit_baselines(config, interactions, training_rows).items():
        scorers = {rows: fitted(task) for rows, task in tasks.items()}
        ranks = {rows: rank(scorers[rows], task, name, threads) for rows, task in tasks.items()}
        wanted = config.keep_rows and "test" in tasks
        share = coverage(scorers["test"], tasks["test"], threads) if wanted else None
        found[name] = Baseline(ranks, share)
    return found
