"""Hints of errors: the closest key, and the --config-dir that has a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.cli.command_line import prepare
from sweeper.cli.composition import composed
from sweeper.common.errors import ConfigError, closest_key
from sweeper.two_tower.config import known_keys
from sweeper.two_tower.config.experiment import ExperimentConfig, register_schema

KNOWN = [*known_keys(ExperimentConfig), "experiment"]


def section_of(key: str) -> str:
    return key.rpartition(".")[0]


@pytest.mark.parametrize("key", KNOWN)
def test_a_key_with_one_letter_changed_is_answered_from_its_own_section(key: str) -> None:
    for place in range(len(key)):
        wrong = f"{key[:place]}x{key[place + 1 :]}"
        if key[place] == "." or wrong in KNOWN:
            continue
        hint = closest_key(wrong, KNOWN)
        hinted = hint.removeprefix(". Did you mean '").removesuffix("'?")
        assert hinted in KNOWN, (wrong, hint)
        assert section_of(hinted) == section_of(key), (wrong, hint)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("train.epoch", ". Did you mean 'train.epochs'?"),
        ("trian.epochs", ". Did you mean 'train.epochs'?"),
        ("trian.epoch", ". Did you mean 'train.epochs'?"),
        ("data.column.user", ". Did you mean 'data.columns.user'?"),
        # The same name elsewhere goes before one that looks alike.
        ("learning_rate", ". Did you mean 'optimizer.learning_rate'?"),
        ("train.learning_rate", ". Did you mean 'optimizer.learning_rate'?"),
        ("n_trials", ". Did you mean 'study.n_trials'?"),
        ("csv.delimiter", ". Did you mean 'data.csv.delimiter', 'data.items.csv.delimiter' or "
         "'data.users.csv.delimiter'?"),
        ("seed", ". Did you mean 'data.synthetic.seed', 'train.seed' or 'study.seed'?"),
        # Of so many sections none is the likeliest.
        ("train.name", ""),
        ("nothing.like.it", ""),
    ],
)  # fmt: skip
def test_what_a_wrong_key_is_answered_with(wrong: str, hint: str) -> None:
    assert closest_key(wrong, KNOWN) == hint


def problems_of(*arguments: str) -> list[str]:
    register_schema()
    with pytest.raises(ConfigError) as caught:
        prepare(list(arguments))
    return caught.value.problems


def test_the_command_line_hints_within_the_section_and_the_group() -> None:
    lines = problems_of("train.epoch=3", "model=lineer", "+optimizer.learning_rat=1")
    hints = [line.partition("Did you mean ")[2] for line in lines]
    assert hints == ["'train.epochs'?", "'linear'?", "'optimizer.learning_rate'?"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    conf = tmp_path / "my films" / "conf"
    for group in ("data", "experiment", "study"):
        (conf / group).mkdir(parents=True)
        (conf / group / "my_films.yaml").write_text("")
    (tmp_path / "outputs" / "shop").mkdir(parents=True)
    (tmp_path / "outputs" / "shop" / "best.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("group", ["study", "experiment", "data"])
def test_a_choice_of_a_project_hints_at_its_config_dir(project: Path, group: str) -> None:
    (line,) = problems_of(f"{group}=my_films")
    assert line.startswith(f"{group}: got 'my_films'; must be one of ")
    assert line.endswith(
        f". my films/conf/{group}/my_films.yaml exists: give --config-dir 'my films/conf'"
    )


@pytest.mark.parametrize(
    ("inside", "given"), [("my films", "conf"), ("my films/conf", "."), (".", "'my films/conf'")]
)
def test_the_hint_is_as_it_must_be_typed_there(
    project: Path, monkeypatch, inside: str, given: str
) -> None:
    monkeypatch.chdir(project / inside)
    with pytest.raises(ConfigError, match=f"give --config-dir {given}$"):
        composed(["data=my_films"])


def test_a_config_name_hints_at_the_study_that_has_it(project: Path) -> None:
    (line,) = problems_of("--config-name", "best", "evaluation.score_test=true")
    assert line == (
        "--config-name: got 'best', but there is no best.yaml in the directories of the "
        "configuration. outputs/shop/best.yaml exists: give --config-dir outputs/shop"
    )


@pytest.mark.parametrize("name", ["nowhere", "*", "../my_films", "a" * 300, "'\0'", ""])
def test_what_is_nowhere_has_no_such_hint(project: Path, name: str) -> None:
    assert not any("--config-dir" in line for line in problems_of(f"study={name}"))
