"""Hydra's sweep grammar as parameters of a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_spaces import KEYS, LEARNING_RATES, space

from sweeper.common.errors import ConfigError
from sweeper.study.space.command_line import command_line_parameters
from sweeper.study.space.domains import Choices, Interval
from sweeper.study.space.parameters import Parameter
from sweeper.study.space.search_space import SearchSpace
from sweeper.two_tower.config import config_directory


@pytest.fixture(scope="module")
def loader() -> Iterator[ConfigLoader]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()
    GlobalHydra.instance().clear()


def read(loader: ConfigLoader | None, *texts: str) -> tuple[list[Parameter], list[str]]:
    parser = OverridesParser.create(config_loader=loader)
    return command_line_parameters(parser.parse_overrides(list(texts)), KEYS)


def domain(loader: ConfigLoader | None, text: str) -> Any:
    (parameter,), _ = read(loader, text)
    return parameter.dimensions()[0].domain


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("model.dropout=0.1,0.2", ["model.dropout=0.1", "model.dropout=0.2"]),
        ("model.dropout=choice(0.1,0.2)", ["model.dropout=0.1", "model.dropout=0.2"]),
        ("train.epochs=choice(3)", ["train.epochs=3"]),
        ("train.epochs=sort(3,1,2)", ["train.epochs=1", "train.epochs=2", "train.epochs=3"]),
        ("train.epochs=range(1,4)", ["train.epochs=1", "train.epochs=2", "train.epochs=3"]),
        ("train.epochs=range(1,2)", ["train.epochs=1"]),
        ("train.epochs=range(1,10,4)", ["train.epochs=1", "train.epochs=5", "train.epochs=9"]),
        ("train.epochs=range(1,9,4)", ["train.epochs=1", "train.epochs=5"]),
        ("train.epochs=range(9,1,-4)", ["train.epochs=9", "train.epochs=5"]),
        ("train.epochs=sort(range(1,3),reverse=true)", ["train.epochs=2", "train.epochs=1"]),
        ("train.epochs=int(range(1.0,3.0))", ["train.epochs=1", "train.epochs=2"]),
        (
            "model.dropout=range(0,0.9,0.3)",  # Hydra itself lists 0.9 too
            ["model.dropout=0.0", "model.dropout=0.3", "model.dropout=0.6"],
        ),
        ("task.temperature=range(1,3)", ["task.temperature=1", "task.temperature=2"]),
        ("model.layer_sizes=[32],[64,32]", ["model.layer_sizes=[32]", "model.layer_sizes=[64,32]"]),
        ("data.source='a b',c\\ d", ["data.source='a b'", "data.source=c\\ d"]),
        ("model.layer_norm=true,false", ["model.layer_norm=True", "model.layer_norm=False"]),
        ("train.patience_evaluations=null,2",
         ["train.patience_evaluations=null", "train.patience_evaluations=2"]),
        ("optimizer=adam,sgd", ["optimizer=adam", "optimizer=sgd"]),
        ("experiment=null,tutorial_shallow", ["experiment=null", "experiment=tutorial_shallow"]),
        ("model=glob(*_layer)", ["model=one_layer", "model=three_layer", "model=two_layer"]),
        ("model=glob(*,exclude=*_layer)", ["model=linear"]),
        ("+optimizer.options.beta_1=0.8,0.9",
         ["+optimizer.options.beta_1=0.8", "+optimizer.options.beta_1=0.9"]),
        ("++optimizer.options.name=a,'1'",
         ["++optimizer.options.name=a", "++optimizer.options.name='1'"]),
        ("data.split_seed=0,1", ["data.split_seed=0", "data.split_seed=1"]),
        ("features.embedding_dim=${model.layer_sizes[0]},8",
         ["features.embedding_dim=$\\{model.layer_sizes\\[0\\]\\}", "features.embedding_dim=8"]),
    ],
)  # fmt: skip
def test_what_each_sweep_lists(loader: ConfigLoader, text: str, overrides: list[str]) -> None:
    parameters, fixed = read(loader, text)
    searched = SearchSpace(parameters)
    assert [searched.overrides(point) for point in searched.points()] == [
        [line] for line in overrides
    ]
    assert fixed == []
    OverridesParser.create().parse_overrides(overrides)  # Hydra reads each again


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.dropout=interval(0,0.5)", Interval(0.0, 0.5)),
        ("train.epochs=interval(1,8)", Interval(1, 8, is_int=True)),
        ("train.epochs=int(interval(1,8))", Interval(1, 8, is_int=True)),
        ("task.temperature=int(interval(1,8))", Interval(1, 8, is_int=True)),
        ("task.temperature=interval(1,8)", Interval(1.0, 8.0)),
        ("+optimizer.options.power=int(interval(1,8))", Interval(1, 8, is_int=True)),
        ("+optimizer.options.power=interval(1,8)", Interval(1.0, 8.0)),
        ("optimizer.learning_rate=tag(log,interval(1e-4,1e-1))", Interval(1e-4, 0.1, None, True)),
        ("train.epochs=tag(log,int(interval(1,8)))", Interval(1, 8, None, True, True)),
        ("train.epochs=range(1,10)", Interval(1, 9, 1, is_int=True)),
        ("model.dropout=range(0,0.5,0.1)", Interval(0.0, 0.4, 0.1)),
        ("task.temperature=float(range(1,4))", Interval(1.0, 3.0, 1.0)),
        ("model.dropout=choice(0.1,0.2)", Choices((0.1, 0.2), ("0.1", "0.2"))),
    ],
)
def test_the_domain_of_each_sweep(loader: ConfigLoader, text: str, expected: Any) -> None:
    assert repr(domain(loader, text)) == repr(expected)


@pytest.mark.parametrize("values", ["shuffle(range(1,9))", "shuffle(1,2,3,4,5,6,7,8)"])
def test_a_shuffle_is_the_same_at_every_start(loader: ConfigLoader, values: str) -> None:
    first, second = (domain(loader, f"train.epochs={values}") for _ in range(2))
    assert first == second
    assert sorted(first.values()) == list(range(1, 9)) != list(first.values())


def test_what_is_not_swept_stays_fixed(loader: ConfigLoader) -> None:
    fixed = ["model=linear", "~experiment", "+optimizer.options.a='x, y'", "train.epochs=3"]
    parameters, rest = read(loader, *fixed[:2], "optimizer=adam,sgd", *fixed[2:])
    assert [parameter.name for parameter in parameters] == ["optimizer"]
    assert rest == fixed


@pytest.mark.parametrize(
    ("text", "override"),
    [
        ("model.dropout=0.1", "model.dropout=0.1"),
        ("optimizer=adam", "optimizer=adam"),
        ("model.layer_sizes=[64, 32]", "model.layer_sizes=[64,32]"),
        ("train.patience_evaluations=null", "train.patience_evaluations=null"),
        ("++optimizer.options.beta_1=0.8", "++optimizer.options.beta_1=0.8"),
        ("data.source='a b'", "data.source='a b'"),
        ("train.epochs=int(3.0)", "train.epochs=3"),
        ("experiment=null", "experiment=null"),
    ],
)
def test_one_value_of_a_searched_key_is_one_choice(
    loader: ConfigLoader, text: str, override: str
) -> None:
    key = text.strip("+").partition("=")[0]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([text, "name=here"])
    parameters, fixed = command_line_parameters(parsed, KEYS, [key])
    searched = SearchSpace(parameters)
    assert [searched.overrides(point) for point in searched.points()] == [[override]]
    assert (searched.keys, fixed) == ([key], ["name=here"])
    assert command_line_parameters(parsed, KEYS, ["train.batch_size"]) == ([], [text, "name=here"])


def test_one_config_group_narrows_what_depends_on_it(loader: ConfigLoader) -> None:
    base = space(LEARNING_RATES)
    texts = ["optimizer=adamw", "model.dropout=0.3"]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(texts)
    parameters, fixed = command_line_parameters(parsed, KEYS, base.keys)
    narrowed = base.replaced(parameters)
    assert fixed == []
    assert set(narrowed.names) == {"optimizer", "model.dropout", "adam_learning_rate"}
    assert [narrowed.overrides(values) for values in narrowed.extremes()] == [
        ["optimizer=adamw", f"optimizer.learning_rate={rate}", "model.dropout=0.3"]
        for rate in (0.0001, 0.01)
    ]


def test_a_key_that_is_taken_away_stays_fixed(loader: ConfigLoader) -> None:
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(["~experiment"])
    assert command_line_parameters(parsed, KEYS, ["experiment"]) == ([], ["~experiment"])


def test_what_is_wrong_with_one_value_of_a_searched_key(loader: ConfigLoader) -> None:
    texts = ["model.dropout=2", "optimizer=adm", "train.epochs=1", "train.epochs=2"]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(texts)
    with pytest.raises(ConfigError) as error:
        command_line_parameters(parsed, KEYS, ["model.dropout", "optimizer", "train.epochs"])
    assert error.value.problems == [
        "model.dropout: got 2; must be at least 0 and below 1",
        "optimizer: got 'adm'; must be one of adagrad, adam, adamw, sgd. Did you mean 'adam'?",
        "train.epochs: is given twice; must be given once",
    ]


@given(st.integers(-50, 50), st.integers(1, 20), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_a_range_of_floats_excludes_its_stop(start: int, step: int, length: int) -> None:
    stop = start + length
    text = f"+optimizer.options.a=range({start / 10},{stop / 10},{step / 10})"
    expected = [tenths / 10 for tenths in range(start, stop, step)]
    assert list(domain(None, text).values()) == expected


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (
            ["model.dropuot=0.1,0.2", "model.dropout=0.1,2"],
            [
                "model.dropuot: is not a key of the configuration. Did you mean 'model.dropout'?",
                "model.dropout: got 2; must be at least 0 and below 1",
            ],
        ),
        (["train.seed=1,2"], ["train.seed: can't be searched, because it is a seed; to train on "
                              "several splits, set study.split_seeds"]),
        (["study.seed=1,2"], ["study.seed: can't be searched, because study is the same for all "
                              "trials of a study"]),
        (["hydra/launcher=basic,joblib"],
         ["hydra/launcher: can't be searched, because hydra is the same for all trials of a "
          "study"]),
        (["optimizer=adam,adm"], ["optimizer: got 'adm'; must be one of adagrad, adam, adamw, sgd. "
                                  "Did you mean 'adam'?"]),
        (["model=glob(none*)"], ["model: got no value; must have at least one"]),
        (["train.epochs=range(3,1)"], ["train.epochs: got no value; must have at least one"]),
        (["train.epochs=1,2", "++train.epochs=3,4"],
         ["train.epochs: is given twice; must be given once"]),
        (["train.epochs=1,1"], ["train.epochs: got 1 twice; must be listed once"]),
        (["train.epochs=interval(1.5,3)"], ["train.epochs.low: got 1.5; must be a whole number"]),
        (["model.dropout=interval(0.5,0.1)"],
         ["model.dropout.low: got 0.5 with high 0.1; must be below high"]),
        (["model.layer_norm=interval(0,1)"],
         ["model.layer_norm: got low, high, log, but is not a number; must have choices"]),
        (["model.dropout=tag(lgo,interval(0.1,0.2))"],
         ["model.dropout: got tag lgo; must be log, for an interval"]),
        (["model.dropout=tag(log,choice(0.1,0.2))"],
         ["model.dropout: got tag log; must be log, for an interval"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_on_the_command_line(
    loader: ConfigLoader, texts: list[str], lines: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        read(loader, *texts)
    assert error.value.problems == lines


def test_no_parameter_is_read_with_optuna_or_tensorflow() -> None:
    """They take seconds to load, and a mistyped command should fail at once."""
    import subprocess
    import sys

    program = (
        "import sys, sweeper.study.space.command_line, sweeper.study.space.reader\n"
        "print(sorted({'optuna', 'tensorflow', 'tf_keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
