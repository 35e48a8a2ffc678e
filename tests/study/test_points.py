"""The configurations of a search space: listed, counted, and those at its ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from made_up_spaces import (
    KEYS,
    LEARNING_RATES,
    NESTED,
    TOWERS,
    check_values,
    fixed_trial,
    space,
    spaces,
)

from sweeper.study.space.reader import parse_space


def test_points_by_hand() -> None:
    assert list(space(NESTED).points()) == [
        {"a": "linear"},
        {"a": "one_layer", "b": 0.1, "c": 5},
        {"a": "one_layer", "b": 0.1, "c": 6},
        {"a": "one_layer", "b": 0.2},
        {"a": "two_layer", "b": 0.1, "c": 5},
        {"a": "two_layer", "b": 0.1, "c": 6},
        {"a": "two_layer", "b": 0.2},
    ]
    assert space(NESTED).size() == 7
    nothing = space("{}")
    assert (list(nothing.points()), nothing.size()) == ([{}], 1)


def test_a_huge_space_is_counted_without_listing() -> None:
    keys = [*("train.epochs", "train.batch_size", "features.embedding_dim"), "task.temperature"]
    many = {key: {"low": 1, "high": 1000, "step": 1} for key in keys}
    assert parse_space(many, KEYS).size() == 1000**4
    free = {"depth": 4, "width": {"low": 1, "high": 1000}, "shape": ["constant", "free"]}
    many["model.layer_sizes"] = {"towers": free}
    assert parse_space(many, KEYS).size() == 1000**8


@pytest.mark.parametrize(
    ("towers", "sizes"),
    [
        # Of depth 1, all shapes are the same; of depth 2, free ones can be constant too.
        (
            "{depth: {low: 1, high: 2}, width: {choices: [32, 64]}, shape: [constant, free]}",
            ["[32]", "[64]", "[32,32]", "[64,64]", "[32,64]", "[64,32]"],
        ),
        # At the lowest width, narrowing is constant.
        (
            "{depth: 2, width: {choices: [32, 64]}, shape: [narrowing, constant]}",
            ["[32,32]", "[64,32]", "[64,64]"],
        ),
        # 12 halved is none of the widths, 8 is: free can be [8,8], but not [12,6].
        (
            "{depth: 2, width: {choices: [4, 12]}, shape: [free, narrowing]}",
            ["[4,4]", "[4,12]", "[12,4]", "[12,12]", "[12,6]"],
        ),
        ("{depth: {low: 0, high: 1}, width: 8, shape: [free, constant]}", ["[]", "[8]"]),
    ],
)
def test_each_configuration_of_towers_is_one_point(towers: str, sizes: list[str]) -> None:
    searched = space(f"model.layer_sizes: {{towers: {towers}}}")
    points = list(searched.points())
    assert [searched.overrides(point) for point in points] == [
        [f"model.layer_sizes={text}"] for text in sizes
    ]
    assert searched.size() == len(sizes)
    for point, text in zip(points, sizes, strict=True):
        # A user's value means the point that stands for all of its configuration.
        assert searched.encode({"model.layer_sizes": json.loads(text)}, "here") == point


def test_what_depends_on_a_part_of_towers_tells_configurations_apart() -> None:
    searched = space(
        TOWERS + "model.dropout: {choices: [0.1, 0.2], when: {model.layer_sizes.shape: free}}\n"
    )
    overrides = [tuple(searched.overrides(point)) for point in searched.points()]
    # Four are constant; the six that are free have two dropouts each.
    assert len(set(overrides)) == len(overrides) == searched.size() == 4 + 6 * 2


def test_a_continuous_range_has_no_points() -> None:
    learning_rates = space(LEARNING_RATES)
    assert learning_rates.continuous() == ["adam_learning_rate", "adagrad_learning_rate"]
    assert learning_rates.size() is None
    with pytest.raises(ValueError, match="adam_learning_rate, adagrad_learning_rate"):
        next(learning_rates.points())


def test_extremes_have_every_end_and_choice() -> None:
    searched = space(LEARNING_RATES + TOWERS + "train.epochs: {low: 2, high: 90}\n")
    extremes = list(searched.extremes())
    overrides = [searched.overrides(values) for values in extremes]
    assert {text for texts in overrides for text in texts} == {
        *("model.dropout=0.0", "model.dropout=0.2", "train.epochs=2", "train.epochs=90"),
        *("optimizer=adagrad", "optimizer=adam", "optimizer=adamw"),
        *(f"optimizer.learning_rate={rate}" for rate in (0.0001, 0.01, 0.02, 1.0)),
        *(f"model.layer_sizes={sizes}" for sizes in ("[32]", "[64]", "[32,32]", "[32,64]")),
    }
    assert len(set(map(tuple, overrides))) == len(overrides) < 12
    for values in extremes:
        assert searched.suggest(fixed_trial(values)) == values


@given(spaces(listed=True))
@settings(max_examples=20, deadline=None)
def test_points_are_unique_and_as_many_as_the_size(given_space: dict[str, Any]) -> None:
    searched = parse_space(given_space, KEYS)
    points = list(searched.points())
    overrides = {tuple(searched.overrides(point)) for point in points}
    assert len(overrides) == len(points) == searched.size()
    for point in points[:: max(1, len(points) // 5)]:
        assert searched.suggest(fixed_trial(point)) == point
        check_values(searched, given_space, point)
