"""Configurations by the depth and the width of their towers.

All that a report says about depth, in sentences, tables and the heat map, is based on these.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sweeper.results.seed_groups import SeedGroup, has_seed_groups, seed_groups
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row

# (depth, width of the first layer) of the query tower; both are 0 without a hidden layer.
TowerSize = tuple[int, int]


@dataclass(frozen=True)
class Configuration:
    """A complete trial, or all complete trials of a configuration that is repeated over seeds.

    Attributes:
      value: the study's first objective; the mean over several seeds.
      row: the trial, or the first of them.
      seed_group: None if the study does not repeat configurations over seeds.
    """

    depth: int
    width: int
    value: float
    row: Row
    seed_group: SeedGroup | None = None


def configurations_of(results: StudyResults) -> list[Configuration]:
    """Returns the configurations whose record can be read, the best first."""
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
    """Returns the best configuration by depth."""
    best: dict[int, Configuration] = {}
    for each in configurations_of(results):
        best.setdefault(each.depth, each)
    return best


def pruned_by_size(results: StudyResults) -> Counter[TowerSize]:
    """Counts the pruned trials, whose values can't be compared with those of complete trials."""
    sizes = (size_of(results, row) for row in results.of_states("pruned"))
    return Counter(size for size in sizes if size is not None)


def size_of(results: StudyResults, row: Row) -> TowerSize | None:
    """Returns depth and width of a trial's query tower; None if its record can't be read."""
    record = results.records.get(row.number)
    if record is None:
        return None
    query, _ = layers_of(record.config)
    return len(query), query[0] if query else 0


def layers_of(config: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Returns the widths of the query and the candidate tower; empty without a hidden layer."""
    model = config["model"]

    def of_tower(own: list[int] | None) -> list[int]:
        return model["layer_sizes"] if own is None else own

    return of_tower(model["query_layer_sizes"]), of_tower(model["candidate_layer_sizes"])


def layers_text(config: dict[str, Any]) -> str:
    """ "64-32", or both towers if they differ."""
    query, candidate = ("-".join(map(str, sizes)) or "none" for sizes in layers_of(config))
    return query if query == candidate else f"query {query}, candidate {candidate}"
