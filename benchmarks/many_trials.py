"""What a study of thousands of stored trials costs before its next one starts.

  python -m benchmarks.many_trials --trials 100 1000 10000

makes studies of so many trials, with the attributes and files that real ones have, and
prints for each: the seconds until a real process that goes on with it starts its first
trial, those of each step on the way, of a report, and of one `ask` of each sampler.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, create_trial
from sqlalchemy import event

from benchmarks.measure import ROOT, child_environment, describe_machine
from benchmarks.sleep_study import TIMES
from benchmarks.study_runs import SMALL_DATA
from sweeper.report.__main__ import write_report
from sweeper.study import attributes
from sweeper.study.algorithms.samplers import build_sampler
from sweeper.study.config import StudyConfig
from sweeper.study.execution.recovery import recover_stale_trials
from sweeper.study.outputs.leaderboard import leaderboard_rows, write_leaderboard
from sweeper.study.outputs.progress import StudyProgress
from sweeper.study.outputs.trial_states import objectives_of
from sweeper.study.storage.bulk_rdb import database_of
from sweeper.study.storage.factory import load_study, storage_in
from sweeper.two_tower import record as records
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.trial.summary import summarize

NAME = "architecture"
SEARCH = [f"study={NAME}", "study.reference=null", "study.report=false", *SMALL_DATA]
SEEDS = 40  # so many real trials, of which the others are variations
FIRST = "first trial starts"
SAMPLERS = ("tpe", "random", "qmc", "nsga2", "cmaes")


def run(module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    environment = {**child_environment(), "PYTHONPATH": str(ROOT), "SLEEP_SECONDS": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def make(directory: Path, number: int) -> None:
    """Makes a study of `number` trials in `directory`."""
    template = directory.with_name("template")
    if not template.exists():
        epochs = ["train=quick", "train.epochs=30", "train.eval_every_epochs=2"]
        run("sweeper", *SMALL_DATA, *epochs, f"hydra.run.dir={template}")
    run(
        "benchmarks.sleep_study", *SEARCH, f"study.n_trials={SEEDS}", "study.sampler=random",
        f"hydra.sweep.dir={directory}",
    )  # fmt: skip
    study = load_study(directory)
    database = database_of(study._storage)
    assert database is not None
    event.listen(database.engine, "connect", _unsynchronized)
    database.engine.dispose()  # The connections that it has been read by.
    seeds = study.get_trials()
    result, history = summarize(template) or {}, records.read(template).history
    reports = {int(row["epoch"]): row["top_100"] for row in history}
    for index in range(len(seeds), number):
        trial = _variation(seeds[index % len(seeds)], index, result, reports)
        study.add_trial(trial)
        place = directory / "trials" / f"{index:04d}"
        place.mkdir()
        for name in (records.TRIAL, records.HISTORY):
            shutil.copy(template / name, place)


def _unsynchronized(connection, _) -> None:  # type: ignore[no-untyped-def]
    connection.execute("PRAGMA synchronous = OFF")


def _variation(
    seed: FrozenTrial, number: int, result: dict[str, object], reports: dict[int, float]
) -> FrozenTrial:
    params = {
        name: value * (1 - 1e-6 * number) + 1e-6 * number * distribution.low
        if isinstance(distribution := seed.distributions[name], FloatDistribution)
        and not distribution.step
        else value
        for name, value in seed.params.items()
    }
    trial = create_trial(
        value=seed.values[0] - 1e-6 * number,
        params=params,
        distributions=seed.distributions,
        intermediate_values=reports,
        user_attrs={
            **seed.user_attrs,
            attributes.DIRECTORY: f"trials/{number:04d}",
            attributes.RESULT: result,
        },
        constraints={"scores_collapsed": 0.0},
    )
    trial.datetime_start = datetime.now()
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=5)
    return trial


def seconds_to_first_trial(directory: Path) -> float:
    """From the start of a real process that goes on with the study to that of its next trial."""
    number = len(load_study(directory).get_trials(deepcopy=False))
    started = time.time()
    run(
        "benchmarks.sleep_study", *SEARCH, f"study.n_trials={number + 1}", "study.sampler=random",
        "study.workers=1", f"hydra.sweep.dir={directory}",
    )  # fmt: skip
    noted = directory / "trials" / f"{number:04d}" / TIMES
    return json.loads(noted.read_text())["start"] - started


def steps(directory: Path) -> Iterator[tuple[str, float]]:
    """Each step by itself, in this process."""

    def seconds(function: Callable[[], object]) -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    yield "check_database", seconds(lambda: storage_in(directory).check())
    study = load_study(directory)
    yield "first get_trials", seconds(lambda: study.get_trials(deepcopy=False))
    yield "second get_trials", seconds(lambda: study.get_trials(deepcopy=False))
    limits = SimpleNamespace(max_retries=2)
    plan: Any = SimpleNamespace(directory=directory, study=limits, app=TwoTowerApp())
    yield "settle", seconds(lambda: recover_stale_trials(study, plan))
    yield "leaderboard_rows", seconds(lambda: leaderboard_rows(study))
    yield "write_leaderboard", seconds(lambda: write_leaderboard(study, directory))
    progress = StudyProgress(None, 2, objectives_of(study), time.monotonic())
    trials = study.get_trials(deepcopy=False)
    yield "first look", seconds(lambda: progress.update(trials, time.monotonic()))
    yield "second look", seconds(lambda: progress.update(trials, time.monotonic()))
    page = directory / "measured.html"
    yield "report", seconds(lambda: write_report([directory], page, lambda *_: None))


def asks(directory: Path) -> Iterator[tuple[str, float]]:
    """One `ask` of each sampler, with all that a real trial suggests: the second of two."""
    for name in SAMPLERS:
        study = load_study(directory)
        known = study.get_trials(deepcopy=False)[0].distributions
        study.sampler = build_sampler(StudyConfig(sampler=name), 0, 0)
        taken = []
        for _ in range(2):
            start = time.perf_counter()
            trial = study.ask()
            for parameter, distribution in known.items():
                trial._suggest(parameter, distribution)
            taken.append(time.perf_counter() - start)
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        yield f"ask {name}", taken[-1]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.many_trials", description=__doc__)
    parser.add_argument("--directory", type=Path, help="keeps the studies, to be read again")
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure to FILE")
    parsed = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seconds = {}
    with ExitStack() as stack:
        place = parsed.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.makedirs(place, exist_ok=True)
        for number in parsed.trials:
            directory = place / f"study_{number}"
            if not directory.exists():
                make(directory, number)
            print(f"{number:,} trials", flush=True)
            taken = {FIRST: seconds_to_first_trial(directory)}
            taken |= {**dict(steps(directory)), **dict(asks(directory))}
            seconds[number] = taken
            for what, each in taken.items():
                print(f"  {what:20} {each:8.3f} s", flush=True)
    if parsed.json:
        fewest, *others = seconds
        ratios = [
            (
                f"{FIRST}, {number:,} stored trials / {fewest:,}",
                f"{seconds[number][FIRST] / seconds[fewest][FIRST]:.1f} x",
            )
            for number in others
        ]
        content = {"machine": describe_machine(), "ratios": ratios, "seconds": seconds}
        parsed.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
