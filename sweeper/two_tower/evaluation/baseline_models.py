"""The baselines: popularity, EASE and co-visitation, fitted on the training rows.

Popularity answers everybody with the same list. The last days alone are the stronger list where
tastes move: Y. Ji et al., "A re-visit of the popularity baseline in recommender systems", SIGIR
2020. EASE and co-visitation go from the items that the user had before a row to others, and know
nothing else of the user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from sweeper.two_tower.data.histories import NO_ITEM, Histories
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.evaluation.ranking import Candidates, RankingTask, Scorer

SECONDS_A_DAY = 86_400
# Scores of co-visitation are rounded to multiples of STEP, so that popularity decides between equal
# scores only. Scores of the default window and history are multiples of 1/3600 and stay apart;
# those of longer ones can differ by less than the precision of doubles.
STEP = 2.0**-20

# A fitted baseline: makes the scorer of any ranking task.
Fitted = Callable[[RankingTask], Scorer]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The training rows of some data.

    Attributes:
      users, items: [rows], the user and the candidate of each row.
      times: int64 [rows], in seconds since 1970 (UTC); None: the data has no times.
      num_users: the number of users in the data.
      num_candidates: the size of the catalogue.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray | None
    num_users: int
    num_candidates: int

    @classmethod
    def of(cls, interactions: Interactions, rows: np.ndarray) -> TrainingRows:
        """Takes the rows with the indices `rows` from `interactions`."""
        times = interactions.timestamps
        return cls(
            interactions.users[rows],
            interactions.items[rows],
            None if times is None else times[rows],
            interactions.num_users,
            interactions.num_items,
        )


def histories_at(task: RankingTask) -> tuple[Histories, np.ndarray]:
    """Returns what each row's user had before it, and the rows' indices there, [rows]."""
    assert task.histories is not None, "the task's data has no times"
    assert task.rows is not None, "the task's rows belong to no data"
    return task.histories, task.rows


def fit_popularity(rows: TrainingRows) -> Fitted:
    """Fits the list of candidates by their number of training rows.

    Candidates with equal numbers are in catalogue order, since a list of titles has no ties.
    """
    return _same_for_all(popularity_scores(rows))


def fit_recent_popularity(rows: TrainingRows, days: float) -> Fitted:
    """Fits the list of candidates by their number of recent training rows.

    A row is recent if it is less than `days` older than the last training row. Candidates with
    equal numbers are ordered by their number of all training rows, then in catalogue order.
    """
    assert rows.times is not None, "the data has no times"
    is_recent = rows.times > rows.times.max() - days * SECONDS_A_DAY
    recent = np.bincount(rows.items[is_recent], minlength=rows.num_candidates)
    return _same_for_all(_scores(np.lexsort((-popularity_scores(rows), -recent))))


def popularity_scores(rows: TrainingRows) -> np.ndarray:
    """Scores candidates by their place in the list by number of training rows, from its end.

    Returns:
      float32 [candidates]; the number of candidates for the most popular one, 1 for the last.
    """
    counts = np.bincount(rows.items, minlength=rows.num_candidates)
    return _scores(np.argsort(-counts, kind="stable"))


def _scores(order: np.ndarray) -> np.ndarray:
    """Returns scores that list all candidates in this order."""
    scores = np.empty(len(order), np.float32)
    scores[order] = np.arange(len(order), 0, -1)
    return scores


def _same_for_all(scores: np.ndarray) -> Fitted:
    def scorer(start: int, stop: int, chosen: Candidates) -> np.ndarray:
        return np.broadcast_to(scores[chosen], (stop - start, len(scores[chosen])))

    return lambda task: scorer


@dataclass(frozen=True, eq=False)
class Ease:
    """EASE: a linear item-to-item model in closed form.

    With X the [users, candidates] 0/1 matrix of training rows and
    P = (X'X + lambda I)^-1, the weights are B_ij = -P_ij / P_jj off the diagonal
    and 0 on it; scores are the 0/1 row of what a user has times B. H. Steck,
    "Embarrassingly shallow autoencoders for sparse data", WWW 2019.

    Attributes:
      matrix: X, float32.
      weights: B, float32 [candidates, candidates].
      popularity: of each candidate, the greater the more popular; float32 [candidates].
    """

    matrix: np.ndarray
    weights: np.ndarray
    popularity: np.ndarray

    @classmethod
    def fit(cls, rows: TrainingRows, regularization: float) -> Ease:
        """Inverts the items' Gram matrix with `regularization`, lambda, on its diagonal."""
        matrix = np.zeros((rows.num_users, rows.num_candidates), np.float32)
        matrix[rows.users, rows.items] = 1.0
        gram = (matrix.T @ matrix).astype(np.float64)
        gram[np.diag_indices(rows.num_candidates)] += regularization
        inverse = np.linalg.inv(gram)
        del gram
        inverse /= -np.diag(inverse)
        np.fill_diagonal(inverse, 0.0)
        return cls(matrix, inverse.astype(np.float32), popularity_scores(rows))

    def fitted(self, last: int | None = None) -> Fitted:
        """Scores each row by the items that its user has, or by the `last` ones before it.

        Under a split by time, a user has everything before the row. Under the random split, and
        where the data has no times, a user has the training rows. A row with nothing before it is
        scored by popularity. Under the random split, a user without training rows gets the score 0
        for all candidates.
        """

        def scorer_of(task: RankingTask) -> Scorer:
            histories = task.histories
            if last is None and (histories is None or not histories.holds_held_out_rows):
                return lambda start, stop, chosen: (
                    self.matrix[task.users[start:stop]] @ self.weights[:, chosen]
                )
            return self._by_histories(task, last)

        return scorer_of

    def _by_histories(self, task: RankingTask, last: int | None) -> Scorer:
        histories, rows = histories_at(task)

        def scorer(start: int, stop: int, chosen: Candidates) -> np.ndarray:
            of, items = histories.pairs(rows[start:stop], last)
            known = _by_row(
                np.ones(len(of), np.float32), of, items, stop - start, len(self.weights)
            )
            # A candidate counts once, however often the user has had it.
            known.sum_duplicates()
            known.data[:] = 1.0
            scores = np.asarray(known @ self.weights[:, chosen])
            scores[np.diff(known.indptr) == 0] = self.popularity[chosen]
            return scores

        return scorer


def fit_covisitation(rows: TrainingRows, window: int, length: int) -> Fitted:
    """Fits co-visitation: candidates that are near the user's latest items in training sequences.

    A user's training rows, in the order of their times, are a sequence. Two items of a sequence
    that are g <= `window` places apart count 1/g for each other; C_ij is the sum over all
    sequences. A row's scores are the sum of C_i / age over the last `length` items i of its
    history; the last item has age 1, the one before it age 2. Scores are rounded to steps of about
    a millionth. Candidates with equal scores are ordered by popularity, and so are all candidates
    of a row without a history.

    This is item-to-item collaborative filtering, G. Linden, B. Smith and J. York, "Amazon.com
    recommendations", IEEE Internet Computing 7(1), 2003, by the places in a sequence.
    """
    counts = covisitation_counts(rows, window)
    size = rows.num_candidates
    popularity = popularity_scores(rows) * (STEP / size)

    def fitted(task: RankingTask) -> Scorer:
        histories, numbers = histories_at(task)

        def scorer(start: int, stop: int, chosen: Candidates) -> np.ndarray:
            items = histories.latest(numbers[start:stop], length)
            of, position = np.nonzero(items != NO_ITEM)
            latest = _by_row(1.0 / (length - position), of, items[of, position], stop - start, size)
            scores = latest @ counts
            scores.data = np.round(scores.data / STEP) * STEP
            return np.asarray(scores[:, chosen].toarray() + popularity[chosen])

        return scorer

    return fitted


def covisitation_counts(rows: TrainingRows, window: int) -> sparse.csr_array:
    """Computes C of `fit_covisitation`, float64 [candidates, candidates], symmetric."""
    assert rows.times is not None, "the data has no times"
    # Stable: rows of one user and one second stay in the order of the source.
    order = np.lexsort((rows.times, rows.users))
    users, items = rows.users[order], rows.items[order]
    shape = (rows.num_candidates, rows.num_candidates)
    counts = sparse.csr_array(shape)
    for gap in range(1, window + 1):
        is_pair = users[gap:] == users[:-gap]
        pairs = items[:-gap][is_pair], items[gap:][is_pair]
        counts += sparse.csr_array((np.full(len(pairs[0]), 1.0 / gap), pairs), shape)
    return (counts + counts.T).tocsr()


def _by_row(
    values: np.ndarray, rows: np.ndarray, items: np.ndarray, num_rows: int, num_candidates: int
) -> sparse.csr_array:
    """Makes a sparse [rows, candidates] matrix of values, given in ascending order of rows."""
    ends = np.cumsum(np.bincount(rows, minlength=num_rows))
    return sparse.csr_array(
        (values, items, np.concatenate([[0], ends])), (num_rows, num_candidates)
    )
