"""Which metric tells models of a catalogue apart, where the user names none."""

from __future__ import annotations

from sweeper.two_tower.config import TOP_K

# A list of k items that are drawn at random has the true one in k of `num_candidates` cases. With
# k at most a fifth of the catalogue a model has at least four fifths of the scale above that.
MIN_ITEMS_PER_K = 5


def default_metric(num_candidates: int) -> str:
    """Returns the `top_k` of the largest k that is at most a fifth of the candidates.

    A k close to the size of the catalogue makes every model's score 1, so that no search can
    order its trials by it. With fewer than five candidates the metric is `top_1`.
    """
    fitting = [k for k in TOP_K if k * MIN_ITEMS_PER_K <= num_candidates]
    return f"top_{max(fitting, default=min(TOP_K))}"
