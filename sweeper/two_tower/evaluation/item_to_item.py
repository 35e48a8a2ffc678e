"""Baselines that go from the items that a user has to others: EASE and co-visitation.

Both read what the user had before the row that is asked about, and know nothing else of the user.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from sweeper.two_tower.data.histories import NO_ITEM
from sweeper.two_tower.evaluation.popularity import popularity_scores
from sweeper.two_tower.evaluation.ranking import Candidates, RankingTask, Scorer
from sweeper.two_tower.evaluation.training_rows import Fitted, TrainingRows, histories_at

# What co-visitation's scores are rounded to, so that popularity decides between equal ones alone.
# Scores of the default window and history are multiples of 1/3600, and stay apart; those of long
# ones can differ by less than doubles can tell.
STEP = 2.0**-20


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
        """Scores each row by what its user has: all, or the `last` rows before it alone.

        All is what came before the row under a split by time. Under the random split, and where
        the data has no times, it is what the training rows hold. A row with nothing before it is
        answered by popularity; a user without training rows, under the random split, not at all:
        all candidates have the score 0.
        """

        def of(task: RankingTask) -> Scorer:
            histories = task.histories
            if last is None and (histories is None or not histories.holds_held_out_rows):
                return self._by_training_rows(task)
            return self._by_histories(task, last)

        return of

    def _by_training_rows(self, task: RankingTask) -> Scorer:
        return lambda start, stop, chosen: (
            self.matrix[task.users[start:stop]] @ self.weights[:, chosen]
        )

    def _by_histories(self, task: RankingTask, last: int | None) -> Scorer:
        histories, rows = histories_at(task)

        def scorer(start: int, stop: int, chosen: Candidates) -> np.ndarray:
            of, items = histories.pairs(rows[start:stop], last)
            known = _by_row(
                np.ones(len(of), np.float32), of, items, stop - start, len(self.weights)
            )
            # A candidate counts once, however often the user has it.
            known.sum_duplicates()
            known.data[:] = 1.0
            scores = np.asarray(known @ self.weights[:, chosen])
            scores[np.diff(known.indptr) == 0] = self.popularity[chosen]
            return scores

        return scorer


def fit_covisitation(rows: TrainingRows, window: int, length: int) -> Fitted:
    """Co-visitation: what stands near the user's latest items in the users' training sequences.

    A user's training rows, in the order of their times, are a sequence. Two items of one that
    stand g <= `window` places apart count 1/g for each other: C_ij is the sum over all sequences.
    A row's scores are the sum of C_i / age over the last `length` items i of its history, the
    last of which has age 1, the one before it age 2. Scores are counted in steps of about a
    millionth, and equal ones are listed by popularity; so is all of a row without a history.

    Item-to-item collaborative filtering, G. Linden, B. Smith and J. York, "Amazon.com
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
    """C of `fit_covisitation`, float64 [candidates, candidates], symmetric."""
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
    """[rows, candidates] of the values at (row, candidate), of rows in ascending order."""
    ends = np.cumsum(np.bincount(rows, minlength=num_rows))
    return sparse.csr_array(
        (values, items, np.concatenate([[0], ends])), (num_rows, num_candidates)
    )
