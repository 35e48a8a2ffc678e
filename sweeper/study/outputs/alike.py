"""Whether a study's objective tells its trials apart at all."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.reading import number_text
from sweeper.two_tower.config import METRICS, MRR, SEEN_FILTERED, with_same_filter

# Two trials may have the same value by chance.
FEWEST = 3


def alike_text(values: Sequence[Sequence[float]], objectives: Sequence[ObjectiveConfig]) -> str:
    """A sentence if all complete trials have the same value of an objective; else "".

    Args:
      values: by complete trial, then by objective.
    """
    if len(values) < FEWEST:
        return ""
    same = [
        f"{objective.metric} {number_text(values[0][index])}"
        for index, objective in enumerate(objectives)
        if len({each[index] for each in values}) == 1
    ]
    if not same:
        return ""
    text = (
        f"All {len(values):,} complete trials have {' and '.join(same)}: "
        f"{'this objective' if len(same) == 1 else 'these objectives'} can't rank them"
    )
    if len(objectives) > 1:
        return text
    order = "Their order is that of their numbers"
    metric = objectives[0].metric
    # MRR counts every rank: where it is constant, no other metric of the ranking is better.
    if metric not in METRICS or metric.removeprefix(SEEN_FILTERED) == MRR:
        return f"{text}. {order}"
    return f"{text}. {order}; search by another metric, such as {with_same_filter(MRR, metric)}"
