"""What is particular to studies in files: SQLite's and the journal's damages."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from new_studies import begun, new_study

from sweeper.common.errors import OutputError
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storage import files
from sweeper.study.storage.factory import check_place, load_study
from sweeper.study.storage.files import Journal, Sqlite, cut_torn_line
from sweeper.study.storage.markers import DATABASE, JOURNAL

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.mark.parametrize("place", ["trial.json", "0/trial.json", "trials/0003"])
def test_a_directory_with_trials_of_something_else_is_refused(tmp_path, place):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(OutputError, match=f"already holds a trial .*{path.name}"):
        check_place(tmp_path, "trial.json")


def test_a_study_may_go_on_beside_its_own_trials(tmp_path):
    new_study(tmp_path)
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    check_place(tmp_path, "trial.json")


def test_nothing_but_the_study_is_left_in_its_directory(tmp_path):
    new_study(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE]


def damage_header(path: Path) -> None:
    path.write_bytes(b"no database" + path.read_bytes()[11:])


def damage_middle(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xab" * 40_000 + content[48_192:])


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


@pytest.mark.parametrize("damage", [damage_header, damage_middle, cut_off])
def test_a_damaged_database_is_told_and_left_as_it_is(tmp_path, damage):
    new_study(tmp_path)
    damage(tmp_path / DATABASE)
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(OutputError, match=r"study\.db: is not a database of a study"):
        Sqlite(tmp_path).check()
    assert (tmp_path / DATABASE).read_bytes() == before


def test_a_database_that_another_program_keeps_locked_is_told_so(tmp_path, monkeypatch):
    new_study(tmp_path)
    monkeypatch.setattr(files, "SECONDS_TO_START", 0.2)
    monkeypatch.setattr(files, "SECONDS_TO_WAIT", 0.3)
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for look in (Sqlite(tmp_path).check, Sqlite(tmp_path).study_name, Sqlite(tmp_path).load):
            with pytest.raises(OutputError, match="has kept this database locked for 0"):
                look()
    Sqlite(tmp_path).check()


def test_an_empty_file_is_no_study(tmp_path):
    (tmp_path / DATABASE).touch()
    with pytest.raises(OutputError, match="is empty"):
        Sqlite(tmp_path).study_name()
    assert not (tmp_path / DATABASE).stat().st_size
    with pytest.raises(OutputError, match="is empty"):
        load_study(tmp_path, check=True)
    with pytest.raises(OutputError, match="holds 0 studies"):
        load_study(tmp_path)


def new_journal(directory: Path) -> Path:
    Journal(directory).make([ObjectiveConfig()], {}, "s")
    return directory / JOURNAL


@pytest.mark.parametrize("left", [1, 17])
def test_a_torn_last_line_of_a_journal_is_cut_off_before_the_next(tmp_path, left):
    path = new_journal(tmp_path)
    study = load_study(tmp_path)
    study.tell(begun(study), 1.0)
    whole = path.read_bytes()
    # A worker that was killed as it wrote; another, which has the file open, goes on.
    path.write_bytes(whole + whole.splitlines()[-1][:left])
    study.tell(begun(study), 2.0)
    assert path.read_bytes().startswith(whole)
    for line in path.read_bytes().splitlines():
        json.loads(line)
    assert [trial.value for trial in load_study(tmp_path, check=True).trials] == [1.0, 2.0]


def test_checking_a_journal_cuts_off_a_torn_line(tmp_path):
    path = new_journal(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "wor')
    Journal(tmp_path).check()
    assert path.read_bytes() == whole


def test_a_damaged_line_of_a_journal_is_told_by_its_number(tmp_path):
    path = new_journal(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{damage\n", *lines[1:]]))
    with pytest.raises(OutputError, match=r"study\.journal: line 2 is damaged"):
        load_study(tmp_path, check=True)


@pytest.mark.parametrize(
    ("content", "kept"),
    [(b"", b""), (b"a", b""), (b"a\n", b"a\n"), (b"a\nb", b"a\n"), (b"\n" + b"x" * 200_000, b"\n")],
)
def test_what_is_cut_off(tmp_path, content, kept):
    path = tmp_path / "lines"
    path.write_bytes(content)
    cut_torn_line(path)
    assert path.read_bytes() == kept
