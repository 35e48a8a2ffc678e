"""Python paths in YAML: found, loaded, and refused in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_trials import compose_config, small_config

from sweeper.common.errors import ConfigError
from sweeper.common.plugins import is_path, load, make, path_problem
from sweeper.two_tower.config import (
    EvaluationConfig,
    FeatureConfig,
    FeaturesConfig,
    ModelConfig,
    TaskConfig,
)
from sweeper.two_tower.model.features import CustomFeature
from sweeper.two_tower.validation import validate


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_parts.py").write_text(
        "from sweeper.two_tower.model.features import CustomFeature\n"
        "class Good(CustomFeature):\n"
        "    def __init__(self, name, column, rows, dim, base=10):\n"
        "        self.name, self.dim, self.base = name, dim, base\n"
        "    def encode(self, column): return column\n"
        "    def layer(self): return None\n"
        "class Half(CustomFeature):\n"
        "    def encode(self, column): return column\n"
        "def function(): pass\n"
    )
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("my_parts", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my_parts:Good", ""),
        ("my_parts", "must have the form package.module:Name"),
        ("my parts:Good", "must have the form package.module:Name"),
        ("my_parts:Good()", "must have the form package.module:Name"),
        ("nowhere:Good", "there is no module 'nowhere'; must be in the current directory"),
        ("broken.inner:Good", "the package of 'broken.inner' can't be loaded: ModuleNotFound"),
    ],
)
def test_a_path_is_looked_up_before_it_is_loaded(name: str, words: str) -> None:
    assert path_problem(name).startswith(words) if words else path_problem(name) == ""
    assert "my_parts" not in sys.modules


def test_what_a_path_names_is_made_with_its_options() -> None:
    made = make(".kind", "my_parts:Good", CustomFeature, "n", None, None, 3, base=2)
    assert (made.name, made.dim, made.base) == ("n", 3, 2)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("my_parts:Goood", {}, "my_parts.py has no 'Goood'. Did you mean 'Good'?"),
        ("broken:Good", {}, "'broken' can't be loaded: ModuleNotFoundError: No module named 'no_s"),
        (
            "my_parts:function",
            {},
            "which is not a class of sweeper.two_tower.model.features.CustomFeature",
        ),
        ("my_parts:Half", {}, "which it doesn't accept: "),
        ("my_parts:Good", {"bse": 2}, "with the options {'bse': 2}, which it doesn't accept: "),
    ],
)
def test_what_a_path_names_is_refused(name: str, options, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        make("task.name", name, CustomFeature, "n", None, None, 3, **options)
    assert str(told.value).startswith(f"task.name: got {name!r}")
    assert words in str(told.value)
    assert is_path(name)


def test_a_function_is_loaded_as_it_is() -> None:
    assert load("evaluation.baselines", "my_parts:function").__name__ == "function"


def test_validation_names_every_path_and_option_that_is_wrong() -> None:
    config = small_config(
        features=FeaturesConfig(
            4,
            [
                FeatureConfig("user_id", "nowhere:A"),
                FeatureConfig("user_id", "my_parts:Good", dim=2),
            ],
            [FeatureConfig("movie_title", "embedding", options={"a": 1})],
        ),
        model=ModelConfig(layer_sizes=[4], tower="nowhere:B", tower_options={"b": 1}),
        task=TaskConfig("in_batch_softmax", options={"c": 1}),
        evaluation=EvaluationConfig(baselines=["popularity", "nowhere:d"]),
    )
    with pytest.raises(ConfigError) as told:
        validate(config)
    starts = [problem.partition(";")[0].partition(" with")[0] for problem in told.value.problems]
    assert sorted(starts) == [
        "evaluation.baselines: got 'nowhere:d'",
        "features.candidate[0].options: got {'a': 1}",
        "features.query[0].kind: got 'nowhere:A'",
        "model.tower: got 'nowhere:B'",
        "task.options: got {'c': 1}",
    ]


def test_a_path_passes_the_command_line() -> None:
    config = compose_config(
        "model.tower=my_parts:Good", "+model.tower_options.depth=2", "task.name=my_parts:Good"
    )
    assert config.model.tower_options == {"depth": 2}
    validate(config)


def test_a_module_without_a_file_is_named_all_the_same() -> None:
    with pytest.raises(ConfigError, match=r"time has no 'Hour'"):
        load("features.query[0].kind", "time:Hour")
