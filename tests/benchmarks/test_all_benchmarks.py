"""`python -m benchmarks`: one after the other, and the page of what they printed."""

from __future__ import annotations

import importlib
import io
import sys

import pytest
from rich.console import Console

import benchmarks.__main__ as every

CHILD = """
import json, pathlib, sys
figures = pathlib.Path(sys.argv[sys.argv.index("--json") + 1])
print("1/1 measured")
print()
print("A table [of figures]")
print("      with a row")
print("output   " + str(figures))
if {writes}:
    figures.write_text(json.dumps({{"ratios": [["ours / theirs", "2.0 x"]]}}))
sys.exit({code})
"""


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Makes `benchmarks.trial` a program that prints, and ends as it is told to."""

    def make(writes: bool, code: int) -> None:
        (tmp_path / "benchmarks").mkdir()
        # Else the real package, wherever it lies, comes first.
        (tmp_path / "benchmarks" / "__init__.py").touch()
        (tmp_path / "benchmarks" / "trial.py").write_text(CHILD.format(writes=writes, code=code))
        monkeypatch.setattr(every, "ROOT", tmp_path)

    return make


@pytest.mark.parametrize("code", [0, 1])
def test_what_was_printed_after_the_progress_is_kept(made_up, tmp_path, code) -> None:
    made_up(writes=True, code=code)
    shown = io.StringIO()
    ended = every.run("trial", tmp_path, Console(file=shown))
    assert ended.printed == "A table [of figures]\n      with a row"
    assert ended.ratios == [("ours / theirs", "2.0 x")]
    assert ended.exit_code == code
    assert "1/1 measured" in shown.getvalue()


def test_one_that_fails_leaves_the_others_their_figures(made_up, tmp_path) -> None:
    made_up(writes=False, code=3)
    ended = every.run("trial", tmp_path, Console(file=io.StringIO()))
    assert (ended.ratios, ended.exit_code) == ([], 3)
    assert ended.printed.startswith("1/1 measured")
    assert "| `benchmarks.trial` |  | failed: 3 |" in every.page([ended], "two cores; today")


def test_the_page_has_each_ratio_and_table() -> None:
    ended = [
        every.Ended("trial", "A table\n  of it", [("ours / theirs", "2.0 x")], 0),
        every.Ended("scale", "Another", [("a / b", "3 x"), ("c / d", "4 x")], 1),
    ]
    lines = every.page(ended, "two cores; today").splitlines()
    assert lines[2] == (
        "After this page you know how fast sweeper is, compared with what, and how it was "
        "measured. `python -m benchmarks` printed these tables in one go: two cores; today."
    )
    assert lines[4:9] == [
        "| benchmark | against | measured |",
        "|---|---|---|",
        "| `benchmarks.trial` | ours / theirs | 2.0 x |",
        "| `benchmarks.scale` | a / b | 3 x |",
        "| `benchmarks.scale` | c / d | 4 x |",
    ]
    assert lines[10:18] == [
        "## One trial beside plain TensorFlow Recommenders", "", "`python -m benchmarks.trial`", "",
        "```text", "A table", "  of it", "```",
    ]  # fmt: skip


@pytest.mark.parametrize("name", every.BENCHMARKS)
def test_each_takes_a_file_for_its_figures(name: str, monkeypatch, capsys) -> None:
    benchmark = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [f"benchmarks.{name}", "--help"])
    with pytest.raises(SystemExit, match="0"):
        benchmark.main()
    assert "--json" in capsys.readouterr().out
