"""A contract of every storage of a study, with real files and a real PostgreSQL server."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from new_studies import IDENTITY
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from processes import ROOT, killed_at_the_end

from sweeper.common.errors import OutputError
from sweeper.study import attributes
from sweeper.study.config import STORAGES, ObjectiveConfig, StorageConfig
from sweeper.study.storage.factory import configured_storage, load_study, storage_in
from sweeper.study.storage.files import Sqlite
from sweeper.study.storage.markers import MARKERS, holds_study
from sweeper.study.storage.storage import StudyStorage, locked

LOSSES = [ObjectiveConfig("top_100"), ObjectiveConfig("num_parameters", "minimize")]
OWN = (attributes.ID, attributes.PLACE)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@dataclass
class Place:
    """Where studies of one kind can be made."""

    config: StorageConfig
    root: Path

    def storage(self, name: str = "s") -> StudyStorage:
        (self.root / name).mkdir(parents=True, exist_ok=True)
        return configured_storage(self.root / name, self.config, name)

    def made(self, name: str = "s") -> optuna.Study:
        storage = self.storage(name)
        storage.make(LOSSES[:1], IDENTITY, name)
        return storage.load()


@pytest.fixture(params=STORAGES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("server").url()
    return Place(StorageConfig(request.param, url, retry_seconds=5), tmp_path)


def test_a_new_study_has_all_that_it_was_given(place):
    storage = place.storage()
    assert not storage.exists()
    storage.make(LOSSES, IDENTITY, "s")
    assert storage.exists()
    storage.check()
    study = storage.load()
    assert study.study_name == storage.study_name() == "s"
    assert study.metric_names == ["top_100", "num_parameters"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    stored = {key: value for key, value in study.user_attrs.items() if key not in OWN}
    assert stored == IDENTITY


def test_its_directory_tells_where_it_is(place):
    assert storage_in(place.root / "s") is None
    place.made().set_user_attr("found", True)
    found = storage_in(place.root / "s")
    assert found is not None
    assert found.kind == place.config.name
    assert load_study(place.root / "s", check=True).user_attrs["found"]
    assert holds_study(place.root / "s")


@pytest.mark.parametrize("name", ["with a space", "50% #1?x=1&y;'\"", "ünïcode"])
def test_any_directory_and_name_will_do(place, name):
    place.made(name)
    assert load_study(place.root / name).study_name == name


def test_a_study_whose_making_was_cut_short_is_made_anew(place, monkeypatch):
    def cut_short(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(optuna.Study, "set_user_attr", cut_short)
    with pytest.raises(KeyboardInterrupt):
        place.made()
    assert not place.storage().exists()
    monkeypatch.undo()
    study = place.made()
    assert study.user_attrs[attributes.SPACE] == IDENTITY[attributes.SPACE]
    assert optuna.get_all_study_names(study._storage) == ["s"]


def test_one_worker_at_a_time_has_its_turn(place):
    study = place.made()
    locks = [place.storage().lock(place.storage().load()) for _ in range(2)]
    process = subprocess.Popen(
        [sys.executable, "-c", TAKES_A_TURN, str(place.root / "s"), place.config.name,
         str(place.config.url)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with killed_at_the_end(process):
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        with locked(locks[0]):
            assert study.user_attrs["turn"] == "over"
        with locked(locks[1]):
            pass
        assert locks[1].release()  # It isn't held, which does no harm.
        process.wait(10)


TAKES_A_TURN = """
import sys, time
from pathlib import Path
from sweeper.study.config import StorageConfig
from sweeper.study.storage.factory import configured_storage
from sweeper.study.storage.storage import locked
storage = configured_storage(Path(sys.argv[1]), StorageConfig(sys.argv[2], sys.argv[3]), "s")
study = storage.load()
with locked(storage.lock(study)):
    print("has it", flush=True)
    time.sleep(1)
    study.set_user_attr("turn", "over")
"""


def test_a_turn_ends_with_its_process(place):
    place.made()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKES_A_TURN.replace("sleep(1)", "sleep(60)"),
         str(place.root / "s"), place.config.name, str(place.config.url)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with killed_at_the_end(process):
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
    with locked(place.storage().lock(place.storage().load())):
        pass


WRITER = """
import sys
from pathlib import Path
from sweeper.study.storage.factory import load_study
study = load_study(Path(sys.argv[1]))
for number in range(10):
    trial = study.ask()
    trial.set_user_attr("writer", sys.argv[2])
    study.tell(trial, trial.suggest_float("x", 0, 1))
"""


@pytest.mark.slow
def test_several_processes_may_write_at_once(place):
    study = place.made()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place.root / "s"), str(writer)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for writer in range(3)
    ]
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(killed_at_the_end(writer))
        for writer in writers:
            _, printed = writer.communicate(timeout=120)
            assert writer.returncode == 0, printed
    trials = study.get_trials()
    assert [trial.number for trial in trials] == list(range(30))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    written = sorted(trial.user_attrs["writer"] for trial in trials)
    assert written == ["0"] * 10 + ["1"] * 10 + ["2"] * 10


def test_a_directory_without_a_study(tmp_path):
    with pytest.raises(OutputError, match=f"holds no study .{MARKERS[0]}"):
        load_study(tmp_path)


@pytest.mark.parametrize("included", [set(), {2}, {1, 2, 3, 4, 5}])
@pytest.mark.parametrize("after", [-1, 0, 2, 5, 99])
def test_what_is_read_anew_is_what_optuna_reads(tmp_path, included, after):
    """Some running, some ended, with all that a trial can have; of another study, none."""
    Sqlite(tmp_path).make(LOSSES, IDENTITY, "s")
    study = load_study(tmp_path)
    for number in range(5):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("y", [None, "a", 2])
        trial.set_user_attr("list", [number, {"a": None}])
        if number in (1, 3):
            study.tell(trial, [1.0, float("inf")])
    study.enqueue_trial({"x": 0.5})
    other = optuna.create_study(storage=study._storage)
    other.ask()
    storage = Sqlite(tmp_path).open("study.db")
    arguments = (study._study_id, None, included, after)
    theirs = RDBStorage._get_trials(storage, *arguments)
    assert storage._get_trials(*arguments) == theirs
    assert [trial._trial_id for trial in theirs] == sorted(
        {each for each in included if each <= after}
        | {each for each in range(1, 7) if each > after}
    )
