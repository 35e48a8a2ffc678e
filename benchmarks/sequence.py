"""Models that read what a user did before: their speed, their way to accuracy, their size.

  python -m benchmarks.sequence --rectools rectools_env/bin/python

  speed     examples a second of `experiment=sequence`, whose encoder is `recency`, of the same
            model with `gru` and with `self_attention` (the same widths and lengths), and
            of the same with an embedding of the user's id in the sequence's place, as wide as a
            title's or as what `recency` gives, which tells the encoder's cost from that of the
            wider first layer; the medians of `--repeats`, in turn
  accuracy  seconds of training until the hit rate at 100 of the last 20,000 rows of MovieLens
            100K by time (nothing filtered) is 0.55, evaluated after each epoch, evaluations not
            counted: the same models, each once, and RecTools' SASRec on the same rows; then to
            SASRec's best
  scale     examples a second and peak memory of `features=sequence` with the in-batch softmax and
            Adagrad in batches of 2,048, on the first 1, 5 and 25 million rows of those that
            `benchmarks.scale` draws, read from Parquet; medians

Each measurement is a process of its own (`benchmarks.sequence_ours`,
`benchmarks.sequence_reference`). RecTools is no part of this project: it may lie in an
environment of its own, whose interpreter `--rectools` or the variable RECTOOLS_PYTHON names.
Ends with exit code 1 if a limit is not met. Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.measure import describe_machine, machine_line, positive, run_together
from benchmarks.scale import SIZES, draw_tables
from benchmarks.sequence_report import (
    REFERENCE,
    USER_ID,
    WIDE_USER_ID,
    accuracy_table,
    judge_accuracy,
    judge_scale,
    judge_speed,
    scale_table,
    speed_table,
)
from benchmarks.study_report import show_limits
from sweeper.cli.composition import composed
from sweeper.common.console import make_console
from sweeper.common.runtime import available_cores
from sweeper.two_tower.data.histories import histories_of
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import split_interactions

PARTS = ("speed", "accuracy", "scale")
ENCODERS = ("recency", "gru", "self_attention")
# Made up, with an order, for `--quick`.
SMALL = [
    "data=synthetic",
    "data.synthetic.num_users=200",
    "data.synthetic.num_items=120",
    "data.synthetic.num_interactions=6000",
    "data.synthetic.markov_share=0.8",
    "data.test_size=500",
    "features.embedding_dim=16",
    "features.sequence.max_length=20",
    "model.query_layer_sizes=[16]",
    "model.candidate_layer_sizes=[16]",
    "train.batch_size=256",
    "train.xla=false",
]
# Of the latest items before a test row, for RecTools, which leaves out those it doesn't know.
KEPT_HISTORY = 100
EPOCHS, REFERENCE_EPOCHS = 8, 16

Figures = dict[str, Any]


def common(arguments: argparse.Namespace) -> list[str]:
    """The overrides of every model of the first two parts."""
    return [
        "experiment=sequence",
        *(SMALL if arguments.quick else []),
        f"train.threads={arguments.threads}",
    ]


def sides_of(encoders: list[str]) -> dict[str, list[str]]:
    """The overrides of `experiment=sequence` that make each encoder its own."""
    return {encoder: [f"features.sequence.encoder={encoder}"] for encoder in encoders}


def with_user_id(width: str = "null") -> list[str]:
    """The overrides that put the user's id in the sequence's place."""
    return [
        f"features.query=[{{column: user_id, kind: embedding, dim: {width}}}, "
        "{column: timestamp, kind: time_gap}, {column: user_id, kind: history_length}]"
    ]


def measure_speed(arguments: argparse.Namespace, console: Console) -> dict[str, list[Figures]]:
    """By side, the figures of each repeat."""
    features = composed(common(arguments)).features
    # What `recency` gives: an average for each decay, and the last title.
    width = (features.sequence.num_decays + 1) * features.embedding_dim
    sides = {USER_ID: with_user_id(), WIDE_USER_ID: with_user_id(str(width))}
    sides |= sides_of(arguments.encoders)
    taken: dict[str, list[Figures]] = {side: [] for side in sides}
    for repeat in range(1, arguments.repeats + 1):
        for side, overrides in sides.items():
            command = ["benchmarks.sequence_ours", "--steps", str(arguments.steps)]
            taken[side] += run_together([[*command, *common(arguments), *overrides]])
            last = taken[side][-1]
            rate = last["examples"] / last["seconds"]
            console.print(f"{repeat}/{arguments.repeats} {side:<15} {rate:,.0f} examples/s")
    return taken


def measure_accuracy(arguments: argparse.Namespace, console: Console) -> dict[str, Figures]:
    """By side, each epoch; SASRec only where RecTools is installed."""
    epochs, reference_epochs = (2, 1) if arguments.quick else (EPOCHS, REFERENCE_EPOCHS)
    taken = {}
    for side, overrides in sides_of(arguments.encoders).items():
        command = ["benchmarks.sequence_ours", "--epochs", str(epochs)]
        taken |= {side: run_together([[*command, *common(arguments), *overrides]])[0]}
        tell_last(side, taken[side], console)
    if has_rectools(arguments.rectools):
        with tempfile.TemporaryDirectory(prefix="sequence_") as folder:
            rows = Path(folder) / "rows.npz"
            np.savez(rows, **rows_for_reference(common(arguments)))
            command = ["benchmarks.sequence_reference", "--rows", str(rows)]
            command += ["--epochs", str(reference_epochs), "--threads", str(arguments.threads)]
            taken |= {REFERENCE: run_together([command], arguments.rectools)[0]}
        tell_last(REFERENCE, taken[REFERENCE], console)
    return taken


def tell_last(side: str, figures: Figures, console: Console) -> None:
    last = figures["history"][-1]
    console.print(f"{side:<15} top-100 {last['top_100']:.4f} after {last['seconds']:.1f} s")


def rows_for_reference(overrides: list[str]) -> dict[str, np.ndarray]:
    """What `benchmarks.sequence_reference` trains on, and is asked."""
    config = composed(overrides)
    interactions = load_interactions(config.data, lambda text: None)
    assert interactions.timestamps is not None
    split = split_interactions(config.data, interactions)
    histories = histories_of(config.data, interactions, split.train)
    train = np.sort(split.train)
    return {
        "users": interactions.users[train],
        "items": interactions.items[train],
        "times": interactions.timestamps[train],
        "own": interactions.items[split.test],
        "histories": histories.latest(split.test, KEPT_HISTORY),
        "num_items": np.array(interactions.num_items),
    }


def has_rectools(python: str) -> bool:
    """Whether that interpreter's environment has RecTools with what its SASRec needs."""
    code = (
        "import importlib.util, sys; names = 'rectools', 'torch', 'pytorch_lightning'; "
        "sys.exit(not all(map(importlib.util.find_spec, names)))"
    )
    done = subprocess.run([python, "-c", code], check=False, capture_output=True)
    return done.returncode == 0


