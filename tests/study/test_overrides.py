"""Keys that may be searched, and values as override text that Hydra reads back."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.common.errors import ConfigError
from sweeper.study.space.keys import SearchableKeys, to_text
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import Config, known_keys

GROUPS = {"optimizer": ["adagrad", "adam"], "experiment": ["tutorial_shallow"]}
KEYS = SearchableKeys.of(TwoTowerApp(), GROUPS)
PARSER = OverridesParser.create()

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.text(alphabet="ab'\"\\,=:{}[]() \t\n$é", max_size=6)
)
words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True).filter(
    lambda word: word.lower() not in ("null", "true", "false", "inf", "nan")
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
)


@given(values)
@settings(max_examples=150, deadline=None)
def test_hydra_reads_the_same_value_back(value: Any) -> None:
    read = PARSER.parse_override(f"key={to_text(value)}").value()
    assert read == value
    assert repr(read) == repr(value)  # True is not 1, and 1 not 1.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0.1, "0.1"),
        (1e-05, "1e-05"),
        ("adam", "adam"),
        ("null", "'null'"),
        ("1", "'1'"),
        ("", "''"),
        ("a, b=c", "'a, b=c'"),
        ([128, 64], "[128,64]"),
        ([{"column": "user id"}], "[{column:'user id'}]"),
    ],
)
def test_texts_by_hand(value: Any, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize("value", [{1: 2}, {"a b": 1}, {"true": 1}, {"a": object()}])
def test_a_value_that_no_override_can_have(value: Any) -> None:
    with pytest.raises(ConfigError):
        to_text(value)


def test_every_key_of_the_schema_is_a_key_a_node_or_refused() -> None:
    refused = {}
    for name in known_keys(Config):
        try:
            KEYS.find(name)
        except ConfigError as error:
            refused[name] = str(error)
    assert not any("is not a key" in problem for problem in refused.values())
    assert set(refused) == {
        *("name", "train.seed", "train.threads", "data.split_seed"),
        *("data.columns", "data.csv", "data.items", "data.items.csv", "data.users"),
        *("data.users.csv", "data.filter"),
        *(
            "data",
            "data.synthetic",
            "features",
            "features.sequence",
            "model",
            "task",
            "train",
            "evaluation",
            "tracking",
        ),
        *("tracking.tensorboard", "tracking.mlflow", "tracking.wandb"),
    }


@pytest.mark.parametrize(
    ("name", "type_", "element"),
    [
        ("model.dropout", float, "model.dropout"),
        ("train.patience_evaluations", int, "train.patience_evaluations"),
        ("optimizer", str, "optimizer"),
        ("optimizer.options.momentum", Any, "++optimizer.options.momentum"),
    ],
)
def test_what_a_key_is(name: str, type_: Any, element: str) -> None:
    key = KEYS.find(name)
    assert (key.type, key.element) == (type_, element)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.dropuot", "is not a key of the configuration. Did you mean 'model.dropout'?"),
        ("optimizer.options.a-b", "is not a key"),
        ("model.dropout.more", "is not a key"),
        ("train.seed", "set study.split_seeds"),
        ("data.split_seed", "set study.split_seeds"),
        ("study.sampler", "can't be searched"),
        ("hydra/launcher", "can't be searched"),
        ("name", "it does not affect results"),
        ("data.synthetic", "must be one of its keys: data.synthetic.num_users"),
    ],
)
def test_a_key_that_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        KEYS.find(name)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("model.dropout", 0.5, ""),
        ("model.dropout", 1, "must be at least 0 and below 1"),
        ("model.dropout", "abc", "must be a number"),
        ("model.dropout", float("nan"), "must be a finite number"),
        ("model.layer_norm", True, ""),
        ("train.epochs", True, "must be a whole number"),
        ("train.epochs", None, "must be a whole number"),
        ("train.patience_evaluations", None, ""),
        ("model.layer_sizes", [32, 0], "must be a list of widths, each at least 1"),
        ("model.layer_sizes", [], ""),
        ("features.query", [{"column": "user_id", "kind": "embedding"}], ""),
        ("features.embedding_dim", "${model.layer_sizes[0]}", ""),
        ("optimizer", "adam", ""),
        ("optimizer", "adm", "must be one of adagrad, adam. Did you mean 'adam'?"),
        ("optimizer", None, "must be one of adagrad, adam"),
        ("experiment", None, ""),
        ("optimizer.options.beta_1", "anything", ""),
    ],
)
def test_whether_a_key_can_have_a_value(name: str, value: Any, problem: str) -> None:
    assert KEYS.find(name).problem(value) == problem
