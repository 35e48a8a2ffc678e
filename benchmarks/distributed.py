"""How many workers a study's storage serves: throughput against workers, on each storage.

Real processes of the workers' own loop (`sweeper.study.execution.worker_loop`), each with a trial
process of its own, against one study in SQLite, in PostgreSQL and in the journal; an objective of
one second of sleep. They are forked from one process that has imported everything, so that
64 of them fit one machine; what a trial costs its own machine beside the storage (Hydra's
composing, TensorFlow) is not in it: `benchmarks.study` has that.

  efficiency   trials that ended within the window x seconds of one / (workers x window)
  turn         milliseconds from asking for the next trial until it is claimed
  cores busy   of all processes, the database server's too

The server is one that this starts (Debian's packages, its own settings), or --url.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from hydra.types import RunMode
from optuna.trial import TrialState
from rich.table import Table

from benchmarks.measure import describe_machine, machine_line, positive
from benchmarks.postgresql_server import PASSWORD, running_server
from benchmarks.study_report import Limit, PartResult, show_limits
from sweeper.cli.composition import loader
from sweeper.common.console import make_console
from sweeper.study import attributes
from sweeper.study.config import STORAGES, StorageConfig
from sweeper.study.execution.trial_child import Job
from sweeper.study.execution.trial_queue import TrialQueue
from sweeper.study.execution.worker import silence_optuna
from sweeper.study.execution.worker_loop import WorkerLoop
from sweeper.study.plan import Plan, make_plan
from sweeper.study.storage.factory import configured_storage
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config.experiment import register_schema

MANY, EFFICIENT = 64, 0.95
ARGUMENTS = [
    "optimizer.learning_rate=tag(log,interval(0.001,0.1))",
    "study.sampler=random",
    "study.pruner=none",
    "study.n_trials=1000000",
    "study.max_failures=1000000",
]
# From the first trial on, before the window: all workers are at work by then.
SECONDS_TO_START = 15.0
# For all workers to be there, and to tell what they measured; else one has died.
SECONDS_TO_WAIT = 120.0


@dataclass(frozen=True)
class Figures:
    """One storage with so many workers."""

    storage: str
    workers: int
    trials: int
    efficiency: float
    turn: float
    longest_turn: float
    cores: float

    @property
    def row(self) -> list[str]:
        return [
            self.storage, str(self.workers), f"{self.trials:,}", f"{self.efficiency:.1%}",
            f"{self.turn:.1f}", f"{self.longest_turn:.0f}", f"{self.cores:.2f}",
        ]  # fmt: skip


def plan_of(directory: Path, storage: StorageConfig) -> Plan:
    """A random search of one parameter."""
    register_schema()
    arguments = [*ARGUMENTS, f"hydra.sweep.dir={directory}"]
    with loader(None, None) as config_loader:
        config = config_loader.load_configuration("config", arguments, run_mode=RunMode.MULTIRUN)
        return replace(make_plan(config, arguments, config_loader, TwoTowerApp()), storage=storage)


def measure(plan: Plan, workers: int, sleep: float, window: float) -> Figures:
    """Runs so many workers for a while."""
    directory = plan.directory
    directory.mkdir(parents=True)
    storage = configured_storage(directory, plan.storage, plan.name)
    storage.make(plan.study.objectives, {attributes.FIRST: []}, plan.name)
    study = storage.load()
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(workers + 1)
    turns = context.Queue()

    def work(index: int) -> None:
        silence_optuna()
        timed: list[float] = []
        claim_next = TrialQueue.claim_next

        def timed_take(queue: TrialQueue) -> bool:
            started = time.perf_counter()
            taken = claim_next(queue)
            timed.append(time.perf_counter() - started)
            return taken

        TrialQueue.claim_next = timed_take  # type: ignore[method-assign]

        def objective(_: Job) -> float:
            time.sleep(sleep)
            return 0.5

        loop = WorkerLoop(plan, objective, lambda _: 1, index, float("inf"))
        ready.wait()
        loop.run()
        turns.put(timed[1:])

    processes = [context.Process(target=work, args=(index,)) for index in range(workers)]
    for process in processes:
        process.start()
    try:
        ready.wait(SECONDS_TO_WAIT)
        time.sleep(SECONDS_TO_START)
        begun, busy = time.time(), _busy_seconds()
        time.sleep(window)
        ended, busy = time.time(), _busy_seconds() - busy
        study.set_user_attr(attributes.STOP, attributes.NO_MORE)
        timed = [seconds for _ in processes for seconds in turns.get(timeout=SECONDS_TO_WAIT)]
    except BaseException:
        # Where one has died, the others wait for it.
        for process in processes:
            process.terminate()
        raise
    for process in processes:
        process.join()
    trials = study.get_trials(deepcopy=False)
    _check(trials)
    times = [trial.datetime_complete.timestamp() for trial in trials if trial.datetime_complete]
    within = sum(begun <= moment < ended for moment in times)
    return Figures(
        plan.storage.name,
        workers,
        within,
        within * sleep / (workers * (ended - begun)),
        statistics.median(timed) * 1e3,
        max(timed) * 1e3,
        busy / (ended - begun),
    )


def _check(trials: list[optuna.trial.FrozenTrial]) -> None:
    """No trial may be lost or there twice."""
    numbers = [trial.number for trial in trials]
    assert numbers == list(range(len(trials))), "numbers are missing, or there twice"
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}, "not all are complete"


def _busy_seconds() -> float:
    """Of all cores together, since the machine was started."""
    user, nice, system, _, _, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def table_of(figures: list[Figures]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("storage", "workers", "trials", "efficiency", "turn, ms", "longest", "cores"):
        table.add_column(column, justify="left" if column == "storage" else "right")
    for each in figures:
        table.add_row(*each.row)
    return table


def limits_of(figures: list[Figures]) -> list[Limit]:
    return [
        Limit(
            f"efficiency of {MANY} workers on PostgreSQL at least {EFFICIENT:.0%}",
            f"{each.efficiency:.1%}",
            each.efficiency >= EFFICIENT,
        )
        for each in figures
        if (each.storage, each.workers) == ("postgresql", MANY)
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.distributed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", type=positive, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--storages", nargs="+", choices=STORAGES, default=list(STORAGES))
    parser.add_argument("--sleep", type=float, default=1.0, help="seconds of a trial (1)")
    parser.add_argument("--window", type=float, default=20.0, help="seconds measured (20)")
    parser.add_argument("--url", help="of a database of yours, postgresql://user@host/database")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure to FILE")
    return parser.parse_args()


def main() -> None:
    arguments, console = parse_arguments(), make_console()
    silence_optuna()
    figures: list[Figures] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = arguments.url
        if "postgresql" in arguments.storages and url is None:
            os.environ["PGPASSWORD"] = PASSWORD
            url = stack.enter_context(running_server()).url()
        for storage in arguments.storages:
            config = StorageConfig(storage, url if storage == "postgresql" else None)
            for workers in arguments.workers:
                plan = plan_of(folder / f"{storage}_{workers}", config)
                figures.append(measure(plan, workers, arguments.sleep, arguments.window))
                console.print(*figures[-1].row)
    console.print()
    console.print(table_of(figures))
    console.print()
    console.print(machine_line(describe_machine()), soft_wrap=True)
    result: dict[str, PartResult] = {
        "distributed": PartResult(("-", "-"), [], limits_of(figures), {})
    }
    all_met = show_limits(result, False, console)
    if arguments.json:
        content: dict[str, Any] = {
            "machine": describe_machine(),
            "ratios": [
                (
                    f"{each.workers} workers / as many times one, {each.storage}",
                    f"{each.efficiency:.1%}",
                )
                for each in figures
                if each.workers > 1
            ],
            "results": [each.__dict__ for each in figures],
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all_met else 1)


if __name__ == "__main__":
    main()
