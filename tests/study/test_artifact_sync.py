"""Trials that run where the study's directory can't be seen come back by the database."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import optuna
import pytest
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import TrialState
from toy_runs import NO_REPORT, TOY, check_whole, environment, leaderboard

from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig, StorageConfig
from sweeper.study.execution.artifact_sync import (
    ARCHIVE,
    download,
    is_shared,
    store_of,
    upload,
    write_marker,
)
from sweeper.study.storage.files import Sqlite
from sweeper.study.storage.postgresql import Postgresql

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def study(tmp_path, server) -> optuna.Study:
    (tmp_path / "here").mkdir()
    storage = Postgresql(tmp_path / "here", StorageConfig("postgresql", server.url()), "s")
    storage.make([ObjectiveConfig()], {}, "s")
    return storage.load()


def far_trial(study: optuna.Study, place: Path) -> optuna.Trial:
    trial = study.ask()
    trial.set_user_attr(attributes.DIRECTORY, f"trials/{trial.number:04d}")
    files = place / "trials" / f"{trial.number:04d}"
    (files / "split_seed_1").mkdir(parents=True)
    (files / "trial.json").write_text(f"{{{trial.number}}}")
    (files / "split_seed_1" / "history.csv").write_bytes(bytes(range(256)))
    return trial


def test_a_directory_arrives_as_it_was(tmp_path, study):
    here, there = tmp_path / "here", tmp_path / "there"
    trials = [far_trial(study, there) for _ in range(2)]
    for trial in trials:
        upload(study, trial, there / "trials" / f"{trial.number:04d}")
    assert not list(there.glob("trials/*"))
    study.tell(trials[0], 1.0)
    # The other still runs: whoever sent it may send more.
    assert download(study, here) == []
    assert [path.name for path in (here / "trials").iterdir()] == ["0000"]
    study.tell(trials[1], state=TrialState.FAIL)
    assert download(study, here) == download(study, here) == []
    for number in range(2):
        place = here / "trials" / f"{number:04d}"
        assert (place / "trial.json").read_text() == f"{{{number}}}"
        assert (place / "split_seed_1" / "history.csv").read_bytes() == bytes(range(256))
    assert sorted(path.name for path in (here / "trials").iterdir()) == ["0000", "0001"]
    store = store_of(study)
    assert store is not None
    assert not store.identifiers()


def test_what_is_there_already_stays(tmp_path, study):
    here, there = tmp_path / "here", tmp_path / "there"
    trial = far_trial(study, there)
    upload(study, trial, there / "trials" / "0000")
    study.tell(trial, 1.0)
    (here / "trials" / "0000").mkdir(parents=True)
    (here / "trials" / "0000" / "trial.json").write_text("mine")
    download(study, here)
    assert (here / "trials" / "0000" / "trial.json").read_text() == "mine"


def member(name: str, **properties: object) -> tuple[tarfile.TarInfo, bytes]:
    content = b"evil"
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in properties.items():
        setattr(info, key, value)
    return info, content


@pytest.mark.parametrize(
    "evil",
    [
        member("../../evil"),
        member("/tmp/sweeper_evil"),
        member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0),
        member("device", type=tarfile.CHRTYPE, size=0),
    ],
    ids=lambda each: each[0].name,
)
def test_an_archive_that_leads_elsewhere_is_refused(tmp_path, study, evil):
    trial = study.ask()
    trial.set_user_attr(attributes.DIRECTORY, "trials/0000")
    archive = tmp_path / ARCHIVE
    with tarfile.open(archive, "w:gz") as packed:
        packed.addfile(evil[0], io.BytesIO(evil[1][: evil[0].size]))
    store = store_of(study)
    assert store is not None
    optuna.artifacts.upload_artifact(
        artifact_store=store, file_path=str(archive), study_or_trial=trial
    )
    study.tell(trial, 1.0)
    here = tmp_path / "here"
    if evil[0].name.startswith("/"):
        # The filter takes an absolute name for one within.
        download(study, here)
        assert (here / "trials" / "0000" / "tmp" / "sweeper_evil").read_bytes() == b"evil"
    else:
        (line,) = download(study, here)
        assert line.startswith("the files of trial 0 can't be unpacked: ")
        assert not list((here / "trials").iterdir())
    assert not Path("/tmp/sweeper_evil").exists()
    assert not (here / "evil").exists()


def test_a_directory_without_files_arrives_empty(tmp_path, study):
    trial = study.ask()
    place = tmp_path / "there" / "trials" / "0000"
    place.mkdir(parents=True)
    upload(study, trial, place)
    study.tell(trial, state=TrialState.FAIL)
    assert download(study, tmp_path / "here") == []
    assert list((tmp_path / "here" / "trials" / "0000").iterdir()) == []


def test_a_damaged_archive_is_told(tmp_path, study):
    trial = far_trial(study, tmp_path)
    store = store_of(study)
    assert store is not None
    (tmp_path / ARCHIVE).write_bytes(b"no archive")
    optuna.artifacts.upload_artifact(
        artifact_store=store, file_path=str(tmp_path / ARCHIVE), study_or_trial=trial
    )
    study.tell(trial, 1.0)
    after = far_trial(study, tmp_path / "there")
    upload(study, after, tmp_path / "there" / "trials" / "0001")
    study.tell(after, 1.0)
    for _ in range(2):
        (line,) = download(study, tmp_path / "here")
        assert line.startswith("the files of trial 0 can't be unpacked: ")
    # The others' come, whatever one's are.
    assert (tmp_path / "here" / "trials" / "0001" / "trial.json").exists()


def test_a_place_that_the_database_names_is_not_gone_by(tmp_path, study):
    trial = far_trial(study, tmp_path / "there")
    upload(study, trial, tmp_path / "there" / "trials" / "0000")
    trial.set_user_attr(attributes.DIRECTORY, "../outside")
    study.tell(trial, 1.0)
    assert download(study, tmp_path / "here") == []
    assert not (tmp_path / "outside").exists()
    assert (tmp_path / "here" / "trials" / "0000" / "trial.json").exists()


def test_links_arrive_as_what_they_lead_to(tmp_path, study):
    trial = far_trial(study, tmp_path / "there")
    files = tmp_path / "there" / "trials" / "0000"
    (tmp_path / "big").write_text("elsewhere")
    (files / "link").symlink_to(tmp_path / "big")
    (files / "nowhere").symlink_to(tmp_path / "nothing")
    upload(study, trial, files)
    study.tell(trial, 1.0)
    assert download(study, tmp_path / "here") == []
    here = tmp_path / "here" / "trials" / "0000"
    assert (here / "link").read_text() == "elsewhere"
    assert not (here / "link").is_symlink()
    assert not (here / "nowhere").exists()


def test_files_that_cannot_be_sent_are_told(tmp_path, study):
    trial = study.ask()
    trial.set_user_attr(attributes.UPLOAD_ERROR, "OSError: No space left on device")
    study.tell(trial, 1.0)
    (line,) = download(study, tmp_path / "here")
    assert line == "the files of trial 0 couldn't be uploaded: OSError: No space left on device"


def test_the_store_keeps_optunas_contract(study):
    store = store_of(study)
    assert store is not None
    store.write("a", io.BytesIO(b"\0content"))
    assert store.open_reader("a").read() == b"\0content"
    assert store.identifiers() == {"a"}
    store.remove("a")
    with pytest.raises(ArtifactNotFound):
        store.open_reader("a")


def test_a_study_in_a_file_has_no_far_trials(tmp_path):
    storage = Sqlite(tmp_path)
    storage.make([ObjectiveConfig()], {}, "s")
    assert store_of(storage.load()) is None
    assert download(storage.load(), tmp_path) == []


def test_a_directory_is_known_by_its_token(tmp_path):
    token = write_marker(tmp_path)
    assert is_shared(tmp_path, token)
    assert not is_shared(tmp_path, "another")
    assert not is_shared(tmp_path / "elsewhere", token)


# The toy's command line, in a process whose workers can't see the study's directory.
FAR = f"""
import runpy, sys
from sweeper.study.execution import worker
worker.is_shared = lambda *_: False
sys.argv[0] = {str(TOY)!r}
runpy.run_path({str(TOY)!r}, run_name="__main__")
"""


def far_run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FAR, "-m", "optimizer.learning_rate=0.01,0.02,0.03",
         "hydra/launcher=basic", "hydra.sweep.dir=study", NO_REPORT, *arguments],
        cwd=directory, env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_study_of_far_workers_leaves_what_a_near_one_does(tmp_path, server):
    done = far_run(tmp_path, "storage=postgresql", f"storage.url={server.url()}")
    assert done.returncode == 0, done.stdout + done.stderr
    study = tmp_path / "study"
    check_whole(study, 3)
    assert len(leaderboard(study)) == 3
    for number in range(3):
        place = study / "trials" / f"{number:04d}"
        assert (place / "ended.txt").exists()
        assert (place / ".hydra" / "config.yaml").exists()


def test_far_workers_of_a_study_in_a_file_say_what_it_needs(tmp_path):
    done = far_run(tmp_path, "hydra.sweeper.max_relaunches=0")
    assert done.returncode == 2
    assert "can't be seen from" in done.stdout + done.stderr
    assert "use storage=postgresql instead of 'sqlite'" in done.stdout + done.stderr
