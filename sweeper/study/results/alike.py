"""Whether a study's objective tells its trials apart at all."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.study.config import ObjectiveConfig
from sweeper.study.results.reading import number_text

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
    return (
        f"All {len(values):,} complete trials have {' and '.join(same)}: this objective can't rank "
        "them. Their order is that of their numbers; search by another metric, such as mrr"
    )
