"""Search spaces in YAML, a few by hand and any number at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sweeper.common.errors import ConfigError
from sweeper.study.space.keys import SearchableKeys
from sweeper.study.space.reader import parse_space
from sweeper.study.space.search_space import SearchSpace
from sweeper.two_tower.app import TwoTowerApp

GROUPS = {
    "optimizer": ["adagrad", "adam", "adamw", "sgd"],
    "model": ["linear", "one_layer", "two_layer"],
}
KEYS = SearchableKeys.of(TwoTowerApp(), GROUPS)
LEARNING_RATES = """
adam_learning_rate:
  {sets: optimizer.learning_rate, low: 1e-4, high: 1e-2, log: true,
   when: {optimizer: [adam, adamw]}}
model.dropout: {low: 0.0, high: 0.2, step: 0.1}
optimizer: {choices: [adagrad, adam, adamw]}
adagrad_learning_rate:
  {sets: optimizer.learning_rate, low: 0.02, high: 1, log: true, when: {optimizer: adagrad}}
"""
TOWERS = """
model.layer_sizes:
  towers: {depth: {low: 1, high: 2}, width: {choices: [32, 64]}, shape: [constant, free]}
"""
NESTED = """
c: {sets: train.epochs, choices: [5, 6], when: {b: 0.1}}
b: {sets: model.dropout, choices: [0.1, 0.2], when: {a: [one_layer, two_layer]}}
a: {sets: model, choices: [linear, one_layer, two_layer]}
"""


def space(text: str) -> SearchSpace:
    return parse_space(OmegaConf.to_container(OmegaConf.create(text)), KEYS)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        space(text)
    return error.value.problems


def fixed_trial(values: Mapping[str, Any]) -> optuna.trial.FixedTrial:
    return optuna.trial.FixedTrial(dict(values))


OPEN_KEYS = [f"optimizer.options.option_{index}" for index in range(5)]
domains = st.one_of(
    st.lists(st.sampled_from([None, True, False, 2, 3.5, "a", "b c", "1"]), min_size=1, max_size=3,
             unique=True).map(lambda choices: {"choices": choices}),
    st.tuples(st.integers(-3, 3), st.integers(1, 4)).map(
        lambda ends: {"low": ends[0], "high": ends[0] + ends[1]}),
    st.tuples(st.integers(0, 9), st.integers(1, 4)).map(
        lambda ends: {"low": ends[0] / 10, "high": (ends[0] + ends[1]) / 10, "step": 0.1}),
    st.just({"low": 0.001, "high": 0.1, "log": True}),
)  # fmt: skip


@st.composite
def spaces(draw: st.DrawFn, listed: bool = False) -> dict[str, Any]:
    """One to five parameters, some conditional on earlier ones; given in any order."""
    space: dict[str, Any] = {}
    for key in OPEN_KEYS[: draw(st.integers(1, 5))]:
        options = dict(draw(domains.filter(lambda options: not listed or "log" not in options)))
        parents = [name for name, other in space.items() if "choices" in other]
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            some = st.lists(st.sampled_from(space[parent]["choices"]), min_size=1, unique=True)
            options["when"] = {parent: draw(some)}
        space[key] = options
    if draw(st.booleans()):
        space["model.layer_sizes"] = {
            "towers": {
                "depth": {"low": draw(st.integers(0, 1)), "high": 2},
                "width": {"choices": [8, 12]},
                "shape": draw(st.lists(st.sampled_from(["constant", "narrowing", "free"]),
                                       min_size=1, unique=True)),
            }
        }  # fmt: skip
    return dict(draw(st.permutations(list(space.items()))))


def check_values(searched: SearchSpace, given_space: Mapping[str, Any], values: Any) -> None:
    """Every override is of a searched key, in its range, and the user's way to say it."""
    parser = OverridesParser.create()
    meant = {}
    for text in searched.overrides(values):
        override = parser.parse_override(text)
        key, value = override.key_or_group, override.value()
        meant[key] = value
        options = given_space[key]
        if "choices" in options:
            assert any(value is choice or value == choice for choice in options["choices"])
        elif "low" in options:
            assert options["low"] <= value <= options["high"]
        else:
            assert isinstance(value, list)
    encoded = searched.encode(meant, "study.enqueue[0]")
    assert searched.overrides(encoded) == searched.overrides(values)
