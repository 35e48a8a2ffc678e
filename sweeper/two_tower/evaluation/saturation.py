"""Whether a trial's metric can tell one model, or one evaluation, from another."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.two_tower.config import MRR, SEEN_FILTERED, metric_name, with_same_filter
from sweeper.two_tower.evaluation.metrics import default_metric, is_always_hit
from sweeper.two_tower.evaluation.ranking import RankingTask

# A metric's worst and best value, which hide how much worse or better a model is.
EXTREMES = (0.0, 1.0)


def known_saturation(metric: str, task: RankingTask) -> str:
    """Says why all models have the same value of this metric on these rows; "" if they can differ.

    With k candidates or fewer to choose from, every one is among the first k. The text names a
    metric that can tell models apart.
    """
    candidates = 1 + task.largest_rank(is_filtered=metric.startswith(SEEN_FILTERED))
    return saturation_by_size("evaluation.metric", metric, candidates)


def saturation_by_size(key: str, metric: str, candidates: int) -> str:
    """Says the same as `known_saturation`, from the largest number of candidates of a row.

    Args:
      key: the key of the configuration that names the metric.
    """
    if not is_always_hit(metric, candidates):
        return ""
    k, better = metric.rpartition("_")[2], with_same_filter(default_metric(candidates), metric)
    return (
        f"{key} {metric} is the same for every model: a row has at most {candidates} candidates to "
        f"rank, and all of them are among the first {k}. It can't choose between evaluations or "
        f"trials; use {better}, or {with_same_filter(MRR, metric)}, which counts every rank"
    )


def observed_saturation(metric: str, values: Sequence[float]) -> str:
    """Says which evaluations a metric failed to tell apart; "" if it told all apart.

    These are all evaluations if it never changed, and those at its best value if that is 0 or 1.

    Args:
      values: the metric at each evaluation.
    """
    if not values:
        return ""
    best, name = max(values), metric_name(metric)
    number = sum(value == best for value in values)
    if number == len(values) == 1 and best in EXTREMES:
        return f"{name} was {best:.4f} at the only evaluation"
    if number == len(values) > 1:
        return f"{name} was {best:.4f} at each of {number} evaluations: it can't tell them apart"
    if number > 1 and best in EXTREMES:
        return f"{name} was {best:.4f}, its highest possible, at {number} evaluations"
    return ""
