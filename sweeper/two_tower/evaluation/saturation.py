"""Whether the metric that a trial goes by can tell one model, or one evaluation, from another."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.two_tower.config import MRR, SEEN_FILTERED, metric_name, with_same_filter
from sweeper.two_tower.evaluation.default_metric import default_metric
from sweeper.two_tower.evaluation.metrics import is_always_hit
from sweeper.two_tower.evaluation.ranking import RankingTask

# A metric's worst and best value: a model that has either can't be told from a worse or better one.
EXTREMES = (0.0, 1.0)


def known_saturation(metric: str, task: RankingTask) -> str:
    """Why any model has the same value of this metric on these rows; "" if models can differ.

    With k candidates or fewer to choose from, every one is among the first k. The reason ends
    with a metric that can tell models apart.
    """
    candidates = 1 + task.largest_rank(is_filtered=metric.startswith(SEEN_FILTERED))
    return saturation_by_size("evaluation.metric", metric, candidates)


def saturation_by_size(key: str, metric: str, candidates: int) -> str:
    """The same by the number of candidates that a row has at most.

    Args:
      key: which key of the configuration names the metric.
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
    """What a metric failed to tell apart, by its value at each evaluation; "" if nothing.

    That is all evaluations if it never changed, and those at its best value if that is 0 or 1.
    """
    if not values:
        return ""
    best, name = max(values), metric_name(metric)
    number = sum(value == best for value in values)
    if number == len(values) == 1 and best in EXTREMES:
        return f"{name} was {best:.4f} at the only evaluation"
    if number == len(values) > 1:
        return f"{name} was {best:.4f} at each of {number} evaluations: it tells none from another"
    if number > 1 and best in EXTREMES:
        return f"{name} was {best:.4f}, its highest possible, at {number} evaluations"
    return ""
