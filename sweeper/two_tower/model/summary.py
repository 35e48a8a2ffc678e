"""Summarises the layers of a model."""

from __future__ import annotations

import math

import tensorflow as tf

from sweeper.two_tower.model.towers import Tower
from sweeper.two_tower.model.two_tower import TwoTowerModel


def layer_rows(model: TwoTowerModel) -> list[tuple[str, str, int, int]]:
    """Lists (tower, layer, output width, parameters) of each layer, with the seen bias last.

    Weights that layers share are counted with the first of them.
    """
    rows: list[tuple[str, str, int, int]] = []
    counted: set[int] = set()
    for tower in (model.query_tower, model.candidate_tower):
        rows += _tower_rows(tower, counted)
    if model.seen_bias is not None:
        rows.append(("scores", "seen bias", 1, 1))
    return rows


def _tower_rows(tower: Tower, counted: set[int]) -> list[tuple[str, str, int, int]]:
    def parameters(layer: tf.keras.layers.Layer) -> int:
        new = [weight for weight in layer.weights if id(weight) not in counted]
        counted.update(map(id, new))
        return sum(math.prod(weight.shape) for weight in new)

    rows = [
        (tower.name, layer.name, dim, parameters(layer))
        for layer, dim in zip(tower.feature_layers, tower.feature_dims, strict=True)
    ]
    width = sum(tower.feature_dims)
    rows.append((tower.name, "concatenation", width, 0))
    for layer in tower.stack:
        width = getattr(layer, "units", width)
        rows.append((tower.name, layer.name, width, parameters(layer)))
    if tower.normalize_output:
        rows.append((tower.name, "unit length", width, 0))
    return rows
