"""The model as rows of a table."""

from __future__ import annotations

from sweeper.model.towers import Tower
from sweeper.model.two_tower import TwoTowerModel


def layer_rows(model: TwoTowerModel) -> list[tuple[str, str, int, int]]:
    """(tower, layer, output width, parameters) of each layer, in order; the seen bias is last."""
    rows = []
    for tower in (model.query_tower, model.candidate_tower):
        rows += _tower_rows(tower)
    if model.seen_bias is not None:
        rows.append(("scores", "seen bias", 1, 1))
    return rows


def _tower_rows(tower: Tower) -> list[tuple[str, str, int, int]]:
    rows = [
        (tower.name, layer.name, dim, layer.count_params())
        for layer, dim in zip(tower.feature_layers, tower.feature_dims, strict=True)
    ]
    width = sum(tower.feature_dims)
    rows.append((tower.name, "concatenation", width, 0))
    for layer in tower.stack:
        width = getattr(layer, "units", width)
        rows.append((tower.name, layer.name, width, layer.count_params()))
    if tower.normalize_output:
        rows.append((tower.name, "unit length", width, 0))
    return rows
