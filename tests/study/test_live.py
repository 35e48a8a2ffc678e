"""What a person sees of a study that runs: a table on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable

import optuna
import pytest
from made_up_trials import (
    COMPLETE,
    FAIL,
    LEARNING_RATE,
    PRUNED,
    RUNNING,
    WAITING,
    made_up_study,
    made_up_trial,
    repeated_result,
)
from optuna.trial import FrozenTrial
from rich.console import Console

from sweeper.study.outputs import live
from sweeper.study.outputs.live import LiveTable
from sweeper.study.outputs.live_view import render
from sweeper.study.outputs.number_formats import clock, number_text
from sweeper.study.outputs.progress import StudyProgress
from sweeper.study.outputs.trial_states import best_report, objectives_of


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(live, "SECONDS_BETWEEN_LOOKS", 0.01)


class Watched:
    """A live table over a study, and what it has written."""

    def __init__(
        self, study: optuna.Study, terminal: bool = False, total: int | None = 5, **more
    ) -> None:
        self.file = io.StringIO()
        console = Console(
            file=self.file, force_terminal=terminal, width=80, height=24, color_system=None
        )
        self.table = LiveTable(study, console, total, 2, objectives_of(study), **more)

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.file.getvalue())

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, self.text
            time.sleep(0.01)


def lines_of(study: optuna.Study, trials: list[FrozenTrial], **more) -> list[str]:
    """What goes to a file while these trials end one after the other."""
    watched = Watched(study, **more)
    with watched.table:
        for trial in trials:
            before = watched.text
            study.add_trial(trial)
            if trial.state.is_finished():
                watched.wait_for(lambda before=before: watched.text != before)
    assert "\x1b" not in watched.file.getvalue()
    return watched.text.splitlines()


def test_without_a_terminal_there_is_a_line_for_each_trial_that_ends():
    study = made_up_study(top_100="maximize")
    lines = lines_of(
        study,
        [
            made_up_trial(0, values=[0.0], result=repeated_result("top_100", 0, 0.0031, [0])),
            made_up_trial(1, PRUNED, reports={5: 0.1}, reason="pruned after step 5"),
            made_up_trial(2, FAIL, interrupted=True, reason="interrupted by Ctrl-C", params={}),
            made_up_trial(3, FAIL, reason="TrialError: the [loss] is not finite"),
            made_up_trial(4, RUNNING, reports={5: 0.2}),
            made_up_trial(5, WAITING),
            made_up_trial(6, values=[-0.5], collapsed=True),
        ],
    )
    lines = [re.sub(r"\d+:\d\d (left|used)", r"T \1", line) for line in lines]
    assert lines == [
        "1 of 5, T left  trial 0 complete: top_100 0.0000 ± 0.0031, best so far  "
        "learning_rate 0.001, layer_sizes [32]",
        "2 of 5, T left  trial 1 pruned: top_100 0.1000  learning_rate 0.002, layer_sizes [64, 32]",
        "2 of 5, T left  trial 2 interrupted: interrupted by Ctrl-C",
        "3 of 5, T left  trial 3 failed: TrialError: the [loss] is not finite  "
        "learning_rate 0.004, layer_sizes [64, 32]",
        "4 of 5, T left  trial 6 infeasible: top_100 -0.5000  "
        "learning_rate 0.007, layer_sizes [32]",
        "study    1 running, 1 complete, 1 pruned, 1 failed, 1 infeasible, 1 interrupted of 5; "
        "T used",
    ]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    ("values", "alike"),
    [([1.0] * 4, True), ([0.5] * 3, True), ([1.0, 1.0], False), ([1.0, 1.0, 0.9, 1.0, 1.0], False)],
)
def test_an_objective_that_ranks_no_trial_is_warned_of_once(values, alike, terminal):
    study = made_up_study(top_100="maximize")
    watched = Watched(study, terminal, total=None)
    with watched.table:
        for number, value in enumerate(values):
            study.add_trial(made_up_trial(number, values=[value]))
            time.sleep(0.03)
    warning = "warning: All 3 complete trials have top_100"
    assert watched.text.count("warning: All") == alike
    assert (warning in watched.text) == alike


def test_trials_of_an_earlier_start_count_but_are_not_told_again():
    study = made_up_study(loss="minimize")
    study.add_trial(made_up_trial(0, values=[1.0]))
    lines = lines_of(study, [made_up_trial(1, values=[2.0])], seconds_before=3600.0)
    assert len(lines) == 2
    assert lines[0].startswith("2 of 5, ")
    assert "trial 1 complete: loss 2.0000  learning" in lines[0]
    assert lines[1] == "study    2 complete, 0 pruned, 0 failed of 5; 1:00:00 used"


def test_a_study_without_a_total_or_a_trial():
    study = made_up_study(loss="minimize")
    assert lines_of(study, [], total=None) == ["study    0 complete, 0 pruned, 0 failed; 0:00 used"]


def test_the_storage_of_other_processes_is_watched(tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    watched = Watched(optuna.load_study(study_name="s", storage=storage), terminal=True)
    with watched.table:
        trial = study.ask({LEARNING_RATE: optuna.distributions.FloatDistribution(0.5, 0.5)})
        trial.report(0.123, 10)
        watched.wait_for(lambda: "0     10   0.1230" in watched.text)
        study.tell(trial, 0.25)
        watched.wait_for(lambda: "best value_0 0.2500, trial 0: learning_rate 0.5" in watched.text)
    assert watched.text.splitlines()[-1].startswith("study    1 complete, 0 pruned, 0 failed of 5")


def test_on_a_terminal_only_failures_have_a_line_of_their_own():
    study = made_up_study(top_100="maximize")
    watched = Watched(study, terminal=True)
    with watched.table:
        study.add_trial(made_up_trial(0, COMPLETE, values=[0.1]))
        study.add_trial(made_up_trial(1, FAIL, reason="TrialError: x"))
        watched.wait_for(lambda: "trial 1 failed: TrialError: x" in watched.text)
    assert "trial 0 complete" not in watched.text


@pytest.mark.parametrize("terminal", [True, False])
def test_a_storage_that_fails_for_a_while_is_read_again(monkeypatch, terminal):
    study = made_up_study(top_100="maximize")
    watched, read = Watched(study, terminal=terminal), study.get_trials

    def locked(deepcopy: bool) -> list[FrozenTrial]:
        raise optuna.exceptions.StorageInternalError("database is locked\nlong SQL")

    with watched.table:
        monkeypatch.setattr(study, "get_trials", locked)
        watched.wait_for(lambda: "problem, trying again: database is locked" in watched.text)
        study.add_trial(made_up_trial(0, values=[0.5]))
        monkeypatch.setattr(study, "get_trials", read)
        watched.wait_for(lambda: "0.5000" in watched.text)
    assert "1 complete" in watched.text.splitlines()[-1]
    assert "long SQL" not in watched.text
    if not terminal:
        assert watched.text.count("problem") == 1


def test_each_look_calls_the_hooks_with_all_trials():
    study = made_up_study(top_100="maximize")
    calls: list[int] = []
    with Watched(study, on_tick=[lambda trials: calls.append(len(trials))]).table:
        study.add_trial(made_up_trial(0, values=[0.5]))
    assert calls[0] == 0
    assert calls[-1] == 1


def test_an_error_of_a_hook_is_shown_and_raised_at_the_end():
    study, calls = made_up_study(top_100="maximize"), []

    def hook(trials: list[FrozenTrial]) -> None:
        calls.append(trials)
        raise OSError("no room")

    watched = Watched(study, on_tick=[hook])
    watched.table.start()
    watched.wait_for(lambda: len(calls) > 2)
    study.add_trial(made_up_trial(0, values=[0.5]))
    watched.wait_for(lambda: "trial 0 complete" in watched.text)
    with pytest.raises(OSError, match="no room"):
        watched.table.stop()
    assert watched.text.count("problem, trying again: no room") == 1
    assert watched.text.splitlines()[-1].startswith("study    1 complete")


def test_an_error_of_a_hook_that_went_well_later_is_over():
    def hook(_: list[FrozenTrial]) -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise OSError("no room")

    calls: list[int] = []
    watched = Watched(made_up_study(top_100="maximize"), on_tick=[hook])
    with watched.table:
        watched.wait_for(lambda: len(calls) > 1)
    assert "problem, trying again: no room" in watched.text


def test_an_error_of_a_hook_does_not_hide_ctrl_c():
    def hook(_: list[FrozenTrial]) -> None:
        raise OSError("no room")

    watched = Watched(made_up_study(top_100="maximize"), on_tick=[hook])
    with pytest.raises(KeyboardInterrupt), watched.table:
        raise KeyboardInterrupt


def seen(study: optuna.Study, width: int, height: int = 24, total: int = 60) -> list[str]:
    """Renders a study on a terminal of this size."""
    progress = StudyProgress(total, 4, objectives_of(study), now=0.0)
    progress.update(study.trials, now=1.0)
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system=None, width=width, height=height
    )
    console.print(render(progress, console.size, "1:23:45 used, 5:40 left", "epoch", 4.0, []))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return [line.rstrip() for line in lines]


def busy(running: int = 4) -> optuna.Study:
    study = made_up_study(top_100="maximize")
    study.add_trial(
        made_up_trial(0, values=[0.3], result=repeated_result("top_100", 0.3, 0.0031, [0, 1]))
    )
    study.add_trial(made_up_trial(1, values=[0.2]))
    study.add_trial(made_up_trial(2, PRUNED, reports={5: 0.9}))
    study.add_trial(made_up_trial(3, values=[0.9], collapsed=True))
    for number in range(4, 4 + running):
        study.add_trial(made_up_trial(number, RUNNING, reports={5: 0.1, 10: 0.2}))
    return study


@pytest.mark.parametrize("width", [60, 80, 110])
def test_the_picture_fits(width):
    lines = seen(busy(), width)
    assert lines[0].endswith("  4 of 60  1:23:45 used, 5:40 left")
    assert lines[0].startswith("━")
    text = " ".join(lines)
    assert "4 running, 2 complete, 1 pruned, 0 failed, 1 infeasible of 60" in text
    assert "best top_100 0.3000 ± 0.0031, trial 0: learning_rate 0.001" in text
    start = lines.index("") + 1
    assert lines[start].split() == ["trial", "epoch", "top_100", "time", "parameters"]
    assert re.match(r"    4     10   0.2000  0:0\d  learning_rate 0.005, ", lines[start + 1])
    assert len(lines) == start + 5


def test_the_picture_fits_a_low_terminal():
    lines = seen(busy(running=40), 80, height=12)
    assert len(lines) <= 11
    assert lines[-1] == "… and 35 more running"


def test_a_picture_of_several_objectives_and_a_long_name():
    study = made_up_study(seen_filtered_top_100="maximize", num_parameters="minimize")
    for number, values in enumerate([[0.3, 200.0], [-0.1, 100.0], [0.2, 300.0]]):
        study.add_trial(made_up_trial(number, values=values))
    study.add_trial(made_up_trial(3, RUNNING, progress=[15, 0.0]))
    text = "\n".join(seen(study, 60))
    assert "Pareto set: 2 trials" in text
    assert "best seen_filtered_top_100 0.3000, trial 0:" in text
    assert "best num_parameters 100, trial 1:" in text
    assert re.search(r"3 +15 +0.0000", text)


def test_a_picture_of_nothing():
    lines = seen(made_up_study(top_100="maximize"), 60)
    assert lines[1:] == ["0 complete, 0 pruned, 0 failed of 60"]


def test_the_time_left_is_told_from_the_last_finishes_and_the_workers():
    study = made_up_study(top_100="maximize")
    progress = StudyProgress(20, 4, objectives_of(study), now=0.0)
    progress.update(study.trials, now=0.0)
    assert progress.seconds_left(5.0) is None
    study.add_trial(made_up_trial(0, values=[0.1]))
    progress.update(study.trials, now=8.0)
    # One of four workers took 8 seconds: one every 2 seconds.
    assert progress.seconds_left(8.0) == pytest.approx(19 * 2.0)
    study.add_trial(made_up_trial(1, FAIL, interrupted=True))
    progress.update(study.trials, now=9.0)
    assert progress.seconds_left(9.0) == pytest.approx(19 * 2.0 - 1.0)
    for number in range(2, 9):
        study.add_trial(made_up_trial(number, PRUNED))
    progress.update(study.trials, now=16.0)
    assert progress.seconds_left(16.0) == pytest.approx(12 * 2.0)
    assert progress.seconds_left(1000.0) == 0.0
    assert StudyProgress(None, 1, objectives_of(study), now=0.0).seconds_left(1.0) is None


def test_the_time_left_ends_with_the_studys_time():
    study = made_up_study(top_100="maximize")
    progress = StudyProgress(20, 1, objectives_of(study), now=0.0, until=30.0)
    progress.update(study.trials, now=0.0)
    assert progress.seconds_left(5.0) == 25.0
    study.add_trial(made_up_trial(0, values=[0.1]))
    progress.update(study.trials, now=10.0)
    # The 19 others would take 190 s.
    assert progress.seconds_left(10.0) == 20.0
    assert progress.seconds_left(31.0) == 0.0


def test_the_best_and_the_front_are_those_of_optuna():
    study = made_up_study(top_100="maximize", loss="minimize")
    progress = StudyProgress(None, 1, objectives_of(study), now=0.0)
    for number in range(60):
        values = [(number * 7 % 11) / 10, float(number * 5 % 13)]
        study.add_trial(made_up_trial(number, values=values, collapsed=number % 5 == 0))
        progress.update(study.get_trials(deepcopy=False), now=float(number))
    assert {trial.number for trial in progress.front} == {t.number for t in study.best_trials}
    assert [best.values[index] for index, best in enumerate(progress.best)] == [1.0, 0.0]


def test_ten_thousand_trials_cost_little():
    trials = [made_up_trial(number, values=[number / 1e4]) for number in range(10_000)]
    for number, trial in enumerate(trials):
        trial.number = number
    progress = StudyProgress(None, 4, objectives_of(made_up_study(top_100="maximize")), now=0.0)
    progress.update(trials, now=0.0)
    started = time.perf_counter()
    for _ in range(10):
        progress.update(trials, now=1.0)
    assert (time.perf_counter() - started) / 10 < 0.05


def test_figures_and_times_as_a_table_has_them():
    values = [0, 0.5, -12.5, 999.96, 81234.0, 12345.6, 1.5e7, 1.2e-6, float("inf")]
    assert [number_text(value) for value in values] == [
        "0.0000", "0.5000", "-12.5000", "999.9600", "81,234", "12,345.6", "15,000,000",
        "1.2e-06", "inf",
    ]  # fmt: skip
    assert [clock(seconds) for seconds in (0, 59.6, 3600, 100_000)] == [
        "0:00", "1:00", "1:00:00", "27:46:40",
    ]  # fmt: skip


def test_a_running_trial_shows_its_epochs_of_how_many_and_its_best_beside_its_last():
    study = made_up_study(top_100="maximize")
    study.add_trial(made_up_trial(0, RUNNING, reports={5: 0.31, 10: 0.28}, steps=40))
    # Of several objectives, and of a study older than these attributes.
    study.add_trial(made_up_trial(1, RUNNING, progress=[5, 0.2, 0.25], steps=40))
    study.add_trial(made_up_trial(2, RUNNING, progress=[5, 0.2]))
    study.add_trial(made_up_trial(3, RUNNING, steps=40))
    progress = StudyProgress(60, 4, objectives_of(study), now=0.0)
    progress.update(study.trials, now=1.0)
    console = Console(file=io.StringIO(), width=80)
    title = "best_known is trained once"
    console.print(render(progress, console.size, "", "epoch", 4.0, [], title, shows_best=True))
    lines = console.file.getvalue().splitlines()
    assert lines[1].rstrip() == title
    rows = [line.split()[:7] for line in lines[-5:]]
    assert rows[0] == ["trial", "epoch", "top_100", "best", "time", "parameters"]
    assert rows[1][:6] == ["0", "10", "of", "40", "0.2800", "0.3100"]
    assert rows[2][:6] == ["1", "5", "of", "40", "0.2000", "0.2500"]
    assert rows[3][:4] == ["2", "5", "0.2000", "0.2000"]
    assert rows[4][:6] == ["3", "-", "of", "40", "-", "-"]


def test_seeds_are_counted_from_one():
    study = made_up_study(top_100="maximize")
    study.add_trial(made_up_trial(0, RUNNING, progress=[2, 0.2, 0.2], steps=5))
    progress = StudyProgress(60, 4, objectives_of(study), now=0.0)
    progress.update(study.trials, now=1.0)
    console = Console(file=io.StringIO(), width=80)
    console.print(render(progress, console.size, "", "seed", 4.0, []))
    assert console.file.getvalue().splitlines()[-1].split()[:5] == ["0", "3", "of", "5", "0.2000"]


def test_the_best_report_goes_the_way_of_the_objective():
    trial = made_up_trial(0, RUNNING, reports={1: 3.0, 2: float("nan"), 3: 2.0})
    assert best_report(trial, "minimize") == 2.0
    assert best_report(trial, "maximize") == 3.0
    assert best_report(made_up_trial(0, RUNNING), "maximize") is None


def test_the_time_left_of_the_last_trials_is_told_by_their_own_pace():
    study = made_up_study(top_100="maximize")
    study.add_trial(made_up_trial(0, RUNNING, steps=40))
    progress = StudyProgress(1, 1, objectives_of(study), now=0.0)

    def report(step: int, now: float) -> float | None:
        trial = made_up_trial(0, RUNNING, reports={step: 0.1}, steps=40)
        progress.update([trial], now)
        return progress.seconds_left(now)

    # A first report says nothing of the pace: its time had TensorFlow's start in it.
    assert report(4, 30.0) is None
    # Four epochs in two seconds; 32 are left.
    assert report(8, 32.0) == 16.0
    assert report(8, 33.0) == 15.0
    # It takes longer than its pace said.
    assert report(8, 60.0) == 0.0
    # While others wait for their turn, the trials that have ended tell it.
    waiting = StudyProgress(5, 1, objectives_of(study), now=0.0)
    for step, now in ((4, 30.0), (8, 32.0)):
        waiting.update([made_up_trial(0, RUNNING, reports={step: 0.1}, steps=40)], now)
    assert waiting.seconds_left(32.0) is None
