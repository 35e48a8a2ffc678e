"""What a shell splits and Hydra reads otherwise: the error shows the word to type instead."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.cli.command_line import prepare
from sweeper.cli.composition import composed, loader
from sweeper.cli.overrides import fits, mended, parse
from sweeper.common.errors import ConfigError
from sweeper.common.quoting import in_quotes, rejoined, split_words
from sweeper.init.__main__ import main as init
from sweeper.serving.key_value_args import read_settings, text, whole_number
from sweeper.two_tower.config.experiment import register_schema


def words_of(line: str) -> list[str]:
    """The words that a shell passes on, up to what it takes as the next command."""
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=None
    )
    return done.stdout.split("\0")[:-1]


def problems_of(line: str) -> list[str]:
    """What is told of a command line, as it is typed in a shell."""
    register_schema()
    with pytest.raises(ConfigError) as caught:
        prepare(words_of(line))
    return caught.value.problems


SPLIT, SYNTAX = "the shell passed it as", "quote it for the shell and for Hydra"
# What is typed, what its error says, what to type instead, and the key's value then.
TYPED = [
    ("model.layer_sizes=[64, 32]", SPLIT, "'model.layer_sizes=[64, 32]'", [64, 32]),
    ("model.layer_sizes= [64,32]", SPLIT, "'model.layer_sizes=[64,32]'", [64, 32]),
    ("model.layer_sizes = [64,32]", SPLIT, "'model.layer_sizes=[64,32]'", [64, 32]),
    ("model.layer_sizes=64,32", "for a list", "'model.layer_sizes=[64,32]'", [64, 32]),
    ("-m model.layer_sizes=64,32", "for a list", "'model.layer_sizes=[64,32]'", [64, 32]),
    ("train.epochs =5", SPLIT, "train.epochs=5", 5),
    ("study.split_seeds=[0, 1, 2]", SPLIT, "'study.split_seeds=[0, 1, 2]'", [0, 1, 2]),
    ("evaluation.baselines=[popularity, ease]", SPLIT,
     "'evaluation.baselines=[popularity, ease]'", ["popularity", "ease"]),
    ("study=loss study.objectives=[{metric: top_5}]", SPLIT,
     "'study.objectives=[{metric: top_5}]'", [{"metric": "top_5"}]),
    ("features.query=[{column:user_id,kind:embedding}]", SPLIT,
     "'features.query=[{column:user_id,kind:embedding}]'",
     [{"column": "user_id", "kind": "embedding"}]),
    ("study=architecture +study.space.model.dropout={low: 0, high: 0.5}", SPLIT,
     "'+study.space.model.dropout={low: 0, high: 0.5}'", {"low": 0, "high": 0.5}),
    ("study=loss study.name=my study", SPLIT, "'study.name=my study'", "my study"),
    ("study=loss study.name=my,study", "if the comma", "'study.name=\"my,study\"'", "my,study"),
    ("study=loss 'study.name=my (study)'", SYNTAX, "'study.name=\"my (study)\"'", "my (study)"),
    ("study=loss study.name=2023_10", "reads it as 202310", "'study.name=\"2023_10\"'", "2023_10"),
    ("study=loss study.name=1e5", "reads it as 100000.0", "'study.name=\"1e5\"'", "1e5"),
    ("data=table data.columns.user=true", "as True", "'data.columns.user=\"true\"'", "true"),
    ("data=table data.csv.delimiter=; data.path=x", "keeps ; & |",
     "'data.csv.delimiter=\";\"'", ";"),
    ("data=table data.csv.delimiter=';'", SYNTAX, "'data.csv.delimiter=\";\"'", ";"),
    ("data=table data.csv.delimiter=,", SYNTAX, "'data.csv.delimiter=\",\"'", ","),
    ("data=table data.csv.delimiter=' '", "quote a space", "'data.csv.delimiter=\" \"'", " "),
    ("data=table '+data.items.lists.genres=, '", SYNTAX, "'+data.items.lists.genres=\", \"'", ", "),
    ("data=table +data.items.lists.genres=; data.path=x", "keeps ; & |",
     "'+data.items.lists.genres=\";\"'", ";"),
    ("data=table data.path=/a dir/x.csv", SPLIT, "'data.path=/a dir/x.csv'", "/a dir/x.csv"),
    ("data=table data.path=my,file.csv", "if the comma", "'data.path=\"my,file.csv\"'",
     "my,file.csv"),
    ("-m data=table data.path=my,file.csv", "if the comma", "'data.path=\"my,file.csv\"'",
     "my,file.csv"),
    ("data=table data.path=/x=1/f.csv", SYNTAX, "'data.path=\"/x=1/f.csv\"'", "/x=1/f.csv"),
    ("data=table data.path=/[old]/f.csv", SYNTAX, "'data.path=\"/[old]/f.csv\"'", "/[old]/f.csv"),
    ("data=table 'data.path=[old].csv'", SYNTAX, "'data.path=\"[old].csv\"'", "[old].csv"),
    ("data=table 'data.path=f (1).csv'", SYNTAX, "'data.path=\"f (1).csv\"'", "f (1).csv"),
    ("data=table data.path=\"it's.csv\"", SYNTAX,
     shlex.quote("data.path=\"it's.csv\""), "it's.csv"),
    ("data=table data.path=/ü.csv", SYNTAX, "'data.path=\"/ü.csv\"'", "/ü.csv"),
    ("data=table data.source=~/ml.zip", SYNTAX, "'data.source=\"~/ml.zip\"'", "~/ml.zip"),
    ("data=table data.columns.user=user id", SPLIT, "'data.columns.user=user id'", "user id"),
    ("'features.query=[{column: Größe (cm), kind: embedding}]'", SYNTAX,
     "'features.query=[{column: \"Größe (cm)\", kind: embedding}]'",
     [{"column": "Größe (cm)", "kind": "embedding"}]),
    ("tracking.mlflow='http://a:80/?x=1&y=2'", SYNTAX,
     "'tracking.mlflow=\"http://a:80/?x=1&y=2\"'", "http://a:80/?x=1&y=2"),
    ("hydra.run.dir=out dir", SPLIT, "'hydra.run.dir=out dir'", "out dir"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "told", "instead", "value"), TYPED, ids=lambda each: str(each))
def test_the_error_shows_what_to_type_instead(
    typed: str, told: str, instead: str, value: Any
) -> None:
    if told in (SPLIT, SYNTAX):
        register_schema()
        with loader(None, None):
            meant, problems = mended(words_of(typed))
            assert meant[-1] == words_of(instead)[0]
    else:
        problems = problems_of(typed)
    (line,) = [problem for problem in problems if problem.endswith(instead)]
    assert told in line
    (word,) = words_of(instead)
    with loader(None, None):
        assert fits(word)
        assert parse([word])[0].value() == value


def test_what_is_split_is_checked_as_it_was_meant_and_all_else_is_told_too() -> None:
    lines = problems_of("data=table data.path=/a dir/x.csv train.epochs=0 optimizer=adamm")
    assert [line.partition(":")[0] for line in lines] == [
        "data.path=/a dir/x.csv", "optimizer", "train.epochs", "data.path",
    ]  # fmt: skip
    assert "got '/a dir/x.csv', where there is no file" in lines[3]


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        ("train.epochs=5 foo", ["foo: is not an override; must be KEY=VALUE"]),
        ("model.activation", ["model.activation: is not an override; must be KEY=VALUE"]),
        ("foo train.epochs=5", ["foo: is not an override; must be KEY=VALUE"]),
        (
            "train.epochs=1,000",
            ["train.epochs=1,000: has several values; must be one, or with --multirun"],
        ),
        (
            "model=one_layer,two_layer",
            ["model=one_layer,two_layer: has several values; must be one, or with --multirun"],
        ),
        (
            "model.activation=relu,tanh",
            ["model.activation=relu,tanh: has several values; must be one, or with --multirun"],
        ),
    ],
)
def test_where_quotes_would_not_help_none_are_hinted_at(typed: str, lines: list[str]) -> None:
    assert problems_of(typed) == lines


@pytest.mark.parametrize(
    "words",
    [["study=loss", "study.name=2023"], ["study=loss", "study.name=a-b_c"], ["train.epochs=1_0"]],
)
def test_what_is_read_as_it_is_written_passes(words: list[str]) -> None:
    register_schema()
    prepare(words)


def test_what_composes_for_another_program_is_told_the_same() -> None:
    with pytest.raises(ConfigError, match=r"quote it: 'data.path=\"my,file.csv\"'"):
        composed(["data=table", "data.path=my,file.csv"])
    with pytest.raises(ConfigError, match=r"quote it: 'data.columns.user=\"1_0\"'"):
        composed(["data=table", "data.columns.user=1_0"], check=None)


def test_settings_of_the_other_programs_are_put_together_too(tmp_path: Path, capsys) -> None:
    readers = {"similar": text, "k": whole_number(1)}
    with pytest.raises(ConfigError) as caught:
        read_settings(["similar=Star", "Wars", "(1977)", "k=x", "kk=1"], readers)
    assert caught.value.problems[0] == (
        "similar=Star Wars (1977): the shell passed it as 3 arguments; quote it as one: "
        "'similar=Star Wars (1977)'"
    )
    assert [line[:5] for line in caught.value.problems[1:]] == ["k: go", "kk: i"]
    with pytest.raises(SystemExit):
        init([str(tmp_path / "p"), "data.path=my", "file.csv", "data.items.lists.a=|"])
    assert capsys.readouterr().err.splitlines()[0] == (
        "error: data.path=my file.csv: the shell passed it as 2 arguments; quote it as one: "
        "'data.path=my file.csv'"
    )


@given(st.lists(st.text("ab=[]{} ", min_size=1, max_size=6), max_size=6))
def test_no_word_is_lost(words: list[str]) -> None:
    groups = split_words(words, lambda word: "=" in word)
    assert [word for group in groups for word in group] == words
    texts, problems = rejoined(words)
    assert "".join(texts).replace(" ", "") == "".join(words).replace(" ", "")
    assert (problems == []) == (len(texts) == len(words))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), min_size=1))
def test_any_text_in_quotes_is_the_text_again(value: str) -> None:
    with loader(None, None):
        assert parse([f"key={in_quotes(value)}"])[0].value() == value