def missing_rectools(python: str) -> str:
    """What stands in the place of SASRec's figures."""
    return (
        f"skipped SASRec: {python} has no RecTools. To measure it, too: python -m venv "
        "rectools_env && rectools_env/bin/pip install 'rectools[torch]', then --rectools "
        "rectools_env/bin/python (on Python 3.11 it needs an older NumPy than this project does)"
    )


def measure_scale(
    arguments: argparse.Namespace, console: Console
) -> dict[int, list[dict[str, Any]]]:
    """By size, the figures of each repeat."""
    taken: dict[int, list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="sequence_") as name:
        folder = Path(name)
        for size, table in draw_tables(arguments.sizes, folder, console).items():
            overrides = [
                "features=sequence",
                # What the table's catalogue has.
                "features.candidate=[{column: movie_title, kind: embedding}, "
                "{column: movie_title, kind: text, dim: 32}]",
                "data=table",
                f"data.path='{table}'",
                f"data.items.path='{folder / 'items.parquet'}'",
                "data.columns.item=movie_title",
                "data.columns.timestamp=timestamp",
                f"data.cache_dir='{folder / 'cache'}'",
                "data.split=temporal",
                "data.validation_size=0",
                "data.test_size=20000",
                "evaluation.split=test",
                f"train.threads={arguments.threads}",
            ]
            taken[size] = []
            for _ in range(arguments.repeats):
                command = ["benchmarks.sequence_ours", "--steps", str(arguments.steps)]
                taken[size] += run_together([[*command, *overrides]])
                last = taken[size][-1]
                rate = last["examples"] / last["seconds"]
                console.print(f"{size:,} rows: {rate:,.0f} examples/s, {last['peak_gb']:.2f} GB")
            table.unlink()
    return taken


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sequence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="(all)")
    parser.add_argument(
        "--encoders", nargs="+", choices=ENCODERS, default=list(ENCODERS), help="(all)"
    )
    parser.add_argument("--repeats", type=positive, default=3, help="of speed and scale (3)")
    parser.add_argument(
        "--steps", type=positive, default=240, help="to time, of speed and scale (240)"
    )
    parser.add_argument(
        "--sizes", nargs="+", type=positive, default=SIZES, help="of scale (1, 5 and 25 M)"
    )
    parser.add_argument("--threads", type=positive, default=available_cores(), help="(all cores)")
    parser.add_argument(
        "--rectools",
        metavar="PYTHON",
        default=os.environ.get("RECTOOLS_PYTHON", sys.executable),
        help="the interpreter of an environment that has RecTools (this one)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a first look at speed and accuracy: small, made-up data, one repeat, limits not "
        "judged, in about a minute",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure to FILE")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.repeats, arguments.steps = 1, 8
        arguments.parts = [part for part in arguments.parts if part != "scale"]
    if not Path(arguments.rectools).is_file():
        parser.error(f"--rectools: got {arguments.rectools!r}; must be a Python interpreter's path")
    return arguments


def main() -> None:
    arguments, console = parse_arguments(), make_console()
    results, figures, tables = {}, {}, []
    if "speed" in arguments.parts:
        figures["speed"] = speed = measure_speed(arguments, console)
        tables.append(speed_table(speed))
        results |= judge_speed(speed)
    if "accuracy" in arguments.parts:
        figures["accuracy"] = accuracy = measure_accuracy(arguments, console)
        tables.append(accuracy_table(accuracy))
        if REFERENCE not in accuracy:
            tables.append(missing_rectools(arguments.rectools))
        results |= judge_accuracy(accuracy)
    if "scale" in arguments.parts:
        figures["scale"] = scale = measure_scale(arguments, console)
        tables.append(scale_table(scale))
        results |= judge_scale(scale)
    for table in tables:
        console.print()
        console.print(table, soft_wrap=True, markup=False)
    console.print()
    all_met = show_limits(results, arguments.quick, console)
    machine = describe_machine()
    machine["versions"] |= figures.get("accuracy", {}).get(REFERENCE, {}).get("versions", {})
    console.print(machine_line(machine), soft_wrap=True)
    if arguments.json:
        ratios = [result.ratio for result in results.values()]
        content = {"machine": machine, "ratios": ratios, "figures": figures}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        console.print(f"output   {arguments.json}")
    if not all_met:
        sys.exit(1)


if __name__ == "__main__":
    main()
