"""This project's side of `benchmarks.sequence`: one model, trained for its speed or its accuracy.

  python -m benchmarks.sequence_ours --steps 160 experiment=sequence
  python -m benchmarks.sequence_ours --epochs 8 experiment=sequence

Takes overrides as `python -m sweeper` does, and prints one line of JSON. With `--steps`:

  rows            of the data
  set_up_seconds  split, features of all rows, model
  first_seconds   the first plan of steps, with tracing and XLA's compilation
  seconds         of the next `--steps` steps at least, their planning included
  cpu_seconds     the same in processor time, of all threads
  examples        that they trained on
  peak_gb         of resident memory, of the whole process

With `--epochs`, `history`: after each epoch `epoch`, `seconds` and `cpu_seconds` of training so
far, tracing and compiling included, without evaluations, and `top_100` of the test rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from typing import Any

from benchmarks.measure import peak_gigabytes
from sweeper.cli.composition import composed
from sweeper.common.runtime import set_threads, start_tensorflow
from sweeper.two_tower.config import Config
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.evaluation.ranking import ranking_tasks
from sweeper.two_tower.validation import validate


def measure_steps(config: Config, steps: int) -> dict[str, Any]:
    """The speed of training; returns the figures that the module's text lists."""
    interactions = load_interactions(config.data, lambda text: None)
    threads = set_threads(config.train.threads)
    start_tensorflow()
    from sweeper.two_tower.training.setup import set_up_training

    started = time.perf_counter()
    split = split_interactions(config.data, interactions)
    training = set_up_training(config, interactions, split.train, threads)
    set_up_seconds = time.perf_counter() - started
    plans = itertools.chain.from_iterable(map(training.planner.epoch, itertools.count(1)))
    started = time.perf_counter()
    training.runner(next(plans))
    first_seconds = time.perf_counter() - started
    done = examples = 0
    started, cpu_started = time.perf_counter(), time.process_time()
    while done < steps:
        plan = next(plans)
        training.runner(plan)
        done += plan.steps
        examples += int((plan.sample_weight > 0).sum())
    return {
        "rows": len(interactions),
        "set_up_seconds": set_up_seconds,
        "first_seconds": first_seconds,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
        "examples": examples,
        "peak_gb": peak_gigabytes(),
    }


def measure_epochs(config: Config) -> dict[str, Any]:
    """The accuracy after each epoch, and what it took; returns what the module's text lists."""
    interactions = load_interactions(config.data, lambda text: None)
    threads = set_threads(config.train.threads)
    start_tensorflow()
    from sweeper.two_tower.evaluation.scoring import ModelScorer
    from sweeper.two_tower.training.loop import Callbacks, History, train
    from sweeper.two_tower.training.setup import set_up_training

    split = split_interactions(config.data, interactions)
    training = set_up_training(config, interactions, split.train, threads)
    task = ranking_tasks(config.data, config.evaluation, interactions, split)["test"]
    scorer = ModelScorer(training.model, training.encoded, split.test)
    # Of processor time: when this stretch of training began, and what was before it.
    began, cpu_seconds = time.process_time(), 0.0

    def evaluate() -> dict[str, float]:
        nonlocal began, cpu_seconds
        cpu_seconds += time.process_time() - began
        metrics = scorer.rank(task, threads).metrics()
        began = time.process_time()
        return metrics

    history = []
    metric = config.evaluation.metric
    for evaluation in train(config.train, training, metric, Callbacks(evaluate), History()):
        history.append(
            {
                "epoch": evaluation.epoch,
                "seconds": evaluation.train_seconds,
                "cpu_seconds": cpu_seconds,
                "top_100": evaluation.metrics["top_100"],
            }
        )
    return {"history": history}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sequence_ours",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--steps", type=int, help="to time")
    what.add_argument("--epochs", type=int, help="to train and evaluate")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    overrides = [*arguments.overrides, "train.restore_best=false"]
    if arguments.epochs:
        overrides += [f"train.epochs={arguments.epochs}", "train.eval_every_epochs=1"]
    config = composed(overrides)
    validate(config)
    figures = measure_epochs(config) if arguments.epochs else measure_steps(config, arguments.steps)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
