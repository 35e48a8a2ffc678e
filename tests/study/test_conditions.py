"""Conditions: parents first, and which parameters are active."""

from __future__ import annotations

import pytest
from made_up_spaces import LEARNING_RATES, NESTED, fixed_trial, problems, space


def test_parents_first_else_in_the_given_order() -> None:
    assert space(LEARNING_RATES).names == [
        *("model.dropout", "optimizer", "adam_learning_rate", "adagrad_learning_rate")
    ]
    assert space(NESTED).names == ["a", "b", "c"]


def test_only_active_parameters_are_suggested() -> None:
    values = {"a": "one_layer", "b": 0.2, "c": 5}
    assert space(NESTED).suggest(fixed_trial(values)) == {"a": "one_layer", "b": 0.2}
    assert space(NESTED).suggest(fixed_trial({"a": "linear"})) == {"a": "linear"}


@pytest.mark.parametrize(
    ("whens", "exclusive"),
    [
        (("{optimizer: adam}", "{optimizer: sgd}"), True),
        (("{optimizer: adam}", "{optimizer: [adam, sgd]}"), False),
        (("{optimizer: adam}", "{model: linear}"), False),
        (("{optimizer: adam}", "{}"), False),
        # Through an ancestor: train.epochs is searched where the optimizer is sgd.
        (("{optimizer: adam}", "{train.epochs: 1}"), True),
        (("{train.epochs: 2}", "{train.epochs: 1}"), True),
    ],
)
def test_two_may_set_a_key_where_they_exclude_each_other(
    whens: tuple[str, str], exclusive: bool
) -> None:
    text = (
        "optimizer: {choices: [adam, sgd]}\n"
        "model: {choices: [linear, one_layer]}\n"
        "train.epochs: {low: 1, high: 3, when: {optimizer: sgd}}\n"
        f"first: {{sets: model.dropout, choices: [0.1], when: {whens[0]}}}\n"
        f"second: {{sets: model.dropout, choices: [0.2], when: {whens[1]}}}\n"
    )
    if exclusive:
        assert {"first", "second"} <= set(space(text).names)
    else:
        (line,) = problems(text)
        assert line.startswith(
            "study.space.second: sets model.dropout, which first also sets; must"
        )
