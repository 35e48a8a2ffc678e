"""Detects objectives that have the same value for all complete trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.number_formats import number_text

# Two trials may be tied by chance.
MIN_TRIALS = 3


def ties_text(
    values: Sequence[Sequence[float]],
    objectives: Sequence[ObjectiveConfig],
    finer_metric: Callable[[str], str | None] = lambda metric: None,
) -> str:
    """Returns a sentence if all complete trials are tied in an objective; else "".

    Args:
      values: the values of each complete trial, by objective.
      objectives: the study's objectives.
      finer_metric: returns a metric with fewer ties than the given one, or None.
    """
    if len(values) < MIN_TRIALS:
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
    order = "They are ordered by number"
    finer = finer_metric(objectives[0].metric)
    hint = f"; search by another metric, such as {finer}" if finer else ""
    return f"{text}. {order}{hint}"
