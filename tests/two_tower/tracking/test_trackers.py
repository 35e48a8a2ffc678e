"""What a tracker hears of a trial, and that none of them changes or ends one."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT
from rich.console import Console
from small_trials import small_config

from sweeper.common.errors import TrialPruned
from sweeper.common.passwords import without_password
from sweeper.two_tower import record as records
from sweeper.two_tower.config import METRICS, TrainConfig
from sweeper.two_tower.tracking import trackers
from sweeper.two_tower.tracking.metrics import parameters
from sweeper.two_tower.tracking.tracker import STANDALONE, Origin, Place, Tracker
from sweeper.two_tower.trial.repeats import run_repeats
from sweeper.two_tower.trial.trial import run_trial

CONFIG = small_config(train=TrainConfig(3, 256, 1, xla=False))
GONE = "no route to http://me:secret@somewhere/api\nand more"


class Told(Tracker):
    """Notes what it is told; raises in the calls that `fails` names."""

    product = "Told"

    def __init__(self, place: Place, *fails: str) -> None:
        super().__init__(place)
        self.fails, self.calls = fails, []

    def begin(self, record) -> str:
        self._note("begin", record.state)
        return "nowhere"

    def log(self, epoch, values) -> None:
        self._note("log", epoch)
        self.values = dict(values)

    def end(self, record) -> None:
        written = json.loads((self.place.directory / records.TRIAL).read_text())
        self._note("end", record.state, written["state"])

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        if call[0] in self.fails:
            raise ConnectionError(GONE)


@pytest.fixture
def told(monkeypatch):
    """Turns on trackers that fail in the given calls; returns those that were made."""
    made: list[Told] = []

    def turn_on(*fails: str) -> list[Told]:
        def chosen(_, place: Place):
            made.append(Told(place, *fails))
            yield made[-1]

        monkeypatch.setattr(trackers, "make_trackers", chosen)
        return made

    return turn_on


@pytest.fixture(scope="module")
def untracked(tmp_path_factory) -> records.TrialRecord:
    return run_trial(CONFIG, tmp_path_factory.mktemp("untracked"), console=Console(quiet=True))


def run(directory: Path, report=lambda epoch, metrics: None) -> tuple[records.TrialRecord, str]:
    shown = io.StringIO()
    record = run_trial(CONFIG, directory, report, Console(file=shown, width=110), draw=False)
    return record, shown.getvalue()


def check_the_same(record: records.TrialRecord, other: records.TrialRecord) -> None:
    """To the last bit."""
    assert record.state == other.state == "completed"
    assert (record.metrics, record.best_epoch) == (other.metrics, other.best_epoch)
    values = [
        [{**row, "train_seconds": 0, "evaluate_seconds": 0, "examples_per_second": 0} for row in h]
        for h in (record.history, other.history)
    ]
    assert values[0] == values[1]


def test_it_hears_of_each_evaluation_and_of_the_end_after_the_record(tmp_path, told, untracked):
    made = told()
    record, shown = run(tmp_path)
    assert made[0].calls == [
        ("begin", "running"), ("log", 1), ("log", 2), ("log", 3), ("end", "completed", "completed"),
    ]  # fmt: skip
    last = record.history[-1]
    assert made[0].values["loss"] == last["loss"]
    assert made[0].values["validation/top_100"] == last["top_100"]
    assert made[0].values["validation_seen_filtered/top_5"] == last["seen_filtered_top_5"]
    assert made[0].values["validation_rank_aware/ndcg_10"] == last["ndcg_10"]
    filtered = made[0].values["validation_seen_filtered_rank_aware/mrr"]
    assert filtered == last["seen_filtered_mrr"]
    assert len(made[0].values) == 1 + len(METRICS)
    assert "tracking Told: nowhere" in shown
    assert record.untracked == {}
    check_the_same(record, untracked)


@pytest.mark.parametrize(
    ("fails", "calls"),
    [
        (["begin"], ["begin", "end"]),
        # Told of no other evaluation, but of the end: no run is left open.
        (["log"], ["begin", "log", "end"]),
        (["end"], ["begin", "log", "log", "log", "end"]),
        (["begin", "log", "end"], ["begin", "end"]),
    ],
)
def test_one_that_fails_is_told_once_and_the_trial_goes_on(tmp_path, told, untracked, fails, calls):
    made = told(*fails)
    record, shown = run(tmp_path)
    assert [name for name, *_ in made[0].calls] == calls
    reason = "ConnectionError: no route to http://somewhere/api"
    assert record.untracked == {"Told": reason}
    assert records.read(tmp_path) == record
    assert shown.count(reason) == 1
    assert "secret" not in shown + (tmp_path / records.TRIAL).read_text()
    check_the_same(record, untracked)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TrialPruned("after step 2"), "pruned"),
        (KeyboardInterrupt(), "interrupted"),
        (RuntimeError("no storage"), "failed"),
    ],
)
def test_it_hears_how_a_trial_ends(tmp_path, told, error, state):
    def report(epoch, metrics) -> None:
        if epoch == 2:
            raise error

    made = told()
    with pytest.raises(type(error)):
        run(tmp_path, report)
    assert made[0].calls[-2:] == [("log", 2), ("end", state, state)]


def test_it_hears_of_the_end_where_the_record_cannot_be_written(tmp_path, told, monkeypatch):
    made = told()

    def full(directory, record):
        raise records.OutputError("no room")

    monkeypatch.setattr(records, "close", full)
    with pytest.raises(records.OutputError, match="no room"):
        run(tmp_path)
    assert made[0].calls[-1] == ("end", "completed", "running")


@pytest.mark.parametrize("mode", ["lockstep", "sequential"])
def test_each_repeat_is_a_run_below_its_trial(tmp_path, told, mode):
    made = told("log")
    shown = io.StringIO()
    record = run_repeats(
        CONFIG, [3, 5], mode, tmp_path / "0007", console=Console(file=shown, width=110),
        draw=False, origin=Origin("towers", 7),
    )  # fmt: skip
    assert [tracker.place.name for tracker in made] == ["0007/split_seed_3", "0007/split_seed_5"]
    assert [tracker.place.origin.tags() for tracker in made] == [
        {"study": "towers", "trial": 7, "split_seed": seed} for seed in (3, 5)
    ]
    assert {tracker.place.trial_directory for tracker in made} == {tmp_path / "0007"}
    # The summary says which are not whole; a repeat's own record does too.
    assert list(record.untracked) == ["Told, split_seed 3", "Told, split_seed 5"]
    assert records.read(tmp_path / "0007" / "split_seed_3").untracked.keys() == {"Told"}
    # Side by side they have no console of their own.
    assert shown.getvalue().count("ConnectionError") == 2


def test_a_run_by_itself_has_its_directory_as_name(tmp_path):
    assert Place(tmp_path / "2026-11-24", STANDALONE).name == "2026-11-24"
    assert STANDALONE.tags() == {}


def test_a_configuration_as_single_values():
    flat = parameters({"a": {"b": 1, "c": [1, "x"]}, "d": None, "e": True, "f": {}, "g": "h"})
    assert flat == {"a.b": 1, "a.c": '[1, "x"]', "d": "null", "e": True, "f": "{}", "g": "h"}


def test_a_password_in_an_address_is_left_out():
    text = "postgresql://me:se@cret@host/runs, http://host:5000/a@b and sqlite:////x/y.db"
    assert without_password(text) == (
        "postgresql://host/runs, http://host:5000/a@b and sqlite:////x/y.db"
    )


def test_a_trial_without_trackers_loads_none(tmp_path):
    program = (
        "import sys\nfrom pathlib import Path\nfrom small_trials import small_config\n"
        "from sweeper.two_tower.trial.trial import run_trial\n"
        f"run_trial(small_config(), Path({str(tmp_path)!r}) / 'run', draw=False)\n"
        "loaded = {'tensorboard', 'mlflow', 'wandb'} & set(sys.modules)\n"
        "print('loaded', sorted(loaded))"
    )
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{root}:{root / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded []"
