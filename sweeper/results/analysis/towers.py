"""Configurations by the depth and the width of their towers, each with one figure.

What the report says of depth, in words, in the heat map and in its table, is all of these.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sweeper.results.analysis.grouping import layers_of
from sweeper.results.analysis.seed_groups import SeedGroup, repeated, seeds_varied
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row

# (depth, width of the first layer) of the query tower; without a layer both are 0.
Size = tuple[int, int]


@dataclass(frozen=True)
class Configuration:
    """A complete trial; of a grid over seeds, all complete trials of one configuration.

    Attributes:
      value: the study's first objective; of several seeds their mean.
      row: the trial, or the first of them.
      repeated: of a grid over seeds; else None.
    """

    depth: int
    width: int
    value: float
    row: Row
    repeated: SeedGroup | None = None


def configurations_of(subject: StudyResults) -> list[Configuration]:
    """Those whose record can be read, the best first."""
    found: list[tuple[Row, float, SeedGroup | None]]
    if seeds_varied(subject):
        found = [(each.rows[0], each.mean, each) for each in repeated(subject)]
    else:
        turn = -1 if subject.is_maximized else 1
        ranked = sorted(subject.ranked, key=lambda row: turn * row.values[0])
        found = [(row, row.values[0], None) for row in ranked]
    return [
        Configuration(*size, value, row, each)
        for row, value, each in found
        if (size := size_of(subject, row)) is not None
    ]


def best_of_each_depth(subject: StudyResults) -> dict[int, Configuration]:
    """By depth."""
    best: dict[int, Configuration] = {}
    for each in configurations_of(subject):
        best.setdefault(each.depth, each)
    return best


def pruned_by_size(subject: StudyResults) -> Counter[Size]:
    """How many trials were pruned: none of them has a figure that a complete one's is like."""
    sizes = (size_of(subject, row) for row in subject.of_states("pruned"))
    return Counter(size for size in sizes if size is not None)


def size_of(subject: StudyResults, row: Row) -> Size | None:
    """Depth and width of a trial's query tower; None where its record can't be read."""
    record = subject.records.get(row.number)
    if record is None:
        return None
    query, _ = layers_of(record.config)
    return len(query), query[0] if query else 0
