"""Scores of a two-tower model: products of query and candidate embeddings."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sweeper.two_tower.evaluation.ranking import EVERY, Candidates, RankingTask, Ranks, Scorer, rank
from sweeper.two_tower.model.two_tower import EncodedFeatures, TwoTowerModel

ROWS_A_BATCH = 4_096


class ModelScorer:
    """Scores chosen rows with the model as it is at the time of the call.

    Args:
      model: the towers.
      encoded: every row's and every candidate's features.
      rows: the rows of the data to score, [n].
    """

    def __init__(self, model: TwoTowerModel, encoded: EncodedFeatures, rows: np.ndarray) -> None:
        self._query = {name: tf.constant(value[rows]) for name, value in encoded.query.items()}
        self._candidate = {name: tf.constant(value) for name, value in encoded.candidate.items()}
        self._rows, self._num_rows, self._histories = rows, len(rows), encoded.histories
        self._num_candidates = len(next(iter(encoded.candidate.values())))
        self._model = model

    def rank(self, task: RankingTask, threads: int = 1) -> Ranks:
        """Ranks each row's true candidate, as `sweeper.two_tower.evaluation.ranking.rank` does."""
        return rank(self.scorer(), task, threads=threads)

    def scorer(self) -> Scorer:
        """Returns the scorer of the model as it is now; later training does not change it."""
        candidates = self._model.embed_candidates(self._candidate, training=False)
        queries = self.embed_queries()
        bias = self._model.seen_bias
        bias = None if bias is None else bias.numpy()

        def scores(start: int, stop: int, chosen: Candidates) -> np.ndarray:
            scored = candidates if chosen is EVERY else tf.gather(candidates, chosen)
            # `numpy()` would copy.
            products = np.asarray(tf.matmul(queries[start:stop], scored, transpose_b=True))
            if bias is None:
                return products
            return products + np.where(self._is_seen(start, stop)[:, chosen], bias, 0)

        return scores

    def _is_seen(self, start: int, stop: int) -> np.ndarray:
        """Whether the user of each row from `start` to `stop` has had each candidate before it."""
        assert self._histories is not None
        rows = self._rows[start:stop]
        is_seen = np.zeros((len(rows), self._num_candidates), bool)
        is_seen[self._histories.pairs(rows)] = True
        return is_seen

    def embed_queries(self) -> tf.Tensor:
        """Embeds the chosen rows, [n, dim]."""
        batches = [
            {name: value[start : start + ROWS_A_BATCH] for name, value in self._query.items()}
            for start in range(0, self._num_rows, ROWS_A_BATCH)
        ]
        return tf.concat(
            [self._model.embed_queries(batch, training=False) for batch in batches], axis=0
        )
