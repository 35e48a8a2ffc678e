"""The layer sizes of towers, by hand."""

from __future__ import annotations

from typing import Any

import pytest
from made_up_spaces import KEYS

from sweeper.study.space.domains import Choices, Domain, Interval
from sweeper.study.space.parameters import TowersParameter

SIZES = KEYS.find("model.layer_sizes")


def towers(
    depth: Domain, width: Domain, *shapes: str, name: str = "model.layer_sizes"
) -> TowersParameter:
    return TowersParameter(name, SIZES, depth, width, shapes)


NARROWING = towers(Interval(1, 3, is_int=True), Choices.of([32, 64, 128]), "narrowing")
ALL = towers(Interval(0, 3, is_int=True), Choices.of([30, 60, 90]), "constant", "narrowing", "free")


@pytest.mark.parametrize("sizes", [[32], [64, 32], [128, 64, 32]])
def test_the_published_pyramids_are_narrowing(sizes: list[int]) -> None:
    """Each is one value: the depth, and the width of the first layer."""
    values = NARROWING.encode(sizes)
    assert values == {"model.layer_sizes.depth": len(sizes), "model.layer_sizes.width": sizes[0]}
    assert NARROWING.text(values) == str(sizes).replace(" ", "")


@pytest.mark.parametrize(
    ("values", "sizes"),
    [
        ({"depth": 0}, []),
        ({"depth": 2, "shape": "constant", "width": 60}, [60, 60]),
        ({"depth": 3, "shape": "narrowing", "width": 90}, [90, 45, 30]),
        ({"depth": 2, "shape": "free", "width_1": 30, "width_2": 90}, [30, 90]),
        ({"depth": 2, "shape": "free", "width_1": 30}, None),
        ({"depth": 2, "shape": "constant"}, None),
        ({"shape": "constant", "width": 60}, None),
        ({"depth": 2, "width": 60}, None),
    ],
)
def test_layer_sizes_by_hand(values: dict[str, Any], sizes: list[int] | None) -> None:
    named = {f"model.layer_sizes.{part}": value for part, value in values.items()}
    assert ALL.layer_sizes(named) == sizes
    if sizes is not None:
        assert ALL.encode(sizes) == named


@pytest.mark.parametrize("sizes", [[90, 44], [30] * 4, [31], "30", [30.5], 30])
def test_layer_sizes_that_towers_cannot_have(sizes: Any) -> None:
    with pytest.raises(ValueError, match="must be a list of widths"):
        ALL.encode(sizes)


def test_a_later_shape_may_fit_where_a_width_is_free_no_more() -> None:
    both = towers(Interval(1, 2, is_int=True), Choices.of([30, 90]), "free", "narrowing")
    assert both.encode([90, 45])["model.layer_sizes.shape"] == "narrowing"


def test_conditions_of_towers() -> None:
    depth, shape = "t.depth", "t.shape"
    width = Choices.of([8])
    by_name = {
        part.name: part.when
        for part in towers(
            Interval(0, 2, is_int=True), width, "constant", "free", name="t"
        ).dimensions()
    }
    assert by_name == {
        depth: {},
        shape: {depth: (1, 2)},
        "t.width": {depth: (1, 2), shape: ("constant",)},
        "t.width_1": {depth: (1, 2), shape: ("free",)},
        "t.width_2": {depth: (2,), shape: ("free",)},
    }
    one_shape = towers(Choices.of([2]), width, "constant", name="t").dimensions()
    assert [(part.name, part.when) for part in one_shape] == [(depth, {}), ("t.width", {})]
