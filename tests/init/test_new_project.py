"""From two CSV files to a confirmed study, as a user goes; and with parts of the user's own."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from processes import ROOT, run_module

from sweeper import export, recommend
from sweeper.cli.composition import compose_first, composed, loader
from sweeper.common.errors import OutputError
from sweeper.init import project
from sweeper.init.__main__ import main
from sweeper.study.config import to_study
from sweeper.two_tower.config import DataConfig, flatten
from sweeper.two_tower.config.experiment import register_schema
from sweeper.two_tower.data.loading import load_interactions


@pytest.fixture
def at_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's files are, and this process works."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("SWEEPER_CACHE_DIR", str(place / "cache"))
    return place


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


def start(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code of `python -m sweeper.init`, in this process, and what it prints."""
    code = 0
    try:
        main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def run(place: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module(place, module, *arguments, SWEEPER_CACHE_DIR=str(place / "cache"))


def test_the_project_is_what_the_table_has(place: Path) -> None:
    data = (place / "my project" / "conf" / "data" / "my_project.yaml").read_text()
    for line in (
        f'path: "{place / "ratings.csv"}"',
        "# It has Customer (text), film_id (text), stars (number), time (number).",
        "  user: Customer",
        "  key: id",
        '  lists: {"genres": "|"}',
        "split: temporal",
    ):
        assert line in data
    features = (place / "my project" / "conf" / "features" / "my_project.yaml").read_text()
    assert "{column: genres, kind: embedding" in features
    assert "stars" not in features.partition("# Left out")[0]


def test_a_table_with_times_is_searched_as_sequences_with_and_without_the_users_id(
    at_place: Path,
) -> None:
    conf = Path("my project/conf")
    register_schema()
    with loader(None, conf):
        study = to_study(compose_first("config", ["study=my_project"]))
    choices = study.space["features"]["choices"]
    found = {
        name: composed(["data=my_project", f"features={name}"], conf).features for name in choices
    }
    queries = {name: [(each.column, each.kind) for each in found[name].query] for name in found}
    assert queries == {
        "my_project": [("film_id", "sequence")],
        "my_project_with_user_id": [("film_id", "sequence"), ("Customer", "embedding")],
    }
    assert set(study.space) >= {
        "features.sequence.max_length", "features.sequence.encoder", "features.embedding_dim",
        "features.sequence.share_with_candidates", "task", "task.temperature",
        "optimizer.learning_rate",
    }  # fmt: skip
    (first,) = study.enqueue
    trained = flatten(dataclasses.asdict(composed(["experiment=my_project"], conf)))
    same = {key: value for key, value in first.items() if key not in ("features", "task")}
    assert same == {key: trained[key] for key in same}
    assert (first["features"], first["task"]) == ("my_project", trained["task.name"])


def test_a_request_of_the_readme_names_the_latest_items_of_a_user(place: Path) -> None:
    rows = list(csv.DictReader((place / "ratings.csv").open()))
    liked = [row for row in rows if int(row["stars"]) >= 2]
    readme = (place / "my project" / "README.md").read_text()
    user = re.search(r"^python .* Customer=(\w+)$", readme, re.MULTILINE).group(1)
    latest = [row["film_id"] for row in liked if row["Customer"] == user][-3:]
    line = (
        f"""outputs/exports/my_project 'history={json.dumps(latest, separators=(",", ":"))}' k=10"""
    )
    assert f"python -m sweeper.recommend {line}\n" in readme


@pytest.mark.parametrize(
    ("overrides", "queries"),
    [
        # Each user's last row is of a user with training rows.
        (["data.split=leave_last_out"], {
            "shop": ["sequence", "embedding"], "shop_without_user_id": ["sequence"],
        }),
        (["data.columns.timestamp=null"], {"shop": ["embedding", "history"]}),
    ],
)  # fmt: skip
def test_the_features_go_by_the_split_and_need_times_for_a_sequence(
    tmp_path: Path, monkeypatch, capsys, overrides: list[str], queries: dict[str, list[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"u{row % 7},f{row % 11},{1_700_000_000 + row // 50}\n" for row in range(100)]
    Path("rows.csv").write_text("user,film,time\n" + "".join(rows))
    others = ["data.columns.others=[]", "data.cache_dir=cache"]
    code, _, error = start(capsys, "shop", "data.path=rows.csv", *others, *overrides)
    assert code == 0, error
    assert sorted(path.stem for path in Path("shop/conf/features").iterdir()) == sorted(queries)
    for name, kinds in queries.items():
        config = composed(["data=shop", f"features={name}"], Path("shop/conf"))
        found = [each.kind for each in config.features.query if each.column != "time"]
        assert found == kinds
    assert ("'history=[" in Path("shop/README.md").read_text()) is (len(queries) == 2)


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
    at_place: Path, capsys, folder: str, name: str
) -> None:
    code, _, error = start(capsys, folder, "data.path=ratings.csv")
    assert code == 0, error
    config = composed([f"experiment={name}"], Path(folder) / "conf")
    assert config.data.path == str(at_place / "ratings.csv")


@pytest.mark.parametrize(("name", "what"), [("loss", "study=loss"), ("table", "data=table")])
def test_a_shipped_files_name_is_refused(at_place: Path, capsys, name: str, what: str) -> None:
    code, _, error = start(capsys, name, "data.path=ratings.csv")
    assert code == 2
    assert error.startswith(f"error: directory: got '{name}', but {what} is shipped,")
    assert not (at_place / name).exists()


def test_a_file_that_a_shipped_one_would_hide_is_refused(place: Path) -> None:
    conf = place / "hidden" / "conf"
    (conf / "study").mkdir(parents=True)
    (conf / "study" / "loss.yaml").write_text("# @package _global_\nstudy: {n_trials: 3}\n")
    done = run(place, "sweeper", "--config-dir", str(conf), "study=loss")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: --config-dir: {conf}/study/loss.yaml has the name of a shipped file, which Hydra "
        "would use instead; give it another name\n"
    )


@pytest.mark.parametrize("command", [main, export.main, recommend.main])
def test_only_the_directory_is_required(capsys, command) -> None:
    with pytest.raises(SystemExit):
        command([])
    assert capsys.readouterr().err.endswith(("required: directory\n", "required: DIRECTORY\n"))


def test_nothing_is_written_over(at_place: Path, capsys) -> None:
    code, _, error = start(capsys, "my project", "data.path=ratings.csv")
    assert code == 2
    lines = error.splitlines()
    assert "conf/data/my_project.yaml: exists already; use another folder" in lines[0]
    assert len(lines) == len(project.FILES)


@pytest.mark.slow
def test_all_commands_of_its_readme_run(place: Path) -> None:
    """As they are written; the study is a smaller one."""
    text = (place / "my project" / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line, comments=True) for line in "".join(blocks).splitlines()]
    commands = [each for each in commands if each]
    assert [each[2] for each in commands] == [
        "sweeper.inspect", "sweeper", "sweeper", "sweeper", "sweeper.export", "sweeper.recommend",
        "sweeper.recommend", "pip", "pytest",
    ]  # fmt: skip
    smaller = ["study.n_trials=3", "train.epochs=6", "study.workers=2", "study.confirm.best=1"]
    smaller += ["study.confirm.train_seeds=2"]
    for python, flag, module, *arguments in commands:
        assert (python, flag) == ("python", "-m")
        if module == "pip":
            assert arguments == ["install", "pytest>=8"]
            continue
        arguments += smaller if "study=my_project" in arguments else []
        done = run(place, module, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    outputs = place / "outputs"
    assert (outputs / "my_project" / "report.html").exists()
    # The first trial is what the experiment trains; two seeds at three cuts confirm the best.
    trained = json.loads((outputs / "my_project" / "trials" / "0000" / "trial.json").read_text())
    config = composed(["experiment=my_project"], place / "my project" / "conf")
    assert trained["config"]["task"]["name"] == config.task.name
    assert trained["config"]["optimizer"]["learning_rate"] == config.optimizer.learning_rate
    assert trained["config"]["features"]["embedding_dim"] == config.features.embedding_dim
    assert trained["config"]["model"]["layer_sizes"] == config.model.layer_sizes
    confirmed = outputs / "my_project" / "confirmation" / "trials"
    assert len(list(confirmed.iterdir())) == 2 * 3


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "index", "row_id"])
def test_a_row_number_is_left_out_and_said_and_the_project_composes(
    tmp_path: Path, monkeypatch, capsys, index: str
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{row},u{row % 7},f{row % 11},{1_700_000_000 + 60 * row}" for row in range(100)]
    Path("rows.csv").write_text("\n".join([f"{index},user,film,time", *lines]))
    Path("films.csv").write_text(
        f"{index},film,year\n" + "".join(f"{n},f{n},{1990 + n % 5}\n" for n in range(11))
    )
    paths = ["data.path=rows.csv", "data.items.path=films.csv", "data.cache_dir=cache"]
    code, out, error = start(capsys, "mine", *paths)
    assert code == 0, error
    config = composed(["experiment=mine"], Path("mine/conf"))
    used = [each.column for each in [*config.features.query, *config.features.candidate]]
    assert used == ["film", "film", "year", "year"]
    name = index or "the column without a name"
    assert f"data     {name}: whole numbers, 0 to 99" in out
    assert f"features left out: {name}, the row's number, which tells nothing of the row." in out
    assert f"items: {name}: is left out: the rows of both tables are numbered so" in out


def test_a_column_of_two_tables_is_taken_from_the_items(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [
        f"u{row % 7},f{row % 11},Film {row % 11},{row // 2 % 2},{1_700_000_000 + 60 * row}\n"
        for row in range(100)
    ]
    Path("rows.csv").write_text("user,film_id,title,mobile,time\n" + "".join(lines))
    Path("films.csv").write_text(
        "film_id,title\n" + "".join(f"f{n},Film {n % 10}\n" for n in range(11))
    )
    paths = ["data.path=rows.csv", "data.items.path=films.csv", "data.cache_dir=cache"]
    code, out, error = start(capsys, "mine", *paths)
    assert code == 0, error
    assert "title is taken from data.items.path, which also has it" in out
    assert composed(["data=mine"], Path("mine/conf")).data.columns.others == ["mobile"]


def test_a_table_of_odd_names_quotes_and_zoned_times_becomes_a_project(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("orders.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["User ID", "Code", "Ordered At", "Channel, device"])
        for row in range(300):
            time = f"2024-{1 + row // 28 % 12:02}-{1 + row % 28:02}T18:30:00+02:00"
            writer.writerow([f"u{row % 7}", 100 + row % 30, time, ("web", "shop; 1")[row // 2 % 2]])
    with Path("things.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Nr.", "Group"])
        writer.writerows([100 + item, f'"{item % 3}", the; best'] for item in range(30))
    code, out, error = start(
        capsys, "shop", "data.path=orders.csv", "data.items.path=things.csv", "data.cache_dir=c",
        "data.columns.item=Code",
    )  # fmt: skip
    assert code == 0, error
    assert "user User ID, item Code, timestamp Ordered At, rating none, weight none" in out
    assert (
        "metric   top_5 (30 items: the largest k that is at most a fifth of the catalogue)" in out
    )
    config = composed(["experiment=shop"], Path("shop/conf"))
    assert (config.data.items.key, config.data.split) == ("Nr.", "temporal")
    assert config.evaluation.metric == "top_5"
    assert [(each.column, each.kind) for each in config.features.query] == [
        ("Code", "sequence"), ("Channel, device", "embedding"),
    ]  # fmt: skip
    study = composed(["study=shop"], Path("shop/conf"), check=None)
    assert study.data == config.data
    interactions = load_interactions(config.data)
    assert (len(interactions), interactions.num_items) == (300, 30)
    readme = Path("shop/README.md").read_text()
    assert "python -m sweeper.recommend outputs/exports/shop 'User ID=u0'" in readme


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
        (["data.path=ratings.csv", "data.csv.delimiter=''"], "data.csv.delimiter: got ''; must be"),
        (["data.path="], "data.path: got ''; must be given, not empty"),
        (["data.path=ratings.csv", "data.pth=x"], "data.pth: is not a key of the configuration"),
        (["data.path=ratings.csv", "data.columns.user=custmer"], "Did you mean 'Customer'?"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(
    at_place: Path, capsys, arguments, words: str
) -> None:
    code, _, error = start(capsys, "wrong", *arguments)
    assert code == 2
    assert words in error
    assert not (at_place / "wrong").exists()


def test_all_that_is_wrong_with_keys_and_columns_is_told_at_once(at_place: Path, capsys) -> None:
    (at_place / "odd.csv").write_text("a,b,score\n1,2,3\n")
    code, _, error = start(
        capsys, "loss", "data.path=odd.csv", "model=one_layer", "data.items.path=none.csv",
        "data.test_size=0", "data.columns.timestamp=c",
    )  # fmt: skip
    assert code == 2
    told = [line.removeprefix("error: ").partition(":")[0] for line in error.splitlines()]
    assert sorted(told) == [
        "data.columns.item", "data.columns.timestamp", "data.columns.user", "data.items.path",
        "data.test_size", "directory", "model=one_layer",
    ]  # fmt: skip


def test_all_that_is_wrong_with_values_is_told_at_once(at_place: Path, capsys) -> None:
    (at_place / "odd.csv").write_text(
        "user,item,time,rating,age\nu,a,soon,1,\n,b,later,x,5\nv,c,2024-05-31,3,7\n"
        "w,a,2024-05-31,3,8\nw,b,2024-05-31,3,8\n"
    )
    (at_place / "few.csv").write_text("item,year\na,1990\nb,1991\n")
    code, _, error = start(capsys, "wrong", "data.path=odd.csv", "data.items.path=few.csv")
    assert code == 2
    lines = error.splitlines()
    for words in (
        "the column 'time', row 1: got 'soon'",
        "the column 'user' has 1 missing values, the first in row 2",
        "1 items of 1 rows are not in data.items.path, such as 'c'",
        "the column 'age' has 1 missing numbers, the first in row 1",
    ):
        assert [words in line for line in lines].count(True) == 1, words
    assert len(lines) == 4
    assert "It was taken for the timestamp; data.columns.timestamp=null leaves it out" in error
    assert not (at_place / "wrong").exists()
    (at_place / "few.csv").write_text("item,year\na,1990\nb,\n")
    _, _, error = start(capsys, "wrong", "data.path=odd.csv", "data.items.path=few.csv")
    assert "data.items.path (few.csv): the column 'year' has 1 missing numbers" in error


def changed(value: Any) -> Any:
    """A value of the same type that no default is."""
    if isinstance(value, dict):
        return {"a ${b}": "|"}
    if isinstance(value, list):
        return ["a ${b}", "c: d"]
    return value + 7 if isinstance(value, int | float) else "e ${data.path} # f"


LIKE = {
    "columns.others": [], "csv.column_names": [], "train_size": 1.0, "validation_size": 1.0,
    "test_size": 1.0, "filter.min_rating": 1.0,
}  # fmt: skip
LIKE |= {f"{role}.csv.column_names": [] for role in ("items", "users")}
# What `data=table` has no use for, or sets itself.
ELSEWHERE = ("name", "source", "synthetic.")


def test_every_key_that_data_has_is_in_the_projects_data(tmp_path: Path) -> None:
    """Whatever its value; so that none that is given is lost."""
    data = DataConfig()
    keys = [key for key in flatten(dataclasses.asdict(data)) if not key.startswith(ELSEWHERE)]
    assert {"csv.delimiter", "items.lists", "filter.missing_values"} <= set(keys)
    for key in keys:
        *parts, last = key.split(".")
        node = reduce(getattr, parts, data)
        setattr(node, last, changed(LIKE.get(key, getattr(node, last))))
    values = {
        "name": "every", "folder": "every", "data": data, "is_placeholder": False, "user": "u",
        "comments": {"data": "", "items": "", "users": ""}, "features": None,
        "task": "full_softmax", "metric": None, "variant": None,
    }  # fmt: skip
    project.write_files(project.project_files(tmp_path, values))
    got = composed(["data=every"], tmp_path / "conf", check=None).data
    for key in keys:
        *parts, last = key.split(".")
        wanted, found = (getattr(reduce(getattr, parts, node), last) for node in (data, got))
        if key.endswith("path") or key == "cache_dir":
            wanted = str(Path(wanted).resolve())
        assert found == wanted, key


def test_files_are_written_all_or_none(tmp_path: Path, monkeypatch) -> None:
    def write(path: Path, content: bytes) -> None:
        if path.name == "b":
            raise OutputError("no room")
        path.write_bytes(content)

    monkeypatch.setattr(project, "atomic_write", write)
    files = {tmp_path / "one" / "a": "1", tmp_path / "two" / "b": "2"}
    with pytest.raises(OutputError, match="no room"):
        project.write_files(files)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    (tmp_path / "three").touch()
    with pytest.raises(OutputError, match="directory"):
        project.write_files({tmp_path / "one" / "a": "1", tmp_path / "three" / "c": "3"})
    assert not (tmp_path / "one" / "a").exists()


def test_the_form_of_the_times_is_in_the_projects_data(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWEEPER_CACHE_DIR", str(tmp_path / "cache"))
    rows = "".join(f"u{n % 5},f{n % 7},{1 + n % 28:02d}.05.2024 18:30\n" for n in range(60))
    (tmp_path / "sales.csv").write_text("user,item,date\n" + rows)
    main(["shop", "data.path=sales.csv", "data.timestamp_format='%d.%m.%Y %H:%M'"])
    assert "date: string: when (dates of the form %d.%m.%Y %H:%M" in capsys.readouterr().out
    data = yaml.safe_load((tmp_path / "shop" / "conf" / "data" / "shop.yaml").read_text())
    assert (data["timestamp_format"], data["split"]) == ("%d.%m.%Y %H:%M", "temporal")
