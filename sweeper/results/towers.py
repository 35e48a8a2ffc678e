"""Configurations by the depth and the width of their towers, each with one figure.

What the report says of depth, in words, in the heat map and in its table, is all of these.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sweeper.results.seed_groups import SeedGroup, has_seed_groups, seed_groups
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row

# (depth, width of the first layer) of the query tower; without a layer both are 0.
TowerSize = tuple[int, int]


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
    seed_groups: SeedGroup | None = None


def configurations_of(results: StudyResults) -> list[Configuration]:
    """Those whose record can be read, the best first."""
    found: list[tuple[Row, float, SeedGroup | None]]
    if has_seed_groups(results):
        found = [(each.rows[0], each.mean, each) for each in seed_groups(results)]
    else:
        turn = -1 if results.is_maximized else 1
        ranked = sorted(results.ranked, key=lambda row: turn * row.values[0])
        found = [(row, row.values[0], None) for row in ranked]
    return [
        Configuration(*size, value, row, each)
        for row, value, each in found
        if (size := size_of(results, row)) is not None
    ]


def best_of_each_depth(results: StudyResults) -> dict[int, Configuration]:
    """By depth."""
    best: dict[int, Configuration] = {}
    for each in configurations_of(results):
        best.setdefault(each.depth, each)
    return best


def pruned_by_size(results: StudyResults) -> Counter[TowerSize]:
    """How many trials were pruned: none of them has a figure that a complete one's is like."""
    sizes = (size_of(results, row) for row in results.of_states("pruned"))
    return Counter(size for size in sizes if size is not None)


def size_of(results: StudyResults, row: Row) -> TowerSize | None:
    """Depth and width of a trial's query tower; None where its record can't be read."""
    record = results.records.get(row.number)
    if record is None:
        return None
    query, _ = layers_of(record.config)
    return len(query), query[0] if query else 0


def layers_of(config: dict[str, Any]) -> tuple[list[int], list[int]]:
    """The widths of the query and the candidate tower; empty: a projection of the features."""
    model = config["model"]

    def of_tower(own: list[int] | None) -> list[int]:
        return model["layer_sizes"] if own is None else own

    return of_tower(model["query_layer_sizes"]), of_tower(model["candidate_layer_sizes"])


def layers_text(config: dict[str, Any]) -> str:
    """ "64-32"; both towers where they differ."""
    query, candidate = ("-".join(map(str, sizes)) or "none" for sizes in layers_of(config))
    return query if query == candidate else f"query {query}, candidate {candidate}"
