"""This project's side of the benchmark: the same work as `benchmarks.reference`.

It runs the published experiment through `sweeper.two_tower.trial.trial.run_trial`, the function
behind `python -m sweeper`, with an evaluation after the first half of the epochs
and one at the end:

  python -m benchmarks.ours --layers 64,32 --epochs 5 --threads 2

prints one line of JSON. Timings leave out imports, loading the data and scoring
the popularity baseline, which the reference does not do; they include all else,
such as printing and writing the record:

  build_seconds            split, encoding, model, optimizer
  warm_up_seconds          the first `--epochs` and one evaluation, with tracing and
                           XLA's compilation
  steady_seconds           `--epochs` more and one evaluation
  steady_train_seconds     of these, training steps
  steady_evaluate_seconds  of these, the evaluation
  wall_seconds             since this module was entered, imports included
  loss, top_100            as in `benchmarks.reference`
"""

from __future__ import annotations

import time

ENTERED = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from rich.console import Console  # noqa: E402

from benchmarks.measure import layer_list, wait_for_go  # noqa: E402
from sweeper.cli.composition import composed  # noqa: E402
from sweeper.common.console import PLAIN_WIDTH  # noqa: E402
from sweeper.two_tower.config import Config  # noqa: E402
from sweeper.two_tower.trial.trial import run_trial  # noqa: E402


def configure(layer_sizes: list[int], epochs: int, threads: int | None, xla: bool) -> Config:
    """The published experiment with these layers, twice `epochs` long."""
    overrides = [
        "experiment=tutorial_shallow",
        "name=benchmark",
        f"model.layer_sizes={layer_sizes}",
        f"train.epochs={2 * epochs}",
        f"train.eval_every_epochs={epochs}",
        f"train.threads={threads or 'null'}",
        f"train.xla={str(xla).lower()}",
    ]
    return composed(overrides)


def measure(config: Config, wait: bool) -> dict[str, Any]:
    """Runs the trial; returns the figures that the module's text lists."""
    warmed_up, steady_started, finished = 0.0, 0.0, 0.0

    def report(epoch: int, metrics: dict[str, float]) -> None:
        nonlocal warmed_up, steady_started, finished
        if epoch == config.train.epochs:
            finished = time.perf_counter()
            return
        warmed_up = time.perf_counter()
        if wait:
            wait_for_go()
        steady_started = time.perf_counter()

    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w") as nowhere:
        started = time.perf_counter()
        console = Console(file=nowhere, width=PLAIN_WIDTH)
        record = run_trial(config, Path(directory) / "trial", report, console)
    seconds, (half, end) = record.seconds, record.history
    left_out = seconds["load_data"] + seconds["import_tensorflow"] + seconds["baselines"]
    return {
        "build_seconds": seconds["set_up"],
        "warm_up_seconds": warmed_up - started - left_out - seconds["set_up"],
        "steady_seconds": finished - steady_started,
        "steady_train_seconds": end["train_seconds"] - half["train_seconds"],
        "steady_evaluate_seconds": end["evaluate_seconds"] - half["evaluate_seconds"],
        "wall_seconds": time.perf_counter() - ENTERED,
        "loss": end["loss"],
        "top_100": end["top_100"],
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ours",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--layers", type=layer_list, default=[32], help="widths of the dense layers (64,32)"
    )
    parser.add_argument(
        "--epochs", type=int, default=5, help="epochs to time, and before that to warm up (5)"
    )
    parser.add_argument("--threads", type=int, help="threads of the trial (all cores)")
    parser.add_argument("--no-xla", action="store_true", help="with train.xla=false")
    parser.add_argument(
        "--wait", action="store_true", help="after the warm-up, print `ready` and wait for a line"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    config = configure(
        arguments.layers, arguments.epochs, arguments.threads, xla=not arguments.no_xla
    )
    print(json.dumps(measure(config, arguments.wait)), flush=True)


if __name__ == "__main__":
    main()
