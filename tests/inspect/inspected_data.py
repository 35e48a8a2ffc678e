"""Made-up tables with every type of column, as `data=table` gives them, and their settings."""

from __future__ import annotations

import numpy as np

from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.config.data import ColumnsConfig
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn, NumericColumn
from sweeper.two_tower.data.interactions import Interactions, assemble

ODD = DataConfig(name="table", columns=ColumnsConfig("who", "what", "when", "stars", "counts"))
OWN = DataConfig(
    name="table",
    split="leave_last_out",
    columns=ColumnsConfig("customer", "product: name", "bought {at}", "stars"),
)


def odd_interactions() -> Interactions:
    """Three rows of two users, of every type of column, with what is missing."""
    return assemble(
        query_columns={
            "who": CategoricalColumn(np.array([0, 1, 1], np.int32), ["a", "b", "never"]),
            "when": NumericColumn(np.array([100, 50, 100], np.int64)),
            "stars": NumericColumn(np.array([1.5, 5.0, 1.5])),
            "counts": NumericColumn(np.array([2.0, 1.0, 2.0])),
            "age": NumericColumn(np.array([30.5, np.nan, 31.0])),
            "nothing": NumericColumn(np.array([np.nan, np.nan, np.inf])),
        },
        items=np.array([0, 1, 0], np.int32),
        candidate_columns={
            "what": CategoricalColumn(np.arange(2, dtype=np.int32), ["One Two Three", "x"]),
            "note": CategoricalColumn(np.array([0, 1], np.int32), ["", "w"]),
            "tags": CategoricalListColumn(
                np.array([1, 1], np.int32), np.array([0, 2, 2], np.int64), ["p", "q"]
            ),
        },
        source="made in a test",
        user_column="who",
        item_column="what",
        timestamp_column="when",
    )


def own_interactions() -> Interactions:
    """Forty rows of eight customers and 120 products; every type of column in either tower."""
    rng = np.random.default_rng(0)
    users, items = np.arange(40) % 8, rng.integers(0, 120, 40)
    products = np.arange(120, dtype=np.int32)
    colours = CategoricalColumn(products % 3, ["blue", "green", "red"])
    three = CategoricalListColumn(
        np.arange(3, dtype=np.int32), np.arange(4), ["new", "old", "sale"]
    )
    return assemble(
        query_columns={
            "customer": CategoricalColumn(users.astype(np.int32), [f"c{i}" for i in range(8)]),
            "bought {at}": NumericColumn(np.arange(40, dtype=np.int64)),
            "stars": NumericColumn(rng.integers(1, 6, 40)),
            "age": NumericColumn(20.0 + users),
            "is member": NumericColumn((users % 2).astype(np.int64)),
            "height": NumericColumn(np.where(users == 1, np.nan, 1.0 + users)),
            "town ${x}": CategoricalColumn((users % 4).astype(np.int32), ["", "a", "b c", "d"]),
            "mail": CategoricalColumn(users.astype(np.int32), [f"m{i}" for i in range(8)]),
        },
        items=items.astype(np.int32),
        candidate_columns={
            "product: name": CategoricalColumn(products, [f"thing {i:03d}" for i in products]),
            "colour": colours,
            "tags": three.take(products % 3),
            "number": NumericColumn(products.astype(np.int64)),
            "price": NumericColumn(products % 50 + 0.99),
            "kind": CategoricalColumn(np.zeros(120, np.int32), ["one"]),
        },
        source="made in a test",
        user_column="customer",
        item_column="product: name",
        timestamp_column="bought {at}",
    )
