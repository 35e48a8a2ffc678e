"""Values of another type than their key's: what is answered, on the command line and in YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sweeper.cli.command_line import prepare
from sweeper.common.errors import ConfigError, shortened
from sweeper.two_tower.config import type_at, type_problems
from sweeper.two_tower.config.experiment import ExperimentConfig, register_schema

WRONG = [
    ("train.epochs", "zehn", "train.epochs: got 'zehn'; must be a whole number"),
    ("train.epochs", "1.5", "train.epochs: got 1.5; must be a whole number"),
    ("train.epochs", "null", "train.epochs: got null; must be a whole number"),
    ("train.threads", "some", "train.threads: got 'some'; must be a whole number or null"),
    ("train.xla", "maybe", "train.xla: got 'maybe'; must be true or false"),
    ("optimizer.learning_rate", "fast", "optimizer.learning_rate: got 'fast'; must be a number"),
    (
        "optimizer.learning_rate",
        f"1{'0' * 400}",
        f"optimizer.learning_rate: got {shortened('1' + '0' * 400)}; must be a whole number of at "
        "most 2,147,483,647",
    ),
    ("model.layer_sizes", "64", "model.layer_sizes: got 64; must be a list of whole numbers"),
    ("model.layer_sizes", "[64, a]", "model.layer_sizes[1]: got 'a'; must be a whole number"),
    ("study.n_trials", "many", "study.n_trials: got 'many'; must be a whole number or null"),
    (
        "features.query",
        "[user_id]",
        "features.query[0]: got 'user_id'; must be a mapping, such as {column: COLUMN, kind: KIND}",
    ),
    (
        "features.query",
        "user_id",
        "features.query: got 'user_id'; must be a list of mappings, such as "
        "{column: COLUMN, kind: KIND}",
    ),
    (
        "features.query",
        "[{column: movie_title, kind: sequence, max_lenght: 5}]",
        "features.query[0].max_lenght: is not a key of the configuration. Did you mean "
        "'max_length'?",
    ),
    (
        "features.query",
        "[{column: movie_title, kind: sequence, max_length: long}]",
        "features.query[0].max_length: got 'long'; must be a whole number or null",
    ),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register_schema()
    monkeypatch.chdir(tmp_path)


def problems_of(*arguments: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        prepare(list(arguments))
    return caught.value.problems


@pytest.mark.parametrize(("key", "value", "problem"), WRONG, ids=lambda value: value[:30])
def test_a_value_of_another_type_is_told_with_its_place(key: str, value: str, problem: str) -> None:
    kind = type_at(ExperimentConfig, key)
    assert list(type_problems(key, yaml.safe_load(value), kind)) == [problem]


def test_every_wrong_value_of_a_command_line_is_told() -> None:
    assert problems_of("train.epochs=zehn", "features.query=[user_id]", "train=3") == [
        "train.epochs: got 'zehn'; must be a whole number",
        "features.query[0]: got 'user_id'; must be a mapping, such as {column: COLUMN, kind: KIND}",
        "train: got 3; must be one of quick, tutorial",
    ]


def test_every_wrong_value_of_a_file_is_told() -> None:
    file = Path("conf/experiment/mine.yaml")
    file.parent.mkdir(parents=True)
    file.write_text(
        "# @package _global_\ndefaults:\n  - override /model: linear\n"
        "train: {epochs: zehn}\nfeatures: {query: [user_id]}\n"
    )
    assert problems_of("--config-dir", "conf", "experiment=mine") == [
        "experiment/mine.yaml: train.epochs: got 'zehn'; must be a whole number",
        "experiment/mine.yaml: features.query[0]: got 'user_id'; must be a mapping, such as "
        "{column: COLUMN, kind: KIND}",
    ]


def test_the_file_of_a_group_is_answered_with_whole_keys() -> None:
    file = Path("conf/features/mine.yaml")
    file.parent.mkdir(parents=True)
    file.write_text("embeding_dim: 8\nquery: [a]\nsequence: {max_length: [1]}\n")
    lines = problems_of("--config-dir", "conf", "features=mine")
    assert [line.partition("; ")[0] for line in lines] == [
        "features/mine.yaml: features.embeding_dim: is not a key of the configuration. Did you "
        "mean 'embedding_dim'?",
        "features/mine.yaml: features.query[0]: got 'a'",
        "features/mine.yaml: features.sequence.max_length: got [1]",
    ]


def test_a_feature_without_what_it_needs_is_named() -> None:
    assert problems_of("features.query=[{kind: sequence},{column: a}]") == [
        "features.query[0].column: is missing; must be given",
        "features.query[1].kind: is missing; must be given",
    ]


def test_what_omegaconf_takes_is_no_problem() -> None:
    for key, value in (
        ("train.epochs", "5"),
        ("train.threads", None),
        ("train.xla", "yes"),
        ("optimizer.learning_rate", 1),
        ("study.workers", "auto"),
        ("study.workers", 2),
        ("model.layer_sizes", ["${features.embedding_dim}", 4]),
        ("features.query", [{"column": "a", "kind": "embedding", "dim": None}]),
        ("task.options", {"any": [1, {"thing": None}]}),
    ):
        assert list(type_problems(key, value, type_at(ExperimentConfig, key))) == []
    assert type_at(ExperimentConfig, "train.epoch") is None
    assert type_at(ExperimentConfig, "train.epochs.more") is None


SEQUENCE = "features.query=[{column: movie_title, kind: sequence%s}]"
BAD_SEQUENCES = [
    (
        [SEQUENCE % ", max_length: 0"],
        "features.query[0].max_length: got 0; must be a whole number from 1 to 1,000",
    ),
    (
        [SEQUENCE % ", encoder: self_atention"],
        "features.query[0].encoder: got 'self_atention'; must be one of mean, recency, gru, "
        "self_attention, or the Python path of your own (package.module:Name). Did you mean "
        "'self_attention'?",
    ),
    (
        ["features.query=[{column: movie_title, kind: sequense}]"],
        "features.query[0].kind: got 'sequense'; must be one of embedding, buckets, normalized, "
        "text, numeric, history, sequence, time_gap, history_length, or the Python path of your "
        "own (package.module:Name). Did you mean 'sequence'?",
    ),
    (
        [SEQUENCE % ", encoder: self_attention", "features.sequence.num_heads=3"],
        "features.sequence.num_heads: got 3 for features.query[0], whose vectors are 32 wide; must "
        "divide the width",
    ),
    (
        ["data=table", "data.path=rows.csv", "features=ids", SEQUENCE % ""],
        "features.query[0].kind: got 'sequence', which needs the order of a user's rows, with "
        "data.columns.timestamp null; use another kind, or set data.columns.timestamp",
    ),
]


@pytest.mark.parametrize(("arguments", "problem"), BAD_SEQUENCES, ids=lambda value: str(value)[:40])
def test_a_sequence_that_cannot_be_is_told_in_one_line(arguments: list[str], problem: str) -> None:
    Path("rows.csv").write_text("user_id,movie_title\n1,2\n")
    assert problems_of(*arguments) == [problem]
