"""Search spaces in YAML: how they are read, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from made_up_spaces import KEYS, TOWERS, problems

from sweeper.common.errors import ConfigError
from sweeper.study.space.domains import Choices, Domain, Interval
from sweeper.study.space.parameters import Parameter, SingleParameter
from sweeper.study.space.reader import parse_space


def read(key: str, **options: Any) -> tuple[Parameter | None, list[str]]:
    """A parameter p of the key; or all that is wrong with it."""
    try:
        (parameter,) = parse_space({"p": {"sets": key, **options}}, KEYS).parameters
    except ConfigError as error:
        return None, [line.removeprefix("study.space.") for line in error.problems]
    return parameter, []


@pytest.mark.parametrize(
    ("key", "options", "domain"),
    [
        ("model.dropout", {"low": 0, "high": 0.5}, Interval(0.0, 0.5)),
        ("train.epochs", {"low": 1, "high": 9, "step": 3}, Interval(1, 7, 3, is_int=True)),
        ("train.epochs", {"low": 1, "high": 9, "log": True}, Interval(1, 9, None, True, True)),
        ("optimizer.options.momentum", {"low": 0.0, "high": 1}, Interval(0.0, 1.0)),
        ("optimizer.options.power", {"low": 0, "high": 1}, Interval(0, 1, is_int=True)),
        ("model.layer_norm", {"choices": [True, False]}, Choices.of([True, False])),
    ],
)
def test_the_type_is_that_of_the_key(key: str, options: dict[str, Any], domain: Domain) -> None:
    parameter, problems = read(key, **options)
    assert problems == []
    assert isinstance(parameter, SingleParameter)
    assert repr(parameter.domain) == repr(domain)


@pytest.mark.parametrize(
    ("key", "options", "problem"),
    [
        ("model.dropout", {"low": 0.6, "high": 0.5}, "p.low: got 0.6 with high 0.5; must be"),
        ("model.dropout", {"low": 0.5, "high": 0.5}, "p.low: got 0.5 with high 0.5; must be"),
        (
            "optimizer.weight_decay",
            {"low": 0, "high": 1, "log": True},
            "p.low: got 0 with log; must be",
        ),
        ("model.dropout", {"low": 0.1}, "p.high: is missing"),
        ("model.dropout", {"high": 0.1}, "p.low: is missing"),
        ("model.dropout", {}, "p: has no values"),
        ("model.dropout", {"low": 0, "high": float("inf")}, "p.high: got inf; must be a finite"),
        ("model.dropout", {"low": "a", "high": 1}, "p.low: got 'a'; must be a finite number"),
        ("model.dropout", {"low": False, "high": 0.5}, "p.low: got False; must be a finite"),
        ("model.dropout", {"low": 0, "high": 1}, "p.high: got 1; must be at least 0 and below 1"),
        ("model.dropout", {"low": 0.1, "high": 0.2, "log": 1}, "p.log: got 1; must be true or"),
        (
            "model.dropout",
            {"low": 0.1, "high": 0.2, "log": True, "step": 0.1},
            "p.step: got 0.1 with log; must have only one of them",
        ),
        ("model.dropout", {"low": 0, "high": 0.5, "step": 0}, "p.step: got 0; must be greater"),
        ("model.dropout", {"low": 0, "high": 0.5, "step": 0.6}, "p.step: got 0.6; must be at most"),
        ("train.epochs", {"low": 0.5, "high": 3}, "p.low: got 0.5; must be a whole number"),
        ("train.epochs", {"low": 1, "high": 3, "step": 0.5}, "p.step: got 0.5; must be a whole"),
        ("model.layer_norm", {"low": 0, "high": 1}, "p: got low, high, but is not a number; must"),
        ("model.activation", {"low": 0, "high": 1}, "p: got low, high, but is not a number; must"),
        ("model.dropout", {"choices": []}, "p.choices: got []; must be a list"),
        ("model.dropout", {"choices": 0.5}, "p.choices: got 0.5; must be a list"),
        ("model.dropout", {"choices": [0.1, 0.1]}, "p.choices: got 0.1 twice"),
        ("model.dropout", {"choices": ["abc"]}, "p.choices: got 'abc'; must be a number"),
        ("model.dropout", {"choices": [0.1], "low": 0}, "p: got choices and low; must have"),
        ("optimizer.options", {"choices": [{"a b": 1}]}, "p.choices: 'a b': is not a valid key"),
        ("model.dropout", {"towers": {}}, "p.towers: model.dropout is not a list of widths; must"),
        ("model.layer_sizes", {"towers": 3}, "p.towers: got 3; must have depth, width, shape"),
        ("model.layer_sizes", {"towers": {}, "low": 3}, "p: got towers and low; must have only"),
    ],
)
def test_what_is_wrong_with_one_parameter(key: str, options: dict[str, Any], problem: str) -> None:
    _, problems = read(key, **options)
    assert any(line.startswith(problem) for line in problems), problems


@pytest.mark.parametrize(
    ("part", "given", "problem"),
    [
        ("depth", 0.5, "p.towers.depth: got 0.5; must be a whole number of at least 0"),
        ("depth", -1, "p.towers.depth: got -1; must be a whole number of at least 0"),
        ("depth", {"low": -1, "high": 2}, "p.towers.depth.low: got -1; must be a whole number of"),
        ("width", 0, "p.towers.width: got 0; must be a whole number of at least 1"),
        ("width", {"choices": [8.5]}, "p.towers.width.choices: got 8.5; must be a whole number"),
        ("width", {"chioces": [8]}, "p.towers.width.chioces: is unknown; must be low"),
        ("shape", "narow", "p.towers.shape: got 'narow'; must be constant, narrowing or free."),
        ("shape", [], "p.towers.shape: got []; must have at least one shape, each once"),
        ("shape", ["free", "free"], "p.towers.shape: got ['free', 'free']; must have at least"),
    ],
)
def test_what_is_wrong_with_towers(part: str, given: Any, problem: str) -> None:
    good = {"depth": 1, "width": 8, "shape": "free"}
    assert read("model.layer_sizes", towers=good)[1] == []
    _, problems = read("model.layer_sizes", towers=good | {part: given})
    assert problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "model.dropuot: {low: 0.6, hi: 1}",
            [
                "study.space.model.dropuot.hi: is unknown; must be low, high, step, log, "
                "choices, towers, sets or when. Did you mean 'high'?",
                "study.space.model.dropuot: is not a key of the configuration. "
                "Did you mean 'model.dropout'?",
                "study.space.model.dropuot.high: is missing; must be given for a range",
            ],
        ),
        (
            "rate: {sets: optimizer.learning_rat, low: 1, high: 0}",
            [
                "study.space.rate.sets: got 'optimizer.learning_rat', which is not a key of the "
                "configuration. Did you mean 'optimizer.learning_rate'?",
                "study.space.rate.low: got 1 with high 0; must be below high",
            ],
        ),
        (
            "qqq: {choices: [1]}",
            [
                "study.space.qqq: is not a key of the configuration; must be one, "
                "or set one with sets: KEY"
            ],
        ),
        (
            "model.dropout: 0.5",
            ["study.space.model.dropout: got 0.5; must be a mapping, such as {low: 0, high: 1}"],
        ),
        (
            "model.dropout: {choices: [0.1], when: optimizer}",
            [
                "study.space.model.dropout.when: got 'optimizer'; must be a mapping, such as "
                "{optimizer: adam}"
            ],
        ),
        (
            "optimizer: {choices: [adam]}\nmodel.dropout: {choices: [0.1], when: {optimizer: []}}",
            ["study.space.model.dropout.when.optimizer: got []; must have at least one value"],
        ),
        (
            "optimizer: {choices: [adam, smd]}\n"
            "model.dropout: {choices: [0.1, 7], when: {optimizer: adam, optimzer: sgd}}",
            [
                "study.space.optimizer.choices: got 'smd'; must be one of adagrad, adam, adamw, "
                "sgd. Did you mean 'sgd'?",
                "study.space.model.dropout.choices: got 7; must be at least 0 and below 1",
            ],
        ),
        (
            "optimizer: {choices: [adam, sgd]}\n"
            "model.dropout: {choices: [0.1], when: {optimzer: sgd}}\n"
            "model.input_dropout: {choices: [0.1], when: {optimizer: adamw}}",
            [
                "study.space.model.dropout.when.optimzer: is not searched; must be a parameter "
                "of study.space. Did you mean 'optimizer'?",
                "study.space.model.input_dropout.when.optimizer: got 'adamw', which is not a "
                "value of optimizer; must be one of adam, sgd. Did you mean 'adam'?",
            ],
        ),
        (
            "model.dropout: {low: 0, high: 0.5}\n"
            "train.epochs: {choices: [1], when: {model.dropout: 0.1}}",
            [
                "study.space.train.epochs.when.model.dropout: has a continuous range; must have "
                "a step or choices"
            ],
        ),
        (
            "a: {sets: model.dropout, choices: [0.1], when: {b: 2}}\n"
            "b: {sets: train.epochs, choices: [2], when: {c: 3}}\n"
            "c: {sets: train.batch_size, choices: [3], when: {a: 0.1}}",
            [
                "study.space.a.when: is circular: a -> b -> c -> a; must end in a "
                "parameter without conditions"
            ],
        ),
        (
            "optimizer: {choices: [adam, sgd]}\n"
            "a: {sets: model.dropout, choices: [0.1], when: {optimizer: adam}}\n"
            "b: {sets: train.epochs, choices: [2], when: {a: 0.1, optimizer: sgd}}",
            [
                "study.space.b.when: never holds, because its conditions require different values "
                "of optimizer; must allow a common value"
            ],
        ),
        (
            TOWERS + "model.layer_sizes.depth: {sets: train.epochs, choices: [1]}",
            ["study.space.model.layer_sizes.depth: is the name of two parameters; must be unique"],
        ),
    ],
)  # fmt: skip
def test_all_that_is_wrong_at_once(text: str, lines: list[str]) -> None:
    assert problems(text) == lines
