"""Whatever stands in `study.space`: it is a space that works, or an error that says why not."""

from __future__ import annotations

import itertools
import json
from typing import Any

import optuna
import pytest
import yaml
from bounds import bounded
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from nasty import NASTY_NUMBERS, mutated, scalars, values
from optuna.samplers import RandomSampler

from sweeper.common.errors import ConfigError
from sweeper.study.space.keys import SearchableKeys
from sweeper.study.space.reader import OPTIONS, TOWERS_OPTIONS, parse_space
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import config_directory

CONF = config_directory()
GROUPS = {
    group: sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    for group in ("data", "features", "model", "task", "optimizer", "train", "experiment")
}
SEARCHABLE = SearchableKeys.of(TwoTowerApp(), GROUPS)
SHIPPED = [
    yaml.safe_load(path.read_text())["study"].get("space") or {}
    for path in sorted((CONF / "study").glob("*.yaml"))
]
KEYS = [
    "model.dropout", "train.epochs", "model.layer_sizes", "optimizer", "optimizer.options.a",
    "model", "task.temperature", "train.xla", "model.layer_sizes.depth", "features",
]  # fmt: skip


@st.composite
def made_up(draw: st.DrawFn) -> dict[str, Any]:
    """Parameters of real keys with options of real names, and anything in them."""
    numbers = st.one_of(st.sampled_from(NASTY_NUMBERS), st.integers(0, 20), st.floats(0, 1))
    options = st.dictionaries(
        st.sampled_from(OPTIONS),
        st.one_of(
            numbers,
            st.lists(scalars, max_size=4),
            st.sampled_from(KEYS),
            st.dictionaries(st.sampled_from(KEYS), st.lists(scalars, max_size=3), max_size=2),
            st.fixed_dictionaries(dict.fromkeys(TOWERS_OPTIONS, values)),
            values,
        ),
        max_size=4,
    )
    ranges = st.fixed_dictionaries(
        {"low": numbers, "high": numbers}, optional={"step": numbers, "log": st.booleans()}
    )
    return draw(st.dictionaries(st.sampled_from(KEYS), st.one_of(options, ranges), max_size=4))


def check(given: dict[str, Any]) -> None:
    with bounded(10):
        try:
            space = parse_space(given, SEARCHABLE)
        except ConfigError:
            return
        json.dumps(space.describe(), allow_nan=False)
        space.size()
        for found in itertools.islice(space.extremes(), 20):
            space.overrides(found)
        if not space.continuous():
            list(itertools.islice(space.points(), 20))
        trial = optuna.create_study(sampler=RandomSampler(0)).ask()
        for text in space.overrides(space.suggest(trial)):
            assert "=" in text


NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
FLAT = {"choices": [1, 2]}


@settings(max_examples=60, deadline=None, phases=NO_SHRINKING)
@given(st.one_of(made_up(), *map(mutated, SHIPPED)))
@example({"model.dropout": {"low": 0, "high": 0.5, "step": 1e-12}})
@example({"optimizer.options.a": {"low": 0, "high": 1e308, "step": 5e-324}})
@example({"optimizer.options.a": {"low": -1e308, "high": 1e308}})
@example({"optimizer.options.a": {"low": 0, "high": 10**400}})
@example({"optimizer.options.a": {"choices": [10**400, "\0", [10**30]]}})
@example({"train.epochs": {"low": 1, "high": 2**31 - 1}})
@example({"model.layer_sizes": {"towers": {"depth": 10**9, "width": 8, "shape": "free"}}})
@example({"model.layer_sizes": {"towers": {"depth": 1, "width": {"low": 1, "high": 2**31 - 1},
                                           "shape": "free"}}})  # fmt: skip
@example({f"optimizer.options.a{i}": {"choices": list(range(9))} for i in range(9)}
         | {f"optimizer.options.b{i}": {**FLAT, "when": {f"optimizer.options.a{i}": 1}}
            for i in range(9)})  # fmt: skip
def test_a_space_works_or_is_refused(space):
    check(space)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, phases=NO_SHRINKING)
@given(st.one_of(made_up(), *map(mutated, SHIPPED), st.dictionaries(st.text(), values)))
def test_any_space_works_or_is_refused(space):
    check(space)
