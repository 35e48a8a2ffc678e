"""Orders synthetic interactions by a known Markov chain over each user's items.

With `data.synthetic.markov_share` m above 0 each user's rows are drawn one after the other, in the
order of time. Of the candidates i outside the set H that the user has already had, with p the
latest of these,

  P(i | user, H, p) = m * chain(i | p, H) + (1 - m) * taste(i | user, H)
  chain(i | p, H)    ~ popularity[i] * exp(TRANSITION_AFFINITY * turned[p] . item[i] / sqrt(rank))
  taste(i | user, H) ~ popularity[i] * exp(affinity * user . item[i] / sqrt(rank)),

where `turned[p]` are p's factors moved on by one axis: items that lie far out on one axis are
followed by those that lie far out on the next. A user's first row follows taste alone.
"""

from __future__ import annotations

import numpy as np

from sweeper.two_tower.config import SyntheticConfig
from sweeper.two_tower.data.histories import NO_ITEM

# High enough that a few dozen rows after an item tell what follows it: ten of the default's 500
# items hold 0.87 of the chain's probability.
TRANSITION_AFFINITY = 6.0


class NextItem:
    """The choice of a user's next item by the process that draws the data.

    Args:
      config: with its `markov_share` and `affinity`.
      user_factors: [num_users, rank].
      item_factors: [num_items, rank].
      popularity: [num_items].
    """

    def __init__(
        self,
        config: SyntheticConfig,
        user_factors: np.ndarray,
        item_factors: np.ndarray,
        popularity: np.ndarray,
    ) -> None:
        scale = np.sqrt(config.rank)
        self._markov_share = config.markov_share
        turned = np.roll(item_factors, 1, axis=1)
        self._tastes = (user_factors * config.affinity / scale).astype(np.float32)
        self._transitions = (turned * TRANSITION_AFFINITY / scale).astype(np.float32)
        self._items = item_factors.T.astype(np.float32)
        self._log_popularity = np.log(popularity).astype(np.float32)

    def probabilities(self, users: np.ndarray, previous: np.ndarray, had: np.ndarray) -> np.ndarray:
        """Returns the probability that each item is the next one.

        Args:
          users: [n].
          previous: the user's latest item, [n]; `NO_ITEM` where there is none.
          had: whether the user has had an item already, bool [n, num_items]; no row is all true.

        Returns:
          float32 [n, num_items]; rows sum to 1, and are 0 where `had` is true.
        """
        taste = self._weights(self._tastes[users], had)
        chain = self._weights(self._transitions[previous], had)
        share = np.where(previous == NO_ITEM, 0.0, self._markov_share).astype(np.float32)[:, None]
        chain *= share / chain.sum(axis=1, keepdims=True)
        taste *= (1.0 - share) / taste.sum(axis=1, keepdims=True)
        return np.add(chain, taste, out=taste)

    def draw(
        self, by_taste: np.ndarray, counts: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draws the items of some users, one after the other.

        A user's taste draws the next item of `by_taste` that the user hasn't had. `by_taste` has
        the items in the order of an exponential race, which has no memory: the remaining time of
        each item is exponential with the same rate, whatever happened before.

        Args:
          by_taste: int [n, most], each user's items if taste alone decided, the first one first.
          counts: how many items each user needs, ascending, [n].

        Returns:
          int [n, most], of which the first `counts` of each user are valid.
        """
        num_users, most = by_taste.shape
        had = np.zeros((num_users, len(self._log_popularity)), bool)
        drawn, places = np.zeros_like(by_taste), np.zeros(num_users, np.int64)
        for step in range(most):
            drawing = np.arange(np.searchsorted(counts, step, side="right"), num_users)
            in_chain = rng.random(len(drawing)) < (self._markov_share if step else 0.0)
            rows = drawing[in_chain]
            drawn[rows, step] = self._draw_in_chain(drawn[rows, step - 1], had[rows], rng)
            rows = drawing[~in_chain]
            while len(passed := rows[had[rows, by_taste[rows, places[rows]]]]):
                places[passed] += 1
            drawn[rows, step] = by_taste[rows, places[rows]]
            had[drawing, drawn[drawing, step]] = True
        return drawn

    def _draw_in_chain(
        self, previous: np.ndarray, had: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draws one item after each of the previous ones, [n], that the user hasn't had."""
        sums = np.cumsum(self._weights(self._transitions[previous], had), axis=1)
        # Rounding up must not reach the last sum, beyond which there is no item.
        largest = np.nextafter(sums[:, -1], np.float32(0))
        points = np.minimum(rng.random(len(sums), np.float32) * sums[:, -1], largest)
        return (sums > points[:, None]).argmax(axis=1)

    def _weights(self, directions: np.ndarray, had: np.ndarray) -> np.ndarray:
        """Returns what the probabilities are proportional to, by the directions [n, rank].

        It is 0 where `had`. The largest of each row is 1, so that its sum can't round to 0.
        """
        # BLAS's threads would cost more than they save on the few rows of a step of `draw`.
        logits = np.einsum("nr,ri->ni", directions, self._items)
        logits += self._log_popularity
        logits -= np.where(had, np.float32(-np.inf), logits).max(axis=1, keepdims=True)
        weights = np.exp(np.minimum(logits, 0, out=logits), out=logits)
        weights[had] = 0
        return weights
