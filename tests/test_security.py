"""What a file, an archive or an address from elsewhere can't make this project do."""

from __future__ import annotations

import ast
import os
import socket
import stat
import zipfile
from pathlib import Path

import pytest
from processes import ROOT, run_module

from sweeper.common.errors import DataError, OutputError
from sweeper.two_tower import record as records
from sweeper.two_tower.data import movielens
from sweeper.two_tower.data.movielens import MOVIELENS, find_local_files

FOLDERS = (ROOT / "sweeper", ROOT / "hydra_plugins")
SOURCES = [path for folder in FOLDERS for path in folder.rglob("*.py")]
DATA_SET = MOVIELENS["movielens_100k"]
# Calls that run what they are given, or load what may.
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load",
    "yaml.full_load", "yaml.unsafe_load", "pickle.load", "pickle.loads", "cloudpickle.load",
    "cloudpickle.loads", "marshal.loads", "joblib.load", "shelve.open", "numpy.load", "np.load",
    "archive.extractall", "archive.extract", "shutil.unpack_archive", "pyarrow.deserialize",
}  # fmt: skip
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "marshal", "shelve", "dill", "code", "pty"}


def problems_of(source: str) -> list[str]:
    """What a module does that none may."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            shell = [word for word in node.keywords if word.arg == "shell"]
            unsafe = [word for word in node.keywords if word.arg == "allow_pickle"]
            if name in FORBIDDEN or name.startswith(("subprocess.get", "os.spawn", "os.exec")):
                found.append(name)
            found += [f"{name}({word.arg}=…)" for word in [*shell, *unsafe]]
        elif isinstance(node, ast.Import):
            found += [each.name for each in node.names if each.name in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            found.append(node.module)
    return found


def test_nothing_runs_what_it_is_given():
    assert len(SOURCES) > 100
    assert {path.name: found for path in SOURCES if (found := problems_of(path.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    ["eval('1')", "import pickle", "from pickle import loads", "yaml.load(a)", "os.system('ls')",
     "subprocess.run('ls', shell=True)", "np.load(a, allow_pickle=True)", "archive.extractall()"],
)  # fmt: skip
def test_it_would_be_seen(source):
    assert problems_of(source)


# In each place where YAML or JSON of elsewhere is read.
MADE = "made_by_yaml"
TAG = f"!!python/object/apply:os.mkdir [{MADE}]\n"


@pytest.mark.parametrize(
    ("name", "content", "arguments"),
    [
        ("own.yaml", f"defaults: [config]\nname: {TAG}",
         ["--config-dir", ".", "--config-name", "own"]),
        ("model/own.yaml", f"activation: {TAG}", ["--config-dir", ".", "model=own"]),
        ("study/own.yaml", f"# @package _global_\nstudy: {TAG}",
         ["--config-dir", ".", "study=own"]),
        ("model/own.yaml", "a: *b\n", ["--config-dir", ".", "model=own"]),
        ("model/own.yaml", "\x00", ["--config-dir", ".", "model=own"]),
        ("model/own.yaml", "a: " + 3_000 * "[", ["--config-dir", ".", "model=own"]),
        ("best.yaml", f"defaults: [config, _self_]\ntrain: {TAG}",
         ["--config-dir", ".", "--config-name", "best"]),
    ],
)  # fmt: skip
def test_a_tag_in_yaml_makes_nothing(tmp_path, name, content, arguments):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    done = run_module(tmp_path, "sweeper", *arguments, "data=synthetic", timeout=60)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / MADE).exists()
    assert not (tmp_path / "outputs").exists()


def test_a_tag_in_a_record_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / records.TRIAL).write_text(TAG)
    with pytest.raises(OutputError, match="no trial can be read"):
        records.read(tmp_path)
    assert not (tmp_path / MADE).exists()


def archive_of(path: Path, *names: str, content: bytes = b"1\t1\t1\t1\n") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../u.data", "/tmp/u.data", "a/../../u.data", "c:\\u.data"])
def test_a_member_that_points_outside_is_refused(tmp_path, name):
    archive = archive_of(tmp_path / "a.zip", name, "u.item", "u.user")
    with pytest.raises(DataError, match="points outside the archive"):
        find_local_files(DATA_SET, str(archive))


def test_nothing_but_the_known_files_is_taken_out_and_no_link(tmp_path):
    archive = archive_of(tmp_path / "a.zip", "x/u.item", "x/u.user", "x/evil.py", "../evil")
    with zipfile.ZipFile(archive, "a") as opened:
        link = zipfile.ZipInfo("x/u.data")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    work = tmp_path / "work"
    work.mkdir()
    find_local_files(DATA_SET, str(archive)).folder(work)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "a.zip", "u.data", "u.item", "u.user",
    ]  # fmt: skip
    assert not (work / "u.data").is_symlink()
    assert (work / "u.data").read_text() == "/etc/passwd"


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(movielens, "MAX_BYTES", 2**20)
    archive = archive_of(tmp_path / "a.zip", *DATA_SET.files, content=bytes(2**20))
    assert archive.stat().st_size < 2**13
    with pytest.raises(DataError, match=r"would take 0\.0 GiB when extracted: it is not a copy"):
        find_local_files(DATA_SET, str(archive))


def test_a_pipe_a_socket_and_a_device_are_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        for source in ("pipe", "socket", "/dev/zero"):
            with pytest.raises(DataError, match="no such file or folder"):
                find_local_files(DATA_SET, source)


def test_secrets_of_the_environment_are_in_no_file_and_no_line(tmp_path):
    """Of a trial that goes well, and of one that fails."""
    secret = "s3cret_of_the_environment"
    names = ("WANDB_API_KEY", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY")
    small = [
        "data=synthetic", "data.synthetic.num_users=40", "data.synthetic.num_items=120",
        "data.synthetic.num_interactions=1000", "train=quick", "train.epochs=1", "train.xla=false",
        "train.eval_every_epochs=1", "optimizer=sgd",
    ]  # fmt: skip
    for name, more in (("well", []), ("badly", ["optimizer.learning_rate=1e38"])):
        done = run_module(
            tmp_path, "sweeper", *small, *more, f"hydra.run.dir={name}",
            **dict.fromkeys(names, secret),
        )  # fmt: skip
        assert (done.returncode == 0) == (name == "well"), done.stderr
        assert secret not in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"trial.json", "config.yaml", "hydra.yaml"}
    assert not [path for path in files if secret.encode() in path.read_bytes()]
