"""Optuna alone, as its documentation runs it on several processes: one SQLite file, no more.

  python -m benchmarks.plain_optuna --directory /tmp/plain --trials 1000 --workers 2

prints one line of JSON: `seconds` from the first trial's start to the last one's end,
`trials` that are complete. The objective is that of `benchmarks.sleep_study` without the
sleep; nothing is composed, no directory is made, and no trial has a process.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

SAMPLERS = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}


def objective(trial: optuna.Trial) -> float:
    learning_rate = trial.suggest_float("learning_rate", 0.01, 1, log=True)
    return -((math.log10(learning_rate) + 1) ** 2)


def open_storage(directory: Path) -> RDBStorage:
    # As long as this project waits; Optuna's own 5 seconds may not be enough.
    options = {"connect_args": {"timeout": 60}}
    return RDBStorage(f"sqlite:///{directory / 'study.db'}", engine_kwargs=options)


def work(directory: Path, sampler: str, seed: int, trials: int) -> None:
    """One process: runs its share of the trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        study_name="plain", storage=open_storage(directory), sampler=SAMPLERS[sampler](seed=seed)
    )
    study.optimize(objective, n_trials=trials)


def measure(directory: Path, sampler: str, trials: int, workers: int) -> dict[str, float]:
    """Runs the study; returns the figures that the module's text lists."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directory.mkdir(parents=True, exist_ok=True)
    optuna.create_study(study_name="plain", storage=open_storage(directory), direction="maximize")
    # Not forked: a database connection must not be shared.
    context = multiprocessing.get_context("spawn")
    shares = [trials // workers + (index < trials % workers) for index in range(workers)]
    processes = [
        context.Process(target=work, args=(directory, sampler, index, share))
        for index, share in enumerate(shares)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    study = optuna.load_study(study_name="plain", storage=open_storage(directory))
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    first = min(trial.datetime_start.timestamp() for trial in complete if trial.datetime_start)
    last = max(trial.datetime_complete.timestamp() for trial in complete if trial.datetime_complete)
    return {"seconds": last - first, "trials": len(complete)}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.plain_optuna",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--directory", type=Path, required=True, help="a new one, for study.db")
    parser.add_argument("--sampler", choices=SAMPLERS, default="random", help="(random)")
    parser.add_argument("--trials", type=int, default=1_000, help="in all (1000)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    figures = measure(arguments.directory, arguments.sampler, arguments.trials, arguments.workers)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
