"""What the command line does to the search space of the YAML."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from made_up_spaces import KEYS, LEARNING_RATES, TOWERS, space

from sweeper.common.errors import ConfigError
from sweeper.study.space.command_line import command_line_parameters
from sweeper.study.space.domains import Choices
from sweeper.study.space.parameters import SingleParameter
from sweeper.study.space.search_space import SearchSpace


def single(name: str, *choices: Any) -> SingleParameter:
    return SingleParameter(name, KEYS.find(name), Choices.of(choices))


def test_the_command_line_replaces_all_that_set_its_key() -> None:
    replaced = space(LEARNING_RATES).replaced([single("optimizer.learning_rate", 0.1, 0.2)])
    assert replaced.names == ["model.dropout", "optimizer", "optimizer.learning_rate"]
    assert replaced.replaced([single("train.epochs", 1)]).names == [*replaced.names, "train.epochs"]


def test_a_parent_on_the_command_line_keeps_its_children() -> None:
    replaced = space(LEARNING_RATES).replaced([single("optimizer", "adamw", "adam")])
    assert replaced.names == ["model.dropout", "optimizer", "adam_learning_rate"]
    assert replaced.overrides({"optimizer": "adam", "adam_learning_rate": 0.001}) == [
        *("optimizer=adam", "optimizer.learning_rate=0.001")
    ]
    none = space(LEARNING_RATES).replaced([single("optimizer", "sgd")])
    assert none.names == ["model.dropout", "optimizer"]


def test_a_part_of_towers_that_is_gone_is_no_parent() -> None:
    text = TOWERS + "model.dropout: {choices: [0.1], when: {model.layer_sizes.depth: 2}}"
    with pytest.raises(ConfigError, match=r"when.model.layer_sizes.depth: is not searched"):
        space(text).replaced([single("model.layer_sizes", [8])])


def narrowed(text: str, *overrides: str) -> tuple[SearchSpace, list[str]]:
    """The space, and the fixed overrides, of a command line without config groups."""
    base = space(text)
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    parameters, fixed = command_line_parameters(parsed, KEYS, base.keys)
    return base.replaced(parameters), fixed


# No config group, so that overrides can be read without Hydra's config loader.
ACTIVATIONS = """
activation: {sets: model.activation, choices: [relu, tanh]}
task.temperature: {low: 0.1, high: 1, when: {activation: relu}}
model.dropout: {choices: [0.1, 0.2], when: {activation: tanh}}
model.input_dropout: {choices: [0.3, 0.4], when: {model.dropout: 0.2}}
"""


@pytest.mark.parametrize(
    ("overrides", "names", "fixed"),
    [
        (["model.activation=relu"], ["activation", "task.temperature"], []),
        (["model.activation=tanh"], ["activation", "model.dropout", "model.input_dropout"], []),
        (["model.dropout=0.1"], ["activation", "task.temperature", "model.dropout"], []),
        (
            ["train.epochs=3", "model.input_dropout=0.3"],
            ["activation", "task.temperature", "model.dropout", "model.input_dropout"],
            ["train.epochs=3"],
        ),
    ],
)
def test_one_value_narrows_the_search(
    overrides: list[str], names: list[str], fixed: list[str]
) -> None:
    assert narrowed(ACTIVATIONS, *overrides)[0].names == names
    assert narrowed(ACTIVATIONS, *overrides)[1] == fixed


def test_one_value_is_what_all_trials_have() -> None:
    searched, _ = narrowed(ACTIVATIONS, "model.activation=tanh", "model.dropout=0.2")
    assert [searched.overrides(point) for point in searched.points()] == [
        ["model.activation=tanh", "model.dropout=0.2", f"model.input_dropout={value}"]
        for value in (0.3, 0.4)
    ]
    assert searched.encode({"activation": "tanh"}, "here") == {"activation": "tanh"}
    sizes, _ = narrowed(TOWERS, "model.layer_sizes=[64]")
    assert [sizes.overrides(point) for point in sizes.points()] == [["model.layer_sizes=[64]"]]
