"""`python -m sweeper.report`: what it writes, prints and ends with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from made_up_studies import StudyMaker, made_up_record, nothing

from sweeper.report.__main__ import main
from sweeper.two_tower import record as records


def lines_of(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_both_files_go_into_the_study_and_are_named_last(tmp_path, capsys):
    StudyMaker(tmp_path).trial([0.4])
    main([str(tmp_path)])
    assert lines_of(capsys)[-1] == f"report   {tmp_path}/report.html, {tmp_path}/report.md"
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "report.md").read_text().startswith("# made_up\n")
    # A report of what there is now takes the place of an earlier one.
    main([str(tmp_path)])


def test_the_output_may_go_elsewhere(tmp_path, capsys):
    records.write(tmp_path / "run", made_up_record([0.4]))
    main([str(tmp_path / "run"), "--output", str(tmp_path / "new" / "page.html")])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["page.html", "page.md"]
    assert not (tmp_path / "run" / "report.html").exists()
    assert "new/page.md" in lines_of(capsys)[-1]


def test_a_comparison_leaves_the_report_of_each_as_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        StudyMaker(tmp_path / name, name).trial([0.4], write=nothing)
    main(["a"])
    own = {path: path.read_bytes() for path in Path("a").glob("report.*")}
    main(["a", "b"])
    assert lines_of(capsys)[-1] == "report   a/comparison.html, a/comparison.md"
    assert {path: path.read_bytes() for path in own} == own


@pytest.mark.parametrize(
    "arguments",
    [
        ["a", "b", "--output", "a/report.html"],
        ["b", "--output", "a/report.html"],
        ["a", "b", "--output", "run/../run/report.html"],
    ],
)
def test_the_place_of_a_studys_own_report_is_for_no_other(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        StudyMaker(tmp_path / name, name).trial([0.4], write=nothing)
    records.write(tmp_path / "run", made_up_record([0.4]))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    given = Path(arguments[-1])
    error = f"--output: got {given}, the place of the report on {given.parent} alone; must be"
    assert error in capsys.readouterr().err
    assert not list(tmp_path.glob("*/report.*"))
    main(["a", "--output", "a/report.html"])


def test_a_problem_is_printed_and_the_rest_reported(tmp_path, capsys):
    maker = StudyMaker(tmp_path)
    maker.trial([0.4])
    (maker.trial([0.3]) / "trial.json").unlink()
    main([str(tmp_path), str(tmp_path / "nowhere")])
    problems = [line for line in lines_of(capsys) if line.startswith("problem")]
    assert len(problems) == 2
    assert "nowhere: is not a directory" in problems[0]
    assert "trials/0001/trial.json: is missing" in problems[1]
    page = (tmp_path / "comparison.html").read_text()
    assert "<h2>Problems</h2>" in page
    assert "nowhere: is not a directory; must be the directory of a study or a run" in page
    assert "> - **Problem:**" in (tmp_path / "comparison.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["nowhere"],
            ["error: nowhere: is not a directory; must be the directory of a study or a run"],
        ),
        (["a", "b"], ["error: a: is not a directory", "error: b: is not a directory"]),
        (["nowhere", "--output", "page.md"], ["--output: got page.md; must end in .html"]),
    ],
)
def test_with_nothing_to_show_it_ends_with_2(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == len(words)
    assert all(word in error for word, error in zip(words, errors, strict=True))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path, capsys):
    StudyMaker(tmp_path / "study").trial([0.4], write=nothing)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "study"), "--output", str(tmp_path / "file" / "page.html")])
    assert ended.value.code == 2
    assert "give --output FILE where it can be" in capsys.readouterr().err


def test_help_teaches_by_examples(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "python -m sweeper.report outputs/architecture" in text
    assert max(map(len, text.splitlines())) <= 100


def test_neither_report_nor_package_imports_tensorflow(tmp_path):
    StudyMaker(tmp_path).trial([0.4])
    code = (
        "import sys, sweeper\n"
        "assert 'optuna' not in sys.modules and 'plotly' not in sys.modules\n"
        "study = sweeper.load_study(sys.argv[1])\n"
        "study.figures()\n"
        "from sweeper.report.__main__ import main\n"
        "main([sys.argv[1]])\n"
        "print('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    assert done.stderr == ""


@pytest.mark.parametrize("there", ["page.md", "page.html"])
def test_a_file_that_is_of_no_report_is_not_written_over(tmp_path, capsys, there):
    StudyMaker(tmp_path).trial([0.4])
    (tmp_path / there).write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "--output", str(tmp_path / "page.html")])
    assert ended.value.code == 2
    assert f"{tmp_path / there} exists, which no report has written" in capsys.readouterr().err
    assert (tmp_path / there).read_text() == "mine"
    (tmp_path / there).unlink()
    for _ in range(2):  # Over an earlier report it goes.
        main([str(tmp_path), "--output", str(tmp_path / "page.html")])


def test_a_directory_that_is_given_twice_is_refused(tmp_path, monkeypatch, capsys):
    StudyMaker(tmp_path / "a").trial([0.4])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["a", "a/"])
    assert "error: a: is given twice; must be given once" in capsys.readouterr().err
