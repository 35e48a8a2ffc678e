"""This project's side of `benchmarks.scale`: a table of interactions, from file to ranks.

  python -m benchmarks.scale_ours --table rows.parquet --items items.parquet

prints one line of JSON:

  rows, users, items  of the table
  encode_seconds      reading, encoding and caching the tables (`data=table`)
  load_seconds        the same again, from the cache
  set_up_seconds      split, features of all rows, model
  compile_seconds     the first step, with tracing and XLA's compilation
  epoch_seconds       one whole epoch after that, its shuffle included
  examples            training rows of that epoch
  evaluate_seconds    ranking the test rows among all items
  evaluated           how many test rows
  top_100             of these, after the two epochs begun
  peak_gb             of resident memory, of the whole process
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.measure import peak_gigabytes
from sweeper.cli.composition import composed
from sweeper.common.runtime import set_threads, start_tensorflow
from sweeper.two_tower.config import Config
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.evaluation.ranking import ranking_tasks

Result = TypeVar("Result")


def configure(table: str, items: str, cache: str, test_rows: int, xla: bool = True) -> Config:
    """The tutorial's features and loss on a table with the tutorial's column names."""
    overrides = [
        "data=table",
        f"data.path='{table}'",
        f"data.items.path='{items}'",
        "data.columns.item=movie_title",
        "data.columns.timestamp=timestamp",
        f"data.cache_dir='{cache}'",
        f"data.test_size={test_rows}",
        "data.validation_size=0",
        "evaluation.split=test",
        "train.restore_best=false",
        f"train.xla={str(xla).lower()}",
    ]
    return composed(overrides)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What `work` returns, and how long it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def measure(config: Config) -> dict[str, Any]:
    """Runs all stages; returns the figures that the module's text lists."""

    def load() -> Any:
        return load_interactions(config.data, lambda text: None)

    _, encode_seconds = timed(load)
    interactions, load_seconds = timed(load)
    threads = set_threads(None)
    start_tensorflow()
    from sweeper.two_tower.evaluation.scoring import ModelScorer
    from sweeper.two_tower.training.setup import set_up_training

    started = time.perf_counter()
    split = split_interactions(config.data, interactions)
    training = set_up_training(config, interactions, split.train, threads)
    set_up_seconds = time.perf_counter() - started
    plan = next(iter(training.planner.epoch(1)))
    _, compile_seconds = timed(lambda: training.runner(plan))
    _, epoch_seconds = timed(lambda: [training.runner(plan) for plan in training.planner.epoch(2)])
    task = ranking_tasks(config.data, config.evaluation, interactions, split)["test"]
    scorer = ModelScorer(training.model, training.encoded, split.test)
    ranks, evaluate_seconds = timed(lambda: scorer.rank(task, threads))
    return {
        "rows": len(interactions),
        "users": interactions.num_users,
        "items": interactions.num_items,
        "encode_seconds": encode_seconds,
        "load_seconds": load_seconds,
        "set_up_seconds": set_up_seconds,
        "compile_seconds": compile_seconds,
        "epoch_seconds": epoch_seconds,
        "examples": len(split.train),
        "evaluate_seconds": evaluate_seconds,
        "evaluated": len(task),
        "top_100": ranks.metrics()["top_100"],
        "peak_gb": peak_gigabytes(),
    }


def table_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """The command line of either side, as far as both have it."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--table", type=Path, required=True, help="interactions, in Parquet")
    parser.add_argument("--items", type=Path, required=True, help="the catalogue, in Parquet")
    return parser


def main() -> None:
    parser = table_parser("benchmarks.scale_ours", __doc__)
    parser.add_argument("--test-rows", type=int, default=100_000, help="to rank (100,000)")
    parser.add_argument("--no-xla", action="store_true", help="with train.xla=false")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.table.parent) as cache:
        config = configure(
            str(arguments.table),
            str(arguments.items),
            cache,
            arguments.test_rows,
            not arguments.no_xla,
        )
        print(json.dumps(measure(config)), flush=True)


if __name__ == "__main__":
    main()
