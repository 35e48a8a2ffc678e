"""Whatever has become of a study's files: they are read, or an error says which one is damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from bounds import bounded, told
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_up_studies import StudyMaker, made_up_record
from nasty import OFTEN, damages, mutated

from sweeper.common.errors import OutputError
from sweeper.report.__main__ import main
from sweeper.two_tower import record as records
from sweeper.two_tower.trial.summary import summarize

RANKS = {
    name: [3, 200, 0, 5, 7]
    for name in (
        "user", "item", "user_rows", "item_rows", "model_rank", "model_seen_filtered_rank",
        "popularity_rank", "popularity_seen_filtered_rank",
    )
}  # fmt: skip


def trial_record() -> dict[str, Any]:
    return made_up_record([0.3, 0.4], overrides=["evaluation.save_ranks=true"])


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Three trials with ranks, one of them of several splits."""
    directory = tmp_path_factory.mktemp("fuzzed") / "study"
    maker = StudyMaker(directory)
    for number in range(3):
        place = maker.trial(
            [0.3, 0.35 + number / 100], params={"model": "one_layer"}, record=trial_record()
        )
        pyarrow.parquet.write_table(pyarrow.table(RANKS), place / records.ROWS["validation"])
    return directory


def reported(study: Path, directory: Path, change: Callable[[Path], None]) -> str:
    """What a user of `python -m sweeper.report` is told of a changed copy; "" where it is drawn."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(study, directory)
    change(directory)
    return told(lambda: main([str(directory)]), seconds=60)


def check_record(directory: Path, content: bytes) -> None:
    directory.mkdir(exist_ok=True)
    (directory / records.TRIAL).write_bytes(content)
    with bounded(10), suppress(OutputError):
        record = records.read(directory)
        with suppress(KeyError):
            record.value("top_100")
        summarize(directory)


WHOLE = json.loads(
    json.dumps({**vars(trial_record()), "format_version": records.FORMAT_VERSION}, default=str)
)
WHOLE.pop("history")


@settings(max_examples=150, **OFTEN)
@given(mutated(WHOLE))
@example([])
@example({**WHOLE, "metrics": {"validation": 1}})
@example({**WHOLE, "config": {}})
@example({**WHOLE, "config": {**WHOLE["config"], "data": {}}})
@example({**WHOLE, "repeats": [{}]})
def test_a_record_of_other_contents(tmp_path, tree):
    check_record(tmp_path / "trial", json.dumps(tree, default=str).encode(errors="replace"))


@settings(max_examples=100, **OFTEN)
@given(damages())
@example(lambda content: b"[" * 100_000)
@example(lambda content: b"9" * 10_000)
def test_a_record_of_other_bytes(tmp_path, damage):
    check_record(tmp_path / "trial", damage(json.dumps(WHOLE).encode()))


FILES = [
    "study.db", "trials/0001/trial.json", "trials/0001/history.csv",
    "trials/0002/validation_rows.parquet",
]  # fmt: skip


def check_files(study: Path, directory: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    def change(place: Path) -> None:
        (place / name).write_bytes(damage((place / name).read_bytes()))

    told_of = reported(study, directory, change)
    assert not told_of or str(directory) in told_of


@settings(max_examples=12, **OFTEN)
@given(st.sampled_from(FILES), damages())
@example(FILES[2], lambda content: b"epoch,loss\n" + b"1," * 200_000)
@example(FILES[2], lambda content: content.replace(b"epoch", b"epohc"))
@example(FILES[3], lambda content: b"PAR1" + content[4:-8] + b"\xff\xff\xff\x7fPAR1")
def test_a_report_of_damaged_files(tmp_path, study, name, damage):
    check_files(study, tmp_path / "study", name, damage)


def check_trees(study: Path, directory: Path, tree: Any) -> None:
    def change(place: Path) -> None:
        text = json.dumps(tree, default=str)
        (place / FILES[1]).write_text(text, errors="replace")

    reported(study, directory, change)


@settings(max_examples=12, **OFTEN)
@given(mutated(WHOLE))
@example({**WHOLE, "config": {"evaluation": {"split": "validation"}}})
@example({**WHOLE, "repeats": [{}]})
@example({**WHOLE, "repeats": [{"split_seed": 1, "directory": "\0", "metrics": {}}]})
@example({**WHOLE, "metrics": {"validation": {}}})
@example({**WHOLE, "machine": {}, "data": {}})
@example({**WHOLE, "seconds": {"total": 1e308, "train": 1e308}})
@example({**WHOLE, "metrics": {"validation": {"top_100": float("nan")}}})
def test_a_report_of_records_of_other_contents(tmp_path, study, tree):
    check_trees(study, tmp_path / "study", tree)


@pytest.mark.slow
@settings(max_examples=30, **OFTEN)
@given(st.sampled_from(FILES), damages())
def test_a_report_of_any_damaged_files(tmp_path, study, name, damage):
    check_files(study, tmp_path / "study", name, damage)


@pytest.mark.slow
@settings(max_examples=30, **OFTEN)
@given(mutated(WHOLE))
def test_a_report_of_any_records(tmp_path, study, tree):
    check_trees(study, tmp_path / "study", tree)
