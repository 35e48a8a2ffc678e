"""One trial of this project beside the reference, in one run on one machine.

For each of the published models, five epochs and one evaluation of 20,000 rows:

  one trial, steady    all threads; after a first trial of the same length
  one trial, cold      all threads; that first trial, with building the model,
                       tracing and XLA's compilation, without imports and data
  two at once, steady  two trials side by side, each with half of the threads;
                       seconds a trial. The reference is also taken one at a time
                       with all threads, and its faster way counts

Each measurement runs in a process of its own (`benchmarks.reference` and
`benchmarks.ours`), the two sides in turn, `--repeats` times. The table has the
median with the smallest and the largest; a ratio is that of the medians. The
losses and accuracies beside them, after ten epochs, show that both sides
compute the same; initial weights and shuffles differ, so they are alike, not
equal.

A second table tells how much of a trial is tracing and compiling, by its length:
the price of a trial that is pruned early.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Spread, describe_machine, machine_line, positive, run_together
from sweeper.common.console import make_console
from sweeper.common.runtime import available_cores

MODELS = {"one_layer": [32], "two_layer": [64, 32], "three_layer": [128, 64, 32]}
EPOCHS = 5
TRIAL_LENGTHS = (1, 5, 20, 300)

# What was measured: by model, then by side ("reference", "ours", "reference_pair",
# "ours_pair", "ours_no_xla"), the children's figures, one or two a repeat.
Results = dict[str, dict[str, list[list[dict[str, Any]]]]]


def commands(layer_sizes: list[int], threads: int) -> dict[str, list[list[str]]]:
    """What each side runs: the commands of the processes that run at once."""
    half = max(1, threads // 2)
    common = ["--layers", ",".join(map(str, layer_sizes)), "--epochs", str(EPOCHS), "--threads"]
    reference = ["benchmarks.reference", "--warm-up-epochs", str(EPOCHS), *common]
    ours = ["benchmarks.ours", *common]
    return {
        "reference": [[*reference, str(threads)]],
        "ours": [[*ours, str(threads)]],
        "reference_pair": 2 * [[*reference, str(half)]],
        "ours_pair": 2 * [[*ours, str(half)]],
        "ours_no_xla": [[*ours, str(threads), "--no-xla"]],
    }


def measure(models: list[str], repeats: int, threads: int, console: Console) -> Results:
    """Runs everything, the sides in turn, and tells of each measurement."""
    results: Results = {model: defaultdict(list) for model in models}
    for repeat in range(1, repeats + 1):
        for model in models:
            for side, children in commands(MODELS[model], threads).items():
                figures = run_together(children)
                results[model][side].append(figures)
                seconds = ", ".join(f"{child['steady_seconds']:.2f} s" for child in figures)
                console.print(f"{repeat}/{repeats} {model:<12} {side:<15} steady {seconds}")
    return results


def spread(runs: list[list[dict[str, Any]]], *names: str) -> Spread:
    """The sum of the named figures of each repeat, a trial on its own."""
    return Spread(tuple(sum(children[0][name] for name in names) for children in runs))


def seconds_a_trial(runs: list[list[dict[str, Any]]]) -> Spread:
    """Of trials side by side: until the last has ended, divided by their number."""
    return Spread(tuple(max(child["steady_seconds"] for child in run) / len(run) for run in runs))


def compare(sides: dict[str, list[list[dict[str, Any]]]]) -> list[tuple[str, Spread, Spread, str]]:
    """(what, reference, ours, remark) of each row of the table for one model."""
    steady = spread(sides["reference"], "steady_seconds")
    cold = ("build_seconds", "warm_up_seconds")
    pair = seconds_a_trial(sides["reference_pair"])
    best, way = min((steady, "one at a time"), (pair, "two at once"), key=lambda s: s[0].median)
    return [
        ("one trial, steady", steady, spread(sides["ours"], "steady_seconds"), ""),
        ("one trial, cold", spread(sides["reference"], *cold), spread(sides["ours"], *cold), ""),
        ("two at once, steady", best, seconds_a_trial(sides["ours_pair"]), f"reference: {way}"),
    ]


def comparison_table(results: Results, threads: int) -> Table:
    """Seconds a trial of both sides and their ratio; under them what was learnt."""
    table = Table(
        title=f"{EPOCHS} epochs and one evaluation, seconds a trial, {threads} threads",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("model")
    table.add_column("")
    for name in ("reference", "sweeper", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("")
    for model, sides in results.items():
        title = f"{model} {MODELS[model]}"
        for what, reference, ours, remark in compare(sides):
            ratio = f"{reference.median / ours.median:.1f} x"
            table.add_row(title, what, reference.show(), ours.show(), ratio, remark)
            title = ""
        for what, name, digits in (("loss", "loss", 3), ("top-100", "top_100", 4)):
            reference, ours = (spread(sides[side], name) for side in ("reference", "ours"))
            table.add_row(
                "",
                f"{what} after {2 * EPOCHS} epochs",
                reference.show(digits),
                ours.show(digits),
                end_section=name == "top_100",
            )
    return table


def start_and_rates(runs: list[list[dict[str, Any]]]) -> dict[str, float]:
    """Medians: building, tracing and compiling once, then an epoch and an evaluation."""
    compile_seconds = Spread(
        tuple(child["warm_up_seconds"] - child["steady_seconds"] for child, *_ in runs)
    )
    return {
        "build": spread(runs, "build_seconds").median,
        "compile": compile_seconds.median,
        "epoch": spread(runs, "steady_train_seconds").median / EPOCHS,
        "evaluation": spread(runs, "steady_evaluate_seconds").median,
    }


def compile_table(model: str, sides: dict[str, list[list[dict[str, Any]]]]) -> Table:
    """Whole trials at the steady rate, and what of them is tracing and compiling."""
    table = Table(
        title=f"Tracing and compiling against the trial's length, {model}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in ("epochs", "train.xla", "build s", "trace + compile s", "train s", "evaluate s",
                 "total s", "trace + compile"):  # fmt: skip
        table.add_column(name, justify="right")
    rates = {"true": start_and_rates(sides["ours"]), "false": start_and_rates(sides["ours_no_xla"])}
    for epochs in TRIAL_LENGTHS:
        for xla, rate in rates.items():
            train = epochs * rate["epoch"]
            evaluate = -(-epochs // EPOCHS) * rate["evaluation"]
            total = rate["build"] + rate["compile"] + train + evaluate
            numbers = (rate["build"], rate["compile"], train, evaluate, total)
            table.add_row(
                str(epochs) if xla == "true" else "",
                xla,
                *(f"{number:.2f}" for number in numbers),
                f"{rate['compile'] / total:.0%}",
                end_section=xla == "false",
            )
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trial",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="All models take about 6 minutes a repeat on two cores. Let nothing else run. "
        "A first look: --models three_layer --repeats 1",
    )
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS), help="which models (all)"
    )
    parser.add_argument("--repeats", type=positive, default=3, help="of each measurement (3)")
    parser.add_argument(
        "--threads",
        type=positive,
        default=available_cores(),
        help="of a trial on its own; two at once get half of them each (all cores)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure to FILE")
    return parser.parse_args()


def main() -> None:
    arguments, console = parse_arguments(), make_console()
    machine = describe_machine()
    results = measure(arguments.models, arguments.repeats, arguments.threads, console)
    console.print()
    console.print(comparison_table(results, arguments.threads))
    last = arguments.models[-1]
    console.print()
    console.print(compile_table(last, results[last]))
    console.print()
    console.print(machine_line(machine), soft_wrap=True)
    if arguments.json:
        ratios = [
            (f"plain TFRS / sweeper, {model}, {what}", f"{reference.median / ours.median:.1f} x")
            for model, sides in results.items()
            for what, reference, ours, _ in compare(sides)
        ]
        content = {"machine": machine, "threads": arguments.threads, "ratios": ratios}
        content["results"] = results
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
