"""Every command of the README and of docs/ works: it composes, and a small form of it runs.

The small form is the same command with less of everything: made-up data, two epochs, two
trials. The commands of a page run in order, in one folder, as a reader would type them.
"""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import PAGES, ROOT, Command, commands, mentioned, shown_by_help
from processes import run_module

from benchmarks.postgresql_server import free_port
from sweeper.cli.command_line import prepare
from sweeper.serving.versions import list_versions
from sweeper.two_tower.config.experiment import register_schema

# What a test can't type as it stands, and where what it stands for is run.
ELSEWHERE = {
    r"(python3|python) -m (venv|pip) |pip install |\. \.venv/bin/activate$": ".ci/run",
    r"python -m pytest( -n 2)?( -m slow)?$|ruff |mypy|lint-imports": ".ci/run",
    r"export |ray start|python -m sweeper …": "tests/cluster/test_far_ray.py",
    r".*hydra/launcher=ray .*storage=postgresql": "tests/cluster/test_far_ray.py",
    r".*hydra/launcher=ray ": "tests/cluster/test_ray.py",
    r".*hydra/launcher=submitit_slurm": "tests/cluster/test_slurm.py",
    r"createdb |.*storage=postgresql": "tests/study/test_postgresql.py",
    r"docker run|curl ": "tests/serving/test_request.py",
    r".*sweeper\.recommend .*'Customer No=": "tests/serving/test_column_names.py",
}
ALL = [command for page in PAGES for command in commands(page)]
HERE = [command for command in ALL if not any(re.match(key, command.text) for key in ELSEWHERE)]
# What a page takes for granted.
BEFORE = {
    "evidence.md": ["python -m sweeper study=architecture", "python -m sweeper study=loss"],
    "exporting.md": ["python -m sweeper hydra.run.dir=outputs/shop"],
}


def of_trials(listed: list[Command]) -> list[Command]:
    """Those that compose a configuration of the shipped files."""
    return [
        command
        for command in listed
        if command.words[2:3] == ["sweeper"] and "--config-dir" not in command.words
    ]


def test_what_runs_elsewhere_is_there() -> None:
    for where in ELSEWHERE.values():
        assert (ROOT / where).is_file()
    for key in ELSEWHERE:
        assert any(re.match(key, command.text) for command in ALL), key


@pytest.mark.parametrize(
    "command",
    of_trials([*ALL, *(each for page in PAGES for each in mentioned(page)), *shown_by_help()]),
    ids=str,
)
def test_a_command_composes(command: Command, tmp_path: Path, monkeypatch) -> None:
    if "…" in command.text:
        pytest.skip("something is to be filled in")
    monkeypatch.chdir(tmp_path)
    register_schema()
    prepare(command.words[3:])


def test_every_command_is_quoted_for_any_shell() -> None:
    """zsh takes brackets without quotes for names of files, and no shell expands `KEY=~/`."""
    texts = [*(command for command in ALL if command.words[0] == "python"), *shown_by_help()]
    texts += [command for page in PAGES for command in mentioned(page)]
    assert len(texts) > 60
    for command in texts:
        bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", command.text)
        assert not re.search(r"[\[\](){}*?;<>|&~]", bare), str(command)


@pytest.mark.parametrize(
    "module",
    sorted(
        {
            command.words[2]
            for page in PAGES
            for command in mentioned(page)
            if command.words[2] != "sweeper"
        }
    ),
)
def test_a_command_that_is_mentioned_is_there(module: str) -> None:
    place = ROOT / module.replace(".", "/")
    assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()


def small(command: Command, place: Path) -> list[str]:
    """The command's words, with less of everything."""
    words = command.words
    if words[2] == "sweeper.export" and "index=approximate" in words:
        return [*words[:-1], "recall=0.2"]  # Of 500 made-up titles nothing is saved with more.
    if words[2] == "sweeper.recommend":
        newest = str(list_versions(place / words[3])[-1])
        table = pq.read_table(place / words[3] / newest / "candidates.parquet")
        items = table["movie_title" if "movie_title" in table.column_names else "film_id"]
        there = {
            "similar": f"similar={items[0].as_py()}",
            "history": f"history={json.dumps(items[:2].to_pylist())}",
            "customer": "customer=c1",
        }
        return [there.get(word.partition("=")[0], word) for word in words]
    if words[2] == "sweeper.inspect" and "--config-dir" not in words:
        return [*words, "data=synthetic"]
    if words[2] != "sweeper" or "best" in words:
        return words
    given = {word.partition("=")[0] for word in words}
    less = ["train.epochs=2", "train.eval_every_epochs=1"]
    if "--config-dir" not in words:
        less.append("data=synthetic")
    if "study" in given or "-m" in words[3:]:
        less += ["study.n_trials=2", "study.workers=1", "study.reference=null"]
        less += ["study.confirm.train_seeds=1", "study.confirm.split_seeds=0"]
    return [*words, *(word for word in less if word.partition("=")[0] not in given)]


def sessions() -> Iterator[tuple[str, list[Command]]]:
    """For each page what is typed, in order."""
    for page in dict.fromkeys(command.page for command in HERE):
        before = [Command(page, 0, text) for text in BEFORE.get(page, [])]
        yield page, [*before, *(command for command in HERE if command.page == page)]


def write_tables(place: Path) -> None:
    """What a user has: `ratings.csv`, `films.csv` and a newer catalogue, as the pages have them."""
    draw = random.Random(0)
    with (place / "ratings.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["customer", "film_id", "stars", "time"])
        for row in range(3_000):
            film = f"f{int(30 * draw.random() ** 2)}"
            rows.writerow([f"c{draw.randrange(60)}", film, draw.randint(1, 5), 1.7e9 + 3_600 * row])
    with (place / "films.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "title", "year", "genres"])
        rows.writerows([f"f{film}", f"Film {film}", 1_990 + film, "a|b"] for film in range(30))
    newer = [
        {"movie_title": f"Film {film}", "movie_genres": ["Horror"], "movie_id": f"n{film}"}
        for film in range(30)
    ]
    pq.write_table(pa.Table.from_pylist(newer), place / "newer_films.parquet")


def check_dashboard(words: list[str], place: Path) -> None:
    """Starts it and asks it for the studies that it shows."""
    port = free_port()
    program = Path(sys.executable).with_name(words[0])
    process = subprocess.Popen([program, *words[1:], "--port", str(port)], cwd=place)
    try:
        url, end = f"http://127.0.0.1:{port}/api/studies", time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    (study,) = json.load(answer)["study_summaries"]
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.2)
        assert study["study_name"] == "architecture"
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "listed"), [pytest.param(*each, id=each[0]) for each in sessions()]
)
def test_the_commands_of_a_page_run(page: str, listed: list[Command], tmp_path: Path) -> None:
    write_tables(tmp_path)
    for command in listed:
        if command.words[0] == "optuna-dashboard":
            check_dashboard(command.words, tmp_path)
            continue
        python, flag, module, *arguments = small(command, tmp_path)
        assert (python, flag) == ("python", "-m"), str(command)
        done = run_module(tmp_path, module, *arguments, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
