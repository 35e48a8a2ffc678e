"""The baselines of a trial: which ones are fitted, and their ranks on the rows to score.

All baselines are fitted on the training rows and ranked by the same code as the model. Those that
read what a user had before a row read the same histories as the model's sequence features. Each
row counts once, whatever its weight in the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sweeper.common.errors import ConfigError
from sweeper.common.plugins import is_path, load
from sweeper.two_tower.config import EvaluationConfig, ease_last, goes_by_times, no_times_problem
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.evaluation.baseline_models import (
    Ease,
    Fitted,
    TrainingRows,
    fit_covisitation,
    fit_popularity,
    fit_recent_popularity,
)
from sweeper.two_tower.evaluation.ranking import RankingTask, Ranks, rank
from sweeper.two_tower.evaluation.rows import coverage

# At this size EASE inverts a dense [candidates, candidates] matrix of 3.2 GB, with its inverse
# beside it, and needs a dense [users, candidates] one of 4 bytes per cell.
MAX_EASE_CATALOGUE, MAX_EASE_MATRIX = 20_000, 500_000_000


def check_baselines(config: EvaluationConfig, num_users: int, num_items: int) -> None:
    """Raises ConfigError for a baseline that doesn't fit into memory with this data."""
    name = next((each for each in config.baselines if is_ease(each)), None)
    if name is None:
        return
    limits = ""
    if num_items > MAX_EASE_CATALOGUE:
        limits = f"inverts a dense matrix of at most {MAX_EASE_CATALOGUE:,} candidates"
    elif num_users * num_items > MAX_EASE_MATRIX:
        limits = f"takes a dense matrix of at most {MAX_EASE_MATRIX:,} users x candidates"
    if limits:
        raise ConfigError(
            f"evaluation.baselines: got {name!r} for {num_users:,} users and a catalogue of "
            f"{num_items:,}, but it {limits}; leave it out, as in evaluation.baselines=[popularity]"
        )


def is_ease(name: str) -> bool:
    """Whether a baseline uses EASE's weights."""
    return name == "ease" or ease_last(name) is not None


@dataclass(frozen=True, eq=False)
class Fitting:
    """The rows and the settings that the baselines of a trial are fitted with."""

    rows: TrainingRows
    config: EvaluationConfig

    @cached_property
    def ease(self) -> Ease:
        """The model of all baselines that use EASE, fitted once: it is a large inversion."""
        return Ease.fit(self.rows, self.config.ease_regularization)


# The built-in baselines by name, except `ease_last_N`.
FITS: dict[str, Callable[[Fitting], Fitted]] = {
    "popularity": lambda by: fit_popularity(by.rows),
    "recent_popularity": lambda by: fit_recent_popularity(
        by.rows, by.config.recent_popularity_days
    ),
    "covisitation": lambda by: fit_covisitation(
        by.rows, by.config.covisitation_window, by.config.covisitation_history
    ),
    "ease": lambda by: by.ease.fitted(),
}


def fit_baselines(
    config: EvaluationConfig, interactions: Interactions, training_rows: np.ndarray
) -> dict[str, Fitted]:
    """Fits popularity and the baselines that `config` names; returns them by name.

    A path names a function of (users, items, num_users, num_candidates, config) that returns a
    `Fitted`; users and items are those of the training rows, in their order.

    Raises:
      ConfigError: a path names no function, or a baseline can't be fitted to this data.
    """
    check_baselines(config, interactions.num_users, interactions.num_items)
    if interactions.timestamps is None:
        for name in filter(goes_by_times, config.baselines):
            raise ConfigError(no_times_problem(name))
    fitting = Fitting(TrainingRows.of(interactions, training_rows), config)
    return {name: _fit(name, fitting) for name in dict.fromkeys(("popularity", *config.baselines))}


def _fit(name: str, by: Fitting) -> Fitted:
    if not is_path(name):
        last = ease_last(name)
        return FITS[name](by) if last is None else by.ease.fitted(last)
    fit, rows = load("evaluation.baselines", name), by.rows
    if not callable(fit):
        raise ConfigError(f"evaluation.baselines: got {name!r}, which is not a function")
    return fit(rows.users, rows.items, rows.num_users, rows.num_candidates, by.config)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Baseline:
    """The results of a baseline.

    Attributes:
      ranks: by task, "validation" and "test".
      coverage: of the test rows, see `evaluation.rows.coverage`; None: not computed.
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
    """Fits the baselines of `fit_baselines` and ranks the rows of all tasks.

    With `evaluation.save_ranks`, also computes the coverage of the test rows, if there are any.
    """
    found = {}
    for name, fitted in fit_baselines(config, interactions, training_rows).items():
        scorers = {rows: fitted(task) for rows, task in tasks.items()}
        ranks = {rows: rank(scorers[rows], task, name, threads) for rows, task in tasks.items()}
        wanted = config.save_ranks and "test" in tasks
        share = coverage(scorers["test"], tasks["test"], threads) if wanted else None
        found[name] = Baseline(ranks, share)
    return found
