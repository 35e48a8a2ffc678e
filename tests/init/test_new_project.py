"""From two CSV files to a confirmed study, as a user goes; and with parts of the user's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from sweeper.errors import OutputError
from sweeper.init import project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with a user's two files, and a project made of them."""
    place = tmp_path_factory.mktemp("a user's")
    rng = np.random.default_rng(0)
    taste, kind = rng.integers(0, 3, 60), rng.integers(0, 3, 40)
    lines = []
    for row in range(2_500):
        user = rng.integers(60)
        liked = np.flatnonzero(kind == taste[user])
        film = rng.choice(liked) if rng.random() < 0.8 else rng.integers(40)
        lines.append(f"u{user},f{film},{rng.integers(1, 6)},{1_700_000_000 + 3_600 * row}")
    (place / "ratings.csv").write_text("Customer,film_id,stars,time\n" + "\n".join(lines) + "\n")
    films = [
        f'f{film},"Film {film}, part {kind[film]} of many",{1990 + film},genre{kind[film]}|all'
        for film in range(40)
    ]
    (place / "films.csv").write_text("id,title,year,genres\n" + "\n".join(films) + "\n")
    done = run(
        place, "sweeper.init", "my project", "data.path=ratings.csv", "data.items.path=films.csv",
        "data.filter.min_rating=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "user Customer, item film_id, timestamp time, rating stars, weight none" in done.stdout
    return place


def run(place: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SWEEPER_CACHE_DIR": str(place / "cache")}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


def test_the_project_is_what_the_table_has(place: Path) -> None:
    data = (place / "my project" / "conf" / "data" / "my_project.yaml").read_text()
    for line in (
        f'path: "{place / "ratings.csv"}"',
        "# It has Customer (text), film_id (text), stars (number), time (number).",
        '  user: "Customer"',
        '  key: "id"',
        '  lists: {"genres": "|"}',
        "split: temporal",
    ):
        assert line in data
    features = (place / "my project" / "conf" / "features" / "my_project.yaml").read_text()
    assert "{column: genres, kind: embedding" in features
    assert "stars" not in features.partition("# Left out")[0]


def test_it_can_be_looked_at_and_trained(place: Path) -> None:
    conf = ["--config-dir", "my project/conf"]
    done = run(place, "sweeper.inspect", *conf, "data=my_project")
    assert done.returncode == 0, done.stderr
    assert "rated below 2" in done.stdout
    done = run(place, "sweeper", *conf, "experiment=my_project", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    record = json.loads((place / "run" / "trial.json").read_text())
    metrics = record["metrics"]["test"]["seen_filtered_top_10"]
    assert metrics > record["baselines"]["popularity"]["test"]["seen_filtered_top_10"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [("2024", "my_2024"), ("null", "my_null"), ("données", "donn_es"), ("日本", "mine")],
)
def test_a_folder_of_any_name_makes_a_project_that_hydra_takes(
    place: Path, folder: str, name: str
) -> None:
    done = run(place, "sweeper.init", folder, "data.path=ratings.csv")
    assert done.returncode == 0, done.stderr
    conf = ["--config-dir", f"{folder}/conf"]
    done = run(place, "sweeper", *conf, f"experiment={name}", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert f"path: {place / 'ratings.csv'}" in done.stdout


@pytest.mark.parametrize(("name", "what"), [("loss", "study=loss"), ("table", "data=table")])
def test_a_shipped_files_name_is_refused(place: Path, name: str, what: str) -> None:
    done = run(place, "sweeper.init", name, "data.path=ratings.csv")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: directory: got '{name}', and there is a shipped {what},")
    assert not (place / name).exists()


def test_a_file_that_a_shipped_one_would_hide_is_refused(place: Path) -> None:
    conf = place / "hidden" / "conf"
    (conf / "study").mkdir(parents=True)
    (conf / "study" / "loss.yaml").write_text("# @package _global_\nstudy: {n_trials: 3}\n")
    done = run(place, "sweeper", "--config-dir", str(conf), "study=loss")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: --config-dir: {conf}/study/loss.yaml has the name of a shipped file, which Hydra "
        "would take in its place; must have another name\n"
    )


def test_nothing_is_written_over(place: Path) -> None:
    done = run(place, "sweeper.init", "my project", "data.path=ratings.csv")
    assert done.returncode == 2
    assert "conf/data/my_project.yaml: is there already; must be another folder" in done.stderr


@pytest.mark.slow
def test_a_study_is_confirmed_and_its_best_runs_again(place: Path) -> None:
    conf = ["--config-dir", "my project/conf"]
    done = run(
        place, "sweeper", *conf, "study=my_project", "study.n_trials=3", "train.epochs=6",
        "study.workers=2", "study.confirm.train_seeds=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    study = place / "outputs" / "my_project"
    assert (study / "report.html").exists()
    assert "confirm" in done.stdout
    best = ["--config-dir", "outputs/my_project", "--config-name", "best"]
    done = run(place, "sweeper", *best, "hydra.run.dir=best")
    assert done.returncode == 0, done.stderr


def test_own_parts_train_and_stand_beside_the_others(place: Path) -> None:
    """Also from a folder that isn't the project's; the modules lie beside its conf/."""
    done = run(
        place, "sweeper", "--config-dir", "my project/conf", "experiment=my_project",
        "model.tower=plugins:Residual", "+model.tower_options.depth=1",
        "task.name=plugins:Margin", "+task.options.margin=0.5", "train.xla=false",
        "evaluation.baselines=[popularity,'plugins:recent']", "train.epochs=2",
        "features.query=[{column: Customer, kind: embedding}, "
        "{column: time, kind: 'plugins:Hour', dim: 4}]",
        "train.eval_every_epochs=1", "hydra.run.dir=own",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((place / "own" / "trial.json").read_text())
    assert set(record["baselines"]) == {"popularity", "plugins:recent"}
    assert record["config"]["task"]["options"] == {"margin": 0.5}
    assert "time_Hour" in done.stdout


@pytest.mark.slow
def test_own_parts_run_in_the_workers_of_a_study(place: Path) -> None:
    done = run(
        place, "sweeper", "--config-dir", "my project/conf", "-m", "experiment=my_project",
        "model.tower=dense,plugins:Residual", "train.epochs=2", "train.eval_every_epochs=1",
        "study.name=towers", "study.workers=2", "study.report=false",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 complete, 0 pruned, 0 failed of 2" in done.stdout


def test_the_projects_own_tests_pass(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(
        command, cwd=place / "my project", env=environment, capture_output=True, text=True
    )
    assert "4 passed" in done.stdout, done.stdout


def test_without_a_table_there_is_a_place_for_it(place: Path) -> None:
    done = run(place, "sweeper.init", "later")
    assert done.returncode == 0, done.stderr
    data = place / "later" / "conf" / "data" / "later.yaml"
    assert "# <- your file" in data.read_text()
    (place / "later.csv").write_text("user_id,item_id\n" + "u,a\nv,b\nw,a\nu,b\n" * 10)
    data.write_text(data.read_text().replace('"ratings.csv"', f'"{place / "later.csv"}"'))
    done = run(
        place, "sweeper", "--config-dir", "later/conf", "experiment=later", "train.epochs=3",
        "hydra.run.dir=later_run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data.path=none.csv"], "data.path: got 'none.csv', where there is no file or folder"),
        (["data.path=films.csv"], "data.columns.user: no column looks like users; must be given"),
        (["model=one_layer"], "model=one_layer: must have the form data.KEY=VALUE"),
        (["data.columns.user=u"], "data.path: is missing; must be given with the other keys"),
        (["data.path=ratings.csv", "data.format=excel"], "data.format: got 'excel'; must be one"),
        (
            ["data.path=ratings.csv", "data.csv.quote_char=ab"],
            "quote_char: got 'ab'; must be auto,",
        ),
        (["data.path="], "data.path: got ''; must be given, not empty"),
        (["data.path=ratings.csv", "data.pth=x"], "data.pth: is no key of the configuration"),
        (["data.path=ratings.csv", "data.columns.user=custmer"], "Did you mean 'Customer'?"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(place: Path, arguments, words: str) -> None:
    done = run(place, "sweeper.init", "wrong", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert words in done.stderr
    assert not (place / "wrong").exists()


def test_every_key_that_is_given_is_in_the_projects_data(place: Path) -> None:
    given = {
        "timestamp_unit": "seconds", "split": "random", "split_seed": "3", "train_size": "0.7",
        "validation_size": "0.1", "test_size": "300", "csv.delimiter": "','", "format": "csv",
        "csv.quote_char": "null",
        "columns.weight": "stars", "columns.rating": "null", "columns.others": "[]",
        "cache_dir": "own cache", "filter.min_user_interactions": "2",
    }  # fmt: skip
    overrides = [f"data.{key}={value}" for key, value in given.items()]
    done = run(place, "sweeper.init", "all keys", "data.path=ratings.csv", *overrides)
    assert done.returncode == 0, done.stderr
    shown = run(
        place, "sweeper", "--config-dir", "all keys/conf", "data=all_keys", "--cfg", "job",
        "--package", "data",
    )  # fmt: skip
    data = OmegaConf.create(shown.stdout)
    assert OmegaConf.select(data, "cache_dir") == str(place / "own cache")
    for key, value in given.items():
        if key != "cache_dir":
            assert OmegaConf.select(data, key) == OmegaConf.create(f"a: {value}").a, key


def test_files_are_written_all_or_none(tmp_path: Path, monkeypatch) -> None:
    def write(path: Path, content: bytes) -> None:
        if path.name == "b":
            raise OutputError("no room")
        path.write_bytes(content)

    monkeypatch.setattr(project, "write_whole", write)
    files = {tmp_path / "one" / "a": "1", tmp_path / "two" / "b": "2"}
    with pytest.raises(OutputError, match="no room"):
        project.write_files(files)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    (tmp_path / "three").touch()
    with pytest.raises(OutputError, match="directory"):
        project.write_files({tmp_path / "one" / "a": "1", tmp_path / "three" / "c": "3"})
    assert not (tmp_path / "one" / "a").exists()
